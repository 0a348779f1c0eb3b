//! The command's part in rounds that perf samples: it starts perf when the driver is ready, and gives each sample to
//! the round in which it was taken, for the run file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use raptors_flamegraphs::{Context, Kind, PerfScript, Tag};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::machine::command::as_root;
use crate::machine::pipe;
use crate::machine::platform::tracing::{capabilities, capability, setting};
use crate::machine::platform::{self, Mapping};
use crate::model::error::{Error, Exit};
use crate::model::sampled_by::SampledBy;
use crate::tracers::attach::perf_missing;

/// perf opens one event for each thread and core, on a busy machine in a second or two.
const ARM_PATIENCE: Duration = Duration::from_secs(30);
/// It then writes what it still holds.
const END_PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(2);

/// A round as the driver saw it: when it began and ended in nanoseconds of the monotonic clock, and its side.
pub type Block = (u64, u64, u8);

/// perf in the rounds of one run.
pub struct Sampling {
    frequency: u32,
    /// The one at work, or why there is none.
    current: Option<Result<Session, Error>>,
}

impl Sampling {
    /// Not at work yet.
    ///
    /// `frequency` is in samples for each second of CPU time.
    pub fn new(frequency: u32) -> Self {
        Self { frequency, current: None }
    }

    /// The driver, process `pid`, is ready to be sampled: starts perf, and gives the line to answer with, which has the
    /// pipes by which the driver switches it. `interrupted` tells whether the user has asked to end the run.
    pub fn ready(&mut self, pid: u32, interrupted: &dyn Fn() -> bool) -> String {
        let started = Session::start(pid, self.frequency, interrupted);
        let answer = match &started {
            Ok(session) => json!({
                "go": true,
                "control": session.pipes.control,
                "acknowledged": session.pipes.acknowledged,
            }),
            Err(_) => json!({ "go": false }),
        };
        self.current = Some(started);
        format!("{answer}\n")
    }

    /// The driver has run these rounds: ends perf, and gives the line with what it saw.
    pub fn sampled(&mut self, blocks: &[Block]) -> String {
        let read = match self.current.take() {
            Some(Ok(session)) => session.finish(blocks),
            Some(Err(refused)) => Err(refused),
            None => Err(Error::new("perf was not started")),
        };
        let document = read.unwrap_or_else(|error| json!({ "why_not": error.in_a_line() }));
        format!("{}\n", json!({ "document": document }))
    }
}

/// Whether perf can sample the kernel's frames here: said before a long run, not after it.
///
/// # Errors
/// One sentence with the fix: perf is not installed, or this user may not see what the kernel does.
pub fn check() -> Result<(), Error> {
    if let Some(why) = perf_missing() {
        return Err(Error::new(why).exit(Exit::NothingObserved));
    }
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
pub(crate) struct Session {
    pid: u32,
    child: Child,
    complaints: Option<JoinHandle<String>>,
    pipes: Pipes,
    /// Holds the recording and the pipes; gone when dropped.
    directory: TempDir,
}

impl Session {
    /// Has perf sample process `pid` from now on.
    ///
    /// # Errors
    /// perf's own words where it cannot.
    pub(crate) fn start(pid: u32, frequency: u32, interrupted: &dyn Fn() -> bool) -> Result<Self, Error> {
        let no_place = |error| {
            Error::new("there is no place for perf's recording")
                .caused_by(error)
                .help("free disk space, or set TMPDIR to a directory that can be written to")
        };
        let directory = platform::private_directory("raptors-trace-perf-").map_err(no_place)?;
        let pipes = Pipes::new(directory.path()).map_err(no_place)?;
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
            .arg(directory.path().join("perf.data"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        platform::end_with_us(platform::in_own_group(&mut command));
        let mut child = command.spawn().map_err(|error| Error::new("perf could not be started").caused_by(error))?;
        let complaints = Some(pipe::read_aside(child.stderr.take()));
        let mut session = Self { pid, child, complaints, pipes, directory };
        session.arm(interrupted)?;
        Ok(session)
    }

    /// Switches perf on, which it acknowledges once its events are open.
    fn arm(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), Error> {
        let failed = |error| Error::new("perf cannot be switched on").caused_by(error);
        self.pipes.to_perf.write_all(b"enable\n").map_err(failed)?;
        let until = Instant::now() + ARM_PATIENCE;
        while !self.pipes.has_answered() {
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Err(self.failure(status));
            }
            if interrupted() {
                return Err(Error::new("interrupted"));
            }
            if Instant::now() > until {
                return Err(Error::new(format!("perf did not begin to sample within {} s", ARM_PATIENCE.as_secs()))
                    .help("try again when the machine is less busy; perf 5.10 or later is needed"));
            }
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// Why perf ended, in its own words.
    fn failure(&mut self, status: ExitStatus) -> Error {
        let error = Error::new(format!("perf record failed ({status})"))
            .help("raptors-trace doctor tells what is missing here");
        with_words(error, self.complaints.take())
    }

    fn finish(self, blocks: &[Block]) -> Result<Value, Error> {
        // While the process lives.
        let mapped = platform::mappings(self.pid).unwrap_or_default();
        let (script, words) = self.read(&|time| side_at(blocks, time), &mapped)?;
        Ok(values(&script, &words))
    }

    /// Ends perf, and reads what it saw with what it said; a sample is the side's that `tag_of` tells by its time.
    ///
    /// # Errors
    /// perf failed, or saw nothing, or its recording is damaged.
    pub(crate) fn read(
        mut self,
        tag_of: &dyn Fn(u64) -> Option<Tag>,
        mapped: &[Mapping],
    ) -> Result<(PerfScript, String), Error> {
        let until = Instant::now() + END_PATIENCE;
        platform::interrupt(&self.child);
        let failed = |error| Error::new("perf could not be ended").caused_by(error);
        let status = loop {
            match self.child.try_wait().map_err(failed)? {
                Some(status) => break status,
                None if Instant::now() > until => {
                    return Err(Error::new("perf did not end when it was asked to"));
                }
                None => thread::sleep(STEP),
            }
        };
        let recording = self.directory.path().join("perf.data");
        // perf ends by the signal that was sent; a disk that is full shows in what it left.
        if !recording.is_file() {
            return Err(self.failure(status));
        }
        read(&recording, tag_of, mapped)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// perf without a look at servers for debug information, which it would wait for.
fn perf() -> Command {
    let mut command = Command::new("perf");
    command.env_remove("DEBUGINFOD_URLS").stdin(Stdio::null());
    command
}

/// The error with what a program has said as its cause.
fn with_words(error: Error, words: Option<JoinHandle<String>>) -> Error {
    let words = words.and_then(|words| words.join().ok()).unwrap_or_default();
    let words: Vec<&str> = words.trim().lines().map(str::trim).collect();
    match words.join(" ") {
        words if words.trim().is_empty() => error,
        words => error.caused_by(Error::new(words)),
    }
}

/// What was recorded, and what perf said of it.
fn read(
    recording: &Path,
    tag_of: &dyn Fn(u64) -> Option<Tag>,
    mapped: &[Mapping],
) -> Result<(PerfScript, String), Error> {
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
    let words = Some(pipe::read_aside(child.stderr.take()));
    let output = child.stdout.take().expect("asked for above");
    let read = PerfScript::read_in(BufReader::new(output), &context);
    let unreadable = || {
        Error::new("perf cannot read what it recorded, which is cut off or damaged")
            .help("free disk space where TMPDIR says, or give a shorter --sample-time")
    };
    let status = child.wait().map_err(|error| unreadable().caused_by(error))?;
    if !status.success() {
        return Err(with_words(unreadable(), words));
    }
    let words = words.and_then(|words| words.join().ok()).unwrap_or_default();
    let script = match read {
        Ok(script) => script,
        Err(raptors_flamegraphs::Error::NoSamples) => {
            return Err(Error::new("perf saw no sample")
                .help("give more time: --sample-time 30")
                .exit(Exit::NothingObserved));
        }
        Err(error) => return Err(unreadable().caused_by(error)),
    };
    Ok((script, words))
}

/// The document `samples` of a run file.
fn values(script: &PerfScript, words: &str) -> Value {
    let tags = script.profile.tags();
    let sides = [Tag::A, Tag::B].map(|tag| {
        json!({
            "side": tag.0,
            "samples": tags.get(&tag).map_or(0, |(count, _)| *count),
            "dropped": 0,
            // Of a clock, the period is nanoseconds.
            "cpu_ns": script.periods.get(&tag).copied().unwrap_or(0),
        })
    });
    json!({
        "engine": SampledBy::Perf,
        "outside": script.outside,
        "troubles": troubles(script, words),
        "sides": sides,
        "record": script.profile.record(),
    })
}

/// What limits the trust in what perf saw.
pub(crate) fn troubles(script: &PerfScript, words: &str) -> Vec<String> {
    let lost = words.lines().find(|line| line.contains(" lost "));
    let lost = lost.map(|line| format!("perf could not keep up, and lost samples: {}", line.trim()));
    let frames = script.profile.frames();
    let blind = frames.iter().all(|frame| frame.kind != Kind::Kernel);
    let blind = blind.then(|| {
        "perf saw no frame of the operating system's kernel, so that page faults look like the code that touched the \
         page"
            .to_owned()
    });
    lost.into_iter().chain(blind).collect()
}

/// The side whose round a time falls in. Blocks are in the order of their times.
fn side_at(blocks: &[Block], time: u64) -> Option<Tag> {
    let next = blocks.partition_point(|&(begin, ..)| begin <= time);
    let &(_, end, side) = blocks.get(next.checked_sub(1)?)?;
    (time <= end).then_some(Tag(side))
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
    fn a_sample_belongs_to_the_round_it_falls_in() {
        let blocks = [(10, 20, 0), (30, 40, 1), (50, 60, 0)];
        let sides = [5, 10, 20, 25, 35, 41, 60, 61].map(|time| side_at(&blocks, time));
        let (a, b) = (Some(Tag::A), Some(Tag::B));
        assert_eq!(sides, [None, a, a, None, b, None, a, None]);
        assert_eq!(side_at(&[], 1), None);
    }

    #[test]
    fn an_address_is_that_in_the_process_or_the_place_in_the_file() {
        let part = |start, offset, executable| Mapping {
            path: "/lib/libx.so".into(),
            start,
            end: start + 0x1000,
            offset,
            executable,
            gone: false,
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
        assert!(troubles(&kernel, "").is_empty());
        let lost = "Warning:\nProcessed 14059 events and lost 3 chunks!\n";
        assert!(troubles(&kernel, lost)[0].ends_with("lost 3 chunks!"));
        assert!(troubles(&script("/bin/a"), "")[0].contains("no frame of the operating"));
    }

    #[test]
    fn rights_that_are_missing_are_one_sentence_with_the_mend() {
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
