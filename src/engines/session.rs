//! A tracer at work: started on a process, seen to be armed, ended, and read.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use raptors_routines::find;
use tempfile::TempDir;

use super::arguments::{self, Source};
use super::armed::Watch;
use super::tools::{self, Tool, short};
use super::{Plan, Point, Seen, Traced, Tracer, bpftrace, dtrace};
use crate::comparison::CallKind;
use crate::doctor::leftovers;
use crate::elf::Image;
use crate::error::{Error, Exit};
use crate::platform;

/// DTrace takes about 5 s to start; with a hundred probes on a busy machine several times that.
const ARM_PATIENCE: Duration = Duration::from_secs(90);
/// A breakpoint stands for a moment before the tracer's own program is attached to it.
const SETTLE: Duration = Duration::from_millis(700);
/// For a tracer to print its report.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// A point as a tracer is told of it.
pub struct Armed {
    /// The number of its call site.
    pub site: u32,
    /// The function's own name.
    pub symbol: Option<String>,
    /// The file as the process has it.
    pub module: PathBuf,
    /// The same file under a name that is safe in a program.
    pub path: PathBuf,
    /// The function's address in the file's own numbering.
    pub address: u64,
    /// Where its sizes are read.
    pub sources: [Source; 4],
}

impl Armed {
    fn is_at(&self, other: &Self) -> bool {
        self.address == other.address && self.module == other.module
    }

    /// The file's own name, which is what DTrace calls the module.
    pub fn module_name(&self) -> Option<&str> {
        self.module.file_name()?.to_str()
    }
}

/// A tracer that is watching a process.
pub struct Session {
    tracer: Tracer,
    version: String,
    child: Child,
    output: thread::JoinHandle<String>,
    complaints: thread::JoinHandle<String>,
    probes: usize,
    sites: Vec<u32>,
    left_out: Vec<String>,
    /// Holds the program and the safe names; gone when dropped.
    _directory: TempDir,
}

/// Starts `tracer` on the process of `plan` and waits until its probes are seen in that process's memory.
///
/// # Errors
/// A tool that is not there, too few rights, or probes that do not appear: with the tool's own words.
pub fn start(
    tracer: Tracer,
    plan: &Plan,
    interrupted: &dyn Fn() -> bool,
) -> Result<Session, Error> {
    let tool = tools::find(tracer)?;
    let directory = tempfile::Builder::new()
        .prefix("raptors-trace-tracer-")
        .tempdir()
        .map_err(|error| {
            Error::new("there is no place for the tracer's program").caused_by(error)
        })?;
    let mut preparation = Preparation::new(tracer, directory.path());
    let points = preparation.points(&plan.points)?;
    let mut places: Vec<(PathBuf, u64)> = Vec::new();
    let mut extension = None;
    if let Some(file) = &plan.extension {
        let name = if plan.in_rounds {
            "round__entry"
        } else {
            "backend__entry"
        };
        places.push((file.clone(), preparation.probe(file, name)?));
        extension = Some(preparation.safe(file)?);
    }
    let program = match tracer {
        Tracer::Bpftrace => {
            bpftrace::program(plan.pid, extension.as_deref(), plan.in_rounds, &points)
        }
        Tracer::Dtrace => dtrace::program(extension.is_some(), plan.in_rounds, &points),
    };
    let file = directory.path().join("program");
    fs::write(&file, program)
        .map_err(|error| Error::new("the tracer's program cannot be written").caused_by(error))?;
    places.extend(
        points
            .iter()
            .map(|point| (point.module.clone(), point.address)),
    );
    if places.is_empty() {
        let mut error = Error::new(format!(
            "process {} has loaded nothing that {} could watch",
            plan.pid,
            tracer.as_str()
        ))
        .exit(Exit::NothingObserved);
        if let [why, ..] = preparation.left_out().as_slice() {
            error = error.caused_by(Error::new(why.clone()));
        }
        return Err(error);
    }
    let watch = Watch::new(plan.pid, &places)?;
    let sites = points.iter().map(|point| point.site).collect();
    let left_out = preparation.left_out();
    let mut session = Session::spawn(tracer, &tool, plan.pid, &file, directory)?;
    (session.sites, session.left_out) = (sites, left_out);
    session.probes = places.len();
    session.wait_until_armed(&watch, interrupted)?;
    Ok(session)
}

/// What is worked out before a tracer is started.
struct Preparation<'a> {
    tracer: Tracer,
    directory: &'a Path,
    images: HashMap<PathBuf, Image>,
    safe: HashMap<PathBuf, PathBuf>,
    /// Reasons with what each keeps from being watched.
    refused: Vec<(String, Vec<String>)>,
}

impl<'a> Preparation<'a> {
    fn new(tracer: Tracer, directory: &'a Path) -> Self {
        Self {
            tracer,
            directory,
            images: HashMap::new(),
            safe: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// The points that can be armed.
    fn points(&mut self, wanted: &[Point]) -> Result<Vec<Armed>, Error> {
        let mut armed: Vec<Armed> = Vec::new();
        for point in wanted {
            match self.point(point)? {
                Ok(_) if self.tracer == Tracer::Dtrace && armed.len() >= dtrace::MOST_POINTS => {
                    let most = dtrace::MOST_POINTS;
                    self.refuse(
                        point,
                        format!("DTrace takes a file descriptor and 0.3 s a probe, so {most} functions at most are watched"),
                    );
                }
                // A second name of the same function would count each call twice.
                Ok(ready) if armed.iter().any(|known| known.is_at(&ready)) => {}
                Ok(ready) => armed.push(ready),
                Err(why) => self.refuse(point, why),
            }
        }
        Ok(armed)
    }

    /// One point, or why it cannot be armed.
    fn point(&mut self, point: &Point) -> Result<Result<Armed, String>, Error> {
        let module = point.module.clone();
        let image = self.image(&module)?;
        let by_name = point
            .symbol
            .as_deref()
            .and_then(|name| image.function(name));
        let Some(address) = point.address.or(by_name.map(|known| known.address)) else {
            return Ok(Err("their files do not name them".to_owned()));
        };
        if self.tracer == Tracer::Dtrace {
            if point.symbol.is_none() {
                return Ok(Err(
                    "DTrace finds functions by name, and the file is stripped".to_owned(),
                ));
            }
            let shifted = self.image(&module)?.is_shifted();
            if platform::DTRACE_CONFUSES_ADDRESS_AND_OFFSET && shifted {
                let name = short(&module);
                return Ok(Err(format!(
                    "DTrace would put its probes at wrong places in {name}, whose addresses are not its file offsets"
                )));
            }
        }
        let sources = match point.kind {
            CallKind::Routine => find(&point.name).map_or([Source::Absent; 4], |r| {
                arguments::of_routine(r, point.width)
            }),
            _ => arguments::of_loop(point.operands, point.generalised),
        };
        Ok(Ok(Armed {
            site: point.site,
            symbol: point.symbol.clone(),
            path: self.safe(&module)?,
            module,
            address,
            sources,
        }))
    }

    fn image(&mut self, path: &Path) -> Result<&Image, Error> {
        if !self.images.contains_key(path) {
            self.images.insert(path.to_owned(), Image::read(path)?);
        }
        Ok(&self.images[path])
    }

    /// The address of one of the extension's own probes.
    fn probe(&mut self, extension: &Path, name: &str) -> Result<u64, Error> {
        self.image(extension)?
            .probe("raptors", name)
            .ok_or_else(|| {
                Error::new(format!("`{}` has no Raptors probes", extension.display()))
                    .mend("build it with its probes (the default), and do not strip its notes")
            })
    }

    /// The file under a name of harmless characters: its own, or a link in a private directory.
    fn safe(&mut self, path: &Path) -> Result<PathBuf, Error> {
        if let Some(known) = self.safe.get(path) {
            return Ok(known.clone());
        }
        let failed =
            |error| Error::new(format!("`{}` cannot be named", path.display())).caused_by(error);
        let real = path.canonicalize().map_err(failed)?;
        let harmless = |&byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
        let safe = if real.as_os_str().as_bytes().iter().all(harmless) {
            real
        } else {
            let link = self.directory.join(format!("file{}", self.safe.len()));
            std::os::unix::fs::symlink(&real, &link).map_err(failed)?;
            link
        };
        self.safe.insert(path.to_owned(), safe.clone());
        Ok(safe)
    }

    fn refuse(&mut self, point: &Point, why: String) {
        let name = point.name.clone();
        match self.refused.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => self.refused.push((why, vec![name])),
        }
    }

    fn left_out(&self) -> Vec<String> {
        let sentence = |(why, names): &(String, Vec<String>)| match names.as_slice() {
            [one] => format!("{one}: {why}"),
            [first, rest @ ..] => format!("{first} and {} more: {why}", rest.len()),
            [] => String::new(),
        };
        self.refused.iter().map(sentence).collect()
    }
}

impl Session {
    fn spawn(
        tracer: Tracer,
        tool: &Tool,
        pid: u32,
        program: &Path,
        directory: TempDir,
    ) -> Result<Self, Error> {
        let mut command = Command::new(&tool.path);
        match tracer {
            Tracer::Bpftrace => command.arg("-p").arg(pid.to_string()).arg(program),
            Tracer::Dtrace => command.args(["-p", &pid.to_string(), "-s"]).arg(program),
        };
        // More patterns than bpftrace's 4096 would be lost without a word.
        command.env("BPFTRACE_MAP_KEYS_MAX", "65536");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = platform::in_own_group(&mut command)
            .spawn()
            .map_err(|error| {
                Error::new(format!("{} could not be started", tracer.as_str())).caused_by(error)
            })?;
        let output = reader(child.stdout.take());
        let complaints = reader(child.stderr.take());
        Ok(Self {
            tracer,
            version: tool.version.clone(),
            child,
            output,
            complaints,
            probes: 0,
            sites: Vec::new(),
            left_out: Vec::new(),
            _directory: directory,
        })
    }

    fn wait_until_armed(
        &mut self,
        watch: &Watch,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + ARM_PATIENCE;
        loop {
            let changed = watch.changed();
            if changed.iter().all(|changed| *changed) {
                thread::sleep(SETTLE);
                return Ok(());
            }
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                self.clean(self.child.id());
                return Err(self.failure("ended before it was armed"));
            }
            if interrupted() {
                return Err(self.failure("was interrupted before it was armed"));
            }
            if Instant::now() > deadline {
                let armed = changed.iter().filter(|changed| **changed).count();
                let all = changed.len();
                let seconds = ARM_PATIENCE.as_secs();
                return Err(self.failure(&format!(
                    "had put {armed} of {all} probes into the process after {seconds} s"
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets the tracer watch process `pid`, until the time is over, the process has ended, the tracer has, or `interrupted`
    /// says so. How long it was watched, and whether the process has ended.
    ///
    /// Tracers put their probes in and out one after the other, which takes seconds, in which some count and others do
    /// not. So nothing counts before a system call of this process that the tracer waits for, nor after a second one.
    pub fn watch(
        &mut self,
        pid: u32,
        time: Duration,
        interrupted: &dyn Fn() -> bool,
    ) -> (Duration, bool) {
        platform::mark(true);
        let started = Instant::now();
        let ended = self.let_run(pid, time, interrupted);
        platform::mark(false);
        (started.elapsed(), ended)
    }

    fn let_run(&mut self, pid: u32, time: Duration, interrupted: &dyn Fn() -> bool) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline && !interrupted() {
            if platform::reach(pid) == platform::Reach::Gone {
                return true;
            }
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                // With `-p` it ends with its process.
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Ends the tracer and reads its report.
    ///
    /// # Errors
    /// When the tracer did not end well.
    pub fn finish(mut self) -> Result<Traced, Error> {
        platform::interrupt(&self.child);
        let deadline = Instant::now() + END_PATIENCE;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                _ => return Err(self.failure("did not end when it was told to")),
            }
        };
        if !status.success() {
            self.clean(self.child.id());
            return Err(self.failure(&format!("failed ({status})")));
        }
        let text = std::mem::replace(&mut self.output, thread::spawn(String::new)).join();
        let text = text.unwrap_or_default();
        let Seen { counts, spent } = match self.tracer {
            Tracer::Bpftrace => bpftrace::parse(&text),
            Tracer::Dtrace => dtrace::parse(&text),
        };
        let mark = match self.tracer {
            Tracer::Bpftrace => "@m[",
            Tracer::Dtrace => "m ",
        };
        Ok(Traced {
            marks: text.lines().filter(|line| line.starts_with(mark)).count(),
            engine: self.tracer.as_str().to_owned(),
            version: self.version.clone(),
            armed: true,
            why_not: None,
            probes: self.probes,
            sites: std::mem::take(&mut self.sites),
            left_out: std::mem::take(&mut self.left_out),
            counts,
            spent,
        })
    }

    /// An error with what the tool itself said. The tool is ended.
    fn failure(&mut self, what: &str) -> Error {
        self.end();
        let said = std::mem::replace(&mut self.complaints, thread::spawn(String::new)).join();
        let said = said.unwrap_or_default();
        let error = Error::new(format!("{} {what}", self.tracer.as_str()));
        let error = if platform::is_root() {
            error
        } else {
            error.mend("run it as root: sudo raptors-trace …")
        };
        match said.trim() {
            "" => error,
            said => error.caused_by(std::io::Error::other(last_lines(said))),
        }
    }

    /// Ends the tool if it still runs: politely, because a killed DTrace leaves its probes in the kernel.
    fn end(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        platform::interrupt(&self.child);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let pid = self.child.id();
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.clean(pid);
    }

    /// A DTrace that was killed, by us or by somebody else, leaves its probes in the kernel.
    fn clean(&self, pid: u32) {
        if self.tracer == Tracer::Dtrace {
            // What cannot be removed is for `doctor --clean`; there is nothing to be done about it here.
            let _ = leftovers::clean(Some(pid));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

fn reader(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}
