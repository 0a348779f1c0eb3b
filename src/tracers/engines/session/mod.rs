//! A tracer at work: started on a process, seen to be armed, ended, and read.

mod stacks;

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use raptors_routines::find;
use tempfile::TempDir;

use super::arguments::{self, Source};
use super::armed::Watch;
use super::tools::{Tool, short};
use super::{Plan, Point, Seen, Traced, Tracer, bpftrace, dtrace};
use crate::machine::command::ourselves_as_root;
use crate::machine::elf::Image;
use crate::machine::pipe;
use crate::machine::platform::{self, Mapping};
use crate::model::comparison::CallKind;
use crate::model::error::{Error, Exit};
use crate::tracers::leftovers;

/// DTrace takes about 5 s to start; with a hundred probes on a busy machine several times that.
const ARM_PATIENCE: Duration = Duration::from_secs(90);
/// A breakpoint stands for a moment before the tracer's own program is attached to it.
const SETTLE: Duration = Duration::from_millis(700);
/// For a tracer to withdraw its probes and print its report, and more for each function: bpftrace takes 0.2 s for one,
/// DTrace 0.26 s, several times that on a busy machine.
const END_PATIENCE: Duration = Duration::from_secs(60);
const END_PATIENCE_EACH: Duration = Duration::from_secs(1);

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
    directory: TempDir,
}

/// Starts a tracer on the process of `plan` and waits until its probes are seen in that process's memory.
///
/// # Errors
/// Too few rights, or probes that do not appear: with the tool's own words.
pub fn start(tool: &Tool, plan: &Plan, interrupted: &dyn Fn() -> bool) -> Result<Session, Error> {
    let tracer = tool.tracer;
    check_numbers(tracer, plan.pid)?;
    let no_place = |error| {
        Error::new("there is no place for the tracer's program")
            .caused_by(error)
            .help("free disk space, or set TMPDIR to a directory that can be written to")
    };
    let directory = platform::private_directory("raptors-trace-tracer-").map_err(no_place)?;
    let mut preparation = Preparation::new(tracer, plan.pid, directory.path());
    let points = preparation.points(&plan.points)?;
    let mut places: Vec<(PathBuf, u64)> = Vec::new();
    let mut extension = None;
    if let Some(file) = &plan.extension {
        let name = if plan.in_rounds { "round__entry" } else { "backend__entry" };
        match preparation.not_found(file, true) {
            Some(why) if plan.in_rounds => return Err(Error::new(why)),
            Some(why) => preparation.refuse("raptors scale", why),
            None => {
                places.push((file.clone(), preparation.probe(file, name)?));
                extension = Some(preparation.safe(file)?);
            }
        }
    }
    let program = match tracer {
        Tracer::Bpftrace => bpftrace::program(plan.pid, extension.as_deref(), plan.in_rounds, &points)?,
        Tracer::Dtrace => dtrace::program(extension.is_some(), plan.in_rounds, &points)?,
    };
    let file = directory.path().join("program");
    fs::write(&file, program).map_err(no_place)?;
    places.extend(points.iter().map(|point| (point.module.clone(), point.address)));
    if places.is_empty() {
        let mut error =
            Error::new(format!("process {} has loaded nothing that {} could watch", plan.pid, tracer.as_str()))
                .exit(Exit::NothingObserved);
        if let [why, ..] = preparation.left_out().as_slice() {
            error = error.caused_by(Error::new(why.clone()));
        }
        return Err(error);
    }
    let watch = Watch::new(plan.pid, &places)?;
    let sites = points.iter().map(|point| point.site).collect();
    let left_out = preparation.left_out();
    let mut session = Session::spawn(tool, plan.pid, &file, None, directory)?;
    (session.sites, session.left_out) = (sites, left_out);
    session.probes = places.len();
    session.wait_until_armed(&watch, interrupted)?;
    Ok(session)
}

/// Tracers know a process by the number that it has in the outermost PID namespace (bpftrace until 0.21, DTrace 2.0.7;
/// bpftrace 0.22 to 0.24 take the numbers of processes and threads for each other). From inside another one that
/// number cannot be told, and every call would be taken for another process's.
fn check_numbers(tracer: Tracer, pid: u32) -> Result<(), Error> {
    if !platform::tracing::in_container() {
        return Ok(());
    }
    let tracer = tracer.as_str();
    Err(Error::new(format!(
        "{tracer} knows process {pid} by the number it has outside of this container, which cannot be told from inside"
    ))
    .help("run raptors-trace outside of the container, or start that with the machine's PID namespace (--pid=host)")
    .exit(Exit::NothingObserved))
}

/// What is worked out before a tracer is started.
struct Preparation<'a> {
    tracer: Tracer,
    directory: &'a Path,
    /// What the process has mapped, where that can be had.
    mapped: Vec<Mapping>,
    images: HashMap<PathBuf, Image>,
    safe: HashMap<PathBuf, PathBuf>,
    /// Reasons with what each keeps from being watched.
    refused: Vec<(String, Vec<String>)>,
}

impl<'a> Preparation<'a> {
    fn new(tracer: Tracer, pid: u32, directory: &'a Path) -> Self {
        Self {
            tracer,
            directory,
            mapped: platform::mappings(pid).unwrap_or_default(),
            images: HashMap::new(),
            safe: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// The points that can be armed.
    fn points(&mut self, wanted: &[Point]) -> Result<Vec<Armed>, Error> {
        let (most, too_many) = match self.tracer {
            Tracer::Bpftrace => (usize::MAX, String::new()),
            Tracer::Dtrace => dtrace::most_points(platform::most_files(), platform::cores_online()),
        };
        let mut armed: Vec<Armed> = Vec::new();
        for point in wanted {
            match self.point(point)? {
                // A second name of the same function would count each call twice.
                Ok(ready) if armed.iter().any(|known| known.is_at(&ready)) => {}
                Ok(_) if armed.len() >= most => self.refuse(&point.name, too_many.clone()),
                Ok(ready) => armed.push(ready),
                Err(why) => self.refuse(&point.name, why),
            }
        }
        Ok(armed)
    }

    /// One point, or why it cannot be armed.
    fn point(&mut self, point: &Point) -> Result<Result<Armed, String>, Error> {
        let module = point.module.clone();
        let image = self.image(&module)?;
        let by_name = point.symbol.as_deref().and_then(|name| image.function(name));
        let Some(address) = point.address.or(by_name.map(|known| known.address)) else {
            return Ok(Err("their files do not name them".to_owned()));
        };
        if let Some(why) = self.not_found(&module, false) {
            return Ok(Err(why));
        }
        if self.tracer == Tracer::Dtrace {
            if point.symbol.is_none() {
                return Ok(Err("DTrace finds functions by name, and the file is stripped".to_owned()));
            }
            let shifted = self.image(&module)?.is_shifted();
            if platform::DTRACE_FOR_LINUX && shifted {
                let name = short(&module);
                return Ok(Err(format!(
                    "DTrace would put its probes at wrong places in {name}, whose addresses are not its file offsets"
                )));
            }
        }
        let sources = match point.kind {
            CallKind::Routine => {
                find(&point.name).map_or([Source::Absent; 4], |r| arguments::of_routine(r, point.width))
            }
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

    /// Why the tracer would not find a file, or the USDT probes in it, if so.
    fn not_found(&self, path: &Path, usdt: bool) -> Option<String> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let has = |byte| real.as_os_str().as_bytes().contains(&byte);
        let name = short(path);
        match self.tracer {
            Tracer::Dtrace if platform::DTRACE_FOR_LINUX && self.looks_like_another(&real) => Some(format!(
                "DTrace reads the path of {name} only up to its first blank, where that of another file is the same"
            )),
            // The process map shows it as `\012` (seen with bpftrace 0.17 and DTrace 2.0.7).
            tracer if usdt && has(b'\n') => {
                Some(format!("{} does not find the probes of {name}, whose path has a line break", tracer.as_str()))
            }
            _ => None,
        }
    }

    /// Whether the process has loaded another file whose path is the same up to a blank.
    fn looks_like_another(&self, path: &Path) -> bool {
        fn up_to_blank(path: &Path) -> Option<&[u8]> {
            path.as_os_str().as_bytes().split(|&byte| byte == b' ').next()
        }
        let blank = path.as_os_str().as_bytes().contains(&b' ');
        let same = |other: &Mapping| other.path != path && up_to_blank(&other.path) == up_to_blank(path);
        blank && self.mapped.iter().any(same)
    }

    fn image(&mut self, path: &Path) -> Result<&Image, Error> {
        if !self.images.contains_key(path) {
            self.images.insert(path.to_owned(), Image::read(path)?);
        }
        Ok(&self.images[path])
    }

    /// The address of one of the extension's own probes.
    fn probe(&mut self, extension: &Path, name: &str) -> Result<u64, Error> {
        self.image(extension)?.probe("raptors", name).ok_or_else(|| {
            Error::new(format!("`{}` has no Raptors probes", extension.display()))
                .help("build it with its probes (the default), and do not strip its notes")
        })
    }

    /// The file under a name of harmless characters: its own, or a link in a private directory.
    fn safe(&mut self, path: &Path) -> Result<PathBuf, Error> {
        if let Some(known) = self.safe.get(path) {
            return Ok(known.clone());
        }
        let failed = |error| Error::new(format!("`{}` cannot be named", path.display())).caused_by(error);
        let real = path.canonicalize().map_err(failed)?;
        let safe = if is_harmless(&real) {
            real
        } else {
            if !is_harmless(self.directory) {
                let place = self.directory.parent().unwrap_or(self.directory);
                return Err(Error::new(format!(
                    "bpftrace could misread the name of the directory for temporary files, `{}`",
                    place.display()
                ))
                .help("set TMPDIR to a directory named by letters, digits and /._-+, such as /tmp"));
            }
            let link = self.directory.join(format!("file{}", self.safe.len()));
            std::os::unix::fs::symlink(&real, &link).map_err(failed)?;
            link
        };
        self.safe.insert(path.to_owned(), safe.clone());
        Ok(safe)
    }

    fn refuse(&mut self, name: &str, why: String) {
        let name = name.to_owned();
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

/// Whether nobody could read anything into a path.
fn is_harmless(path: &Path) -> bool {
    let harmless = |&byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    path.as_os_str().as_bytes().iter().all(harmless)
}

impl Session {
    /// `printed` is the file for DTrace's output, where that is to be looked at while it runs.
    fn spawn(tool: &Tool, pid: u32, program: &Path, printed: Option<&Path>, directory: TempDir) -> Result<Self, Error> {
        let tracer = tool.tracer;
        let mut command = Command::new(&tool.path);
        match tracer {
            Tracer::Bpftrace => command.arg("-p").arg(pid.to_string()).arg(program),
            Tracer::Dtrace => command.args(["-p", &pid.to_string(), "-s"]).arg(program),
        };
        if let Some(printed) = printed {
            command.arg("-o").arg(printed);
        }
        // More patterns than bpftrace's 4096 would be lost without a word.
        command.env("BPFTRACE_MAP_KEYS_MAX", "65536");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = platform::in_own_group(&mut command)
            .spawn()
            .map_err(|error| Error::new(format!("{} could not be started", tracer.as_str())).caused_by(error))?;
        let output = pipe::read_aside(child.stdout.take());
        let complaints = pipe::read_aside(child.stderr.take());
        Ok(Self {
            tracer,
            version: tool.version.clone(),
            child,
            output,
            complaints,
            probes: 0,
            sites: Vec::new(),
            left_out: Vec::new(),
            directory,
        })
    }

    fn wait_until_armed(&mut self, watch: &Watch, interrupted: &dyn Fn() -> bool) -> Result<(), Error> {
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
                return Err(
                    self.failure(&format!("had put {armed} of {all} probes into the process after {seconds} s"))
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets the tracer watch process `pid`, until the time is over, the process has ended, the tracer has, or
    /// `interrupted` says so. How long it was watched, and whether the process has ended.
    ///
    /// Tracers put their probes in and out one after the other, which takes seconds, in which some count and others do
    /// not. So nothing counts before a system call of this process that the tracer waits for, nor after a second one.
    pub fn watch(&mut self, pid: u32, time: Duration, interrupted: &dyn Fn() -> bool) -> (Duration, bool) {
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
        let Some(status) = self.ended() else {
            self.kill();
            return Err(self.failure("did not end when it was told to"));
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
            error.help(format!("run it as root: {}", ourselves_as_root("…")))
        };
        match said.trim() {
            "" => error,
            said => error.caused_by(std::io::Error::other(last_lines(said))),
        }
    }

    /// Ends the tool if it still runs: politely, because a killed DTrace leaves its probes in the kernel.
    fn end(&mut self) {
        if self.ended().is_none() {
            self.kill();
        }
    }

    /// Tells the tool to end, and waits for it; `None` where it does not.
    fn ended(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        let functions = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
        let patience = END_PATIENCE + END_PATIENCE_EACH * functions;
        platform::interrupt_until_it_ends(&mut self.child, patience)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.clean(self.child.id());
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

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}
