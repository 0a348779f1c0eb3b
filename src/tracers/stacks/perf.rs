//! perf, recording the stacks of a process: its rights, its pipes, and what it recorded read.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use raptors_flamegraphs::{Context, Kind, PerfScript, Tag};
use tempfile::TempDir;

use crate::machine::command::as_root;
use crate::machine::pipe;
use crate::machine::platform::tracing::{capabilities, capability, setting};
use crate::machine::platform::{self, Mapping};
use crate::model::error::{Error, Exit};
use crate::model::tool::Tool;
use crate::tracers::losses;
use crate::tracers::session::{self, Session};
use crate::tracers::tool;

/// Whether perf can sample the kernel's frames here: said before a long run, not after it.
///
/// # Errors
/// One sentence with the fix: perf is not installed, or this user may not see what the kernel does.
pub fn check() -> Result<(), Error> {
    tool::find(Tool::Perf)?;
    let level = |name| setting(name).and_then(|text| text.parse::<i64>().ok());
    let may = |bit: u32| capabilities().is_some_and(|all| all >> bit & 1 == 1);
    let rights = Rights {
        paranoid: level("kernel.perf_event_paranoid"),
        restricted: level("kernel.kptr_restrict"),
        unbound: may(capability::PERFMON) || may(capability::SYS_ADMIN),
        sees_addresses: may(capability::SYSLOG),
    };
    rights.check()
}

/// What the kernel lets this user see of itself.
#[derive(Clone, Copy)]
struct Rights {
    paranoid: Option<i64>,
    restricted: Option<i64>,
    unbound: bool,
    sees_addresses: bool,
}

impl Rights {
    fn check(self) -> Result<(), Error> {
        let refuse = |sentence: &str, help: &str| {
            Err(Error::new(sentence)
                .help(format!("{}, or run this command as root", as_root(help)))
                .exit(Exit::NothingObserved))
        };
        if self.paranoid.is_none() {
            return Err(Error::new("this kernel has no performance events")
                .help("start a kernel with CONFIG_PERF_EVENTS=y, or leave out --engine perf")
                .exit(Exit::NothingObserved));
        }
        if !self.unbound && self.paranoid > Some(1) {
            return refuse(
                "perf may not sample the kernel's frames for this user: kernel.perf_event_paranoid is above 1",
                "sysctl kernel.perf_event_paranoid=1",
            );
        }
        match self.restricted {
            Some(2..) => {
                Err(Error::new("the kernel hides the names of its functions from everybody: kernel.kptr_restrict is 2")
                    .help(as_root("sysctl kernel.kptr_restrict=1"))
                    .exit(Exit::NothingObserved))
            }
            Some(1) if !self.sees_addresses => refuse(
                "the kernel hides the names of its functions from this user: kernel.kptr_restrict is 1",
                "sysctl kernel.kptr_restrict=0",
            ),
            _ => Ok(()),
        }
    }
}

/// Named pipes by which perf is switched on and off, and says that it is.
struct Pipes {
    control: PathBuf,
    acknowledged: PathBuf,
    /// Both ends open, so that neither side finds a pipe that nobody holds.
    to_perf: File,
    from_perf: File,
}

impl Pipes {
    fn new(directory: &Path) -> io::Result<Self> {
        let open = |path: &Path| {
            platform::make_pipe(path)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            options.custom_flags(libc::O_NONBLOCK).open(path)
        };
        let [control, acknowledged] = ["control", "acknowledged"].map(|name| directory.join(name));
        Ok(Self { to_perf: open(&control)?, from_perf: open(&acknowledged)?, control, acknowledged })
    }

    /// Whether perf has answered since it was last asked.
    fn has_answered(&mut self) -> bool {
        matches!(self.from_perf.read(&mut [0; 64]), Ok(read) if read > 0)
    }
}

/// perf, recording a process.
pub struct Recording {
    pid: u32,
    session: Session,
    pipes: Pipes,
    /// Holds the recording and the pipes; gone when dropped, which is after perf has ended.
    directory: TempDir,
}

/// What perf saw.
pub struct Seen {
    /// Its samples.
    pub script: PerfScript,
    /// Warnings that limit the trust in them.
    pub warnings: Vec<String>,
}

impl Recording {
    /// Has perf sample process `pid` from now on.
    ///
    /// # Errors
    /// perf's own words where it cannot.
    pub fn start(pid: u32, frequency: u32, interrupted: &dyn Fn() -> bool) -> Result<Self, Error> {
        let directory = session::directory(Tool::Perf)?;
        let mut pipes = Pipes::new(directory.path()).map_err(|error| session::no_place(Tool::Perf, error))?;
        let mut session = Session::start(Tool::Perf, &mut record(pid, frequency, &pipes, directory.path()))?;
        pipes
            .to_perf
            .write_all(b"enable\n")
            .map_err(|error| Error::new("perf cannot be switched on").caused_by(error))?;
        let answered = &mut || match pipes.has_answered() {
            true => Ok(()),
            false => Err("it does not answer; perf 5.10 or later is needed".to_owned()),
        };
        session.wait_until_armed(interrupted, answered)?;
        Ok(Self { pid, session, pipes, directory })
    }

    /// perf at work.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The pipes by which it is switched off and on.
    pub fn pipes(&self) -> (&Path, &Path) {
        (&self.pipes.control, &self.pipes.acknowledged)
    }

    /// What the process has mapped; nothing once it has ended.
    pub fn mapped(&self) -> Vec<Mapping> {
        platform::mappings(self.pid).unwrap_or_default()
    }

    /// Ends perf, and reads what it saw; a sample is the side's that `tag_of` tells by its time.
    ///
    /// # Errors
    /// perf failed, or saw nothing, or its recording is damaged.
    pub fn read(self, tag_of: &dyn Fn(u64) -> Option<Tag>, mapped: &[Mapping]) -> Result<Seen, Error> {
        let Self { session, directory, .. } = self;
        let ended = session.end()?;
        let recording = directory.path().join("perf.data");
        // perf ends by the signal that was sent; a disk that is full shows in what it left.
        if !recording.is_file() {
            return Err(session::failure(Tool::Perf, &format!("record failed ({})", ended.status), &ended.said));
        }
        read(&recording, tag_of, mapped)
    }
}

fn record(pid: u32, frequency: u32, pipes: &Pipes, directory: &Path) -> Command {
    let mut command = perf();
    command
        .args(["record", "-q", "-e", "cpu-clock", "-F", &frequency.to_string()])
        // The driver's clock; and the stacks of code without frame pointers.
        .args(["-k", "mono", "--call-graph", "dwarf", "-p", &pid.to_string()])
        // Off at first. No copies of libraries in the user's home.
        .args(["-D", "-1", "--no-buildid", "--no-buildid-cache"])
        .arg("--control")
        .arg(format!("fifo:{},{}", pipes.control.display(), pipes.acknowledged.display()))
        .arg("-o")
        .arg(directory.join("perf.data"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    platform::end_with_us(platform::in_own_group(&mut command));
    command
}

/// perf without a look at servers for debug information, which it would wait for.
fn perf() -> Command {
    let mut command = Command::new("perf");
    command.env_remove("DEBUGINFOD_URLS").stdin(Stdio::null());
    command
}

/// Reads a recording.
fn read(recording: &Path, tag_of: &dyn Fn(u64) -> Option<Tag>, mapped: &[Mapping]) -> Result<Seen, Error> {
    let places = Places::new(mapped);
    let context = Context { tag_of, offset_of: &|module, address| places.offset_of(module, address) };
    let mut child = perf()
        .args(["script", "-F", "comm,pid,tid,time,period,event,ip,sym,dso"])
        .args(["--ns", "--no-inline", "-i"])
        .arg(recording)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Error::new("perf could not be started").caused_by(error))?;
    let said = pipe::read_aside(child.stderr.take());
    let output = child.stdout.take().expect("asked for above");
    let read = PerfScript::read_in(BufReader::new(output), &context);
    let unreadable = || {
        Error::new("perf cannot read what it recorded, which is cut off or damaged")
            .help("free disk space where TMPDIR says, or give a shorter --sample-time")
    };
    let status = child.wait().map_err(|error| unreadable().caused_by(error))?;
    let said = said.join().unwrap_or_default();
    if !status.success() {
        return Err(unreadable().caused_by(Error::new(said.trim().replace('\n', " "))));
    }
    match read {
        Ok(script) => Ok(Seen { warnings: warnings(&script, &said), script }),
        Err(raptors_flamegraphs::Error::NoSamples) => {
            Err(Error::new("perf saw no sample").help("give more time: --sample-time 30").exit(Exit::NothingObserved))
        }
        Err(error) => Err(unreadable().caused_by(error)),
    }
}

/// What limits the trust in what perf saw: its losses, and a kernel that it did not see.
fn warnings(script: &PerfScript, said: &str) -> Vec<String> {
    let mut warnings = losses::told(Tool::Perf, "", said);
    if script.profile.frames().iter().all(|frame| frame.kind != Kind::Kernel) {
        let blind = "perf saw no frame of the operating system's kernel, so that page faults look like the code that \
                     touched the page";
        warnings.push(blind.to_owned());
    }
    warnings
}

/// Where the files of a process are loaded.
struct Places<'a> {
    /// The lowest address of each file, and its parts that may be run.
    files: HashMap<&'a Path, (u64, Vec<&'a Mapping>)>,
}

impl<'a> Places<'a> {
    fn new(mapped: &'a [Mapping]) -> Self {
        let mut files: HashMap<&Path, (u64, Vec<&Mapping>)> = HashMap::new();
        // A file that was replaced would be named from another's symbols.
        for mapping in mapped.iter().filter(|mapping| !mapping.gone) {
            let (base, parts) = files.entry(&mapping.path).or_insert((mapping.start, Vec::new()));
            *base = mapping.start.min(*base);
            parts.extend(mapping.executable.then_some(mapping));
        }
        Self { files }
    }

    /// Bytes from where the file was loaded, of an address as perf prints it: that in the process, or (perf 6) the
    /// place in the file. The former are beyond any file's length.
    fn offset_of(&self, module: &str, address: u64) -> Option<u64> {
        let (base, parts) = self.files.get(Path::new(module))?;
        let in_process = parts.iter().find_map(|part| (part.start..part.end).contains(&address).then_some(address));
        let in_file = || {
            parts.iter().find_map(|part| {
                let inside = address.checked_sub(part.offset)?;
                (inside < part.end - part.start).then_some(part.start + inside)
            })
        };
        Some(in_process.or_else(in_file)? - base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_in_the_process_or_the_place_in_the_file() {
        let part = |start, offset, executable| Mapping {
            path: "/lib/libx.so".into(),
            start,
            end: start + 0x1000,
            offset,
            executable,
            gone: false,
            ..Mapping::default()
        };
        // rust-lld lays out segments so: the code's address is not its place in the file.
        let mapped = [part(0x7000_0000, 0, false), part(0x7000_2000, 0x1000, true)];
        let places = Places::new(&mapped);
        let offset = |address| places.offset_of("/lib/libx.so", address);
        assert_eq!(offset(0x7000_2010), Some(0x2010));
        assert_eq!(offset(0x1010), Some(0x2010));
        assert_eq!(offset(0x10), None);
        assert_eq!(places.offset_of("[kernel.kallsyms]", 0x1010), None);
    }

    #[test]
    fn lost_samples_and_a_missing_kernel_are_told() {
        let script = |module: &str| {
            let text = format!("python 1/1 2.5:  100 cpu-clock: \n\t 10 f ({module})\n\n");
            PerfScript::read(text.as_bytes()).unwrap()
        };
        let kernel = script("[kernel.kallsyms]");
        assert!(warnings(&kernel, "").is_empty());
        let lost = "Warning:\nProcessed 14059 events and lost 3 chunks!\n";
        assert!(warnings(&kernel, lost)[0].ends_with("lost 3 chunks!"));
        assert!(warnings(&script("/bin/a"), "")[0].contains("no frame of the operating"));
    }

    #[test]
    fn rights_that_are_missing_are_one_sentence_with_the_fix() {
        let all = Rights { paranoid: Some(2), restricted: Some(1), unbound: true, sees_addresses: true };
        assert!(all.check().is_ok());
        let refused = |rights: Rights| {
            let error = rights.check().unwrap_err();
            assert_eq!(error.exit_code(), Exit::NothingObserved);
            format!("{error}: {}", error.help_text().unwrap())
        };
        let bound = Rights { unbound: false, ..all };
        assert!(refused(bound).contains("sysctl kernel.perf_event_paranoid=1"));
        let paranoid = Some(1);
        assert!(Rights { paranoid, ..bound }.check().is_ok());
        let sees_addresses = false;
        let blind = Rights { sees_addresses, ..all };
        assert!(refused(blind).contains("sysctl kernel.kptr_restrict=0"));
        let restricted = Some(2);
        assert!(refused(Rights { restricted, ..all }).contains("kernel.kptr_restrict=1"));
        let paranoid = None;
        assert!(refused(Rights { paranoid, ..all }).contains("no performance events"));
    }
}
