//! A running process, sampled by DTrace with the project's own script.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use raptors_flamegraphs::{DtraceStacks, Loaded, Place};
use tempfile::TempDir;

use super::{Job, Taken};
use crate::machine::platform::{self, Mapping};
use crate::model::error::Error;
use crate::model::tool::Tool;
use crate::tracers::scripts::{self, Script};
use crate::tracers::session::{self, Session};
use crate::tracers::tool::{Program, check_numbers, find_for};

/// What DTrace prints once the script's probes are on, which it does not say by itself. Its output is looked at twenty
/// times a second, so that little is sampled before that is known.
const BEGUN: &str = "begun\n";
const TELLS: &str = "\n#pragma D option switchrate=20hz\ndtrace:::BEGIN { printf(\"begun\\n\"); }\n";
/// The script's own rate, which the requested one replaces.
const RATE: &str = "profile-997";

/// Samples the process.
pub fn process(job: &mut Job) -> Result<Taken, Error> {
    let pid = job.pid;
    let program = find_for(Tool::Dtrace, pid, &format!("flamegraph -o DIR --pid {pid} --engine dtrace"))?;
    job.starting(Tool::Dtrace);
    let mut at_work = AtWork::start(&program, job).map_err(|error| job.not_started(error))?;
    let mut spent = Spent::new(pid);
    job.watch(&mut at_work.session, &mut || spent.look());
    let seconds = job.begun.elapsed().as_secs_f64();
    job.progress.update(1.0, "reading what DTrace saw");
    let (text, losses) = at_work.end()?;
    let stacks = read(&text, &job.map.last).map_err(|error| match error {
        raptors_flamegraphs::Error::NoSamples => job.idle(seconds),
        error => Error::new("DTrace's stacks cannot be read").caused_by(error),
    })?;
    let mut taken = job.taken(&stacks.profile, seconds, spent.nanoseconds(), Vec::new());
    taken.warnings.push(cut(stacks.cut, taken.side.samples));
    taken.warnings.extend(losses);
    Ok(taken)
}

/// DTrace with a script that prints stacks at its end.
struct AtWork {
    session: Session,
    /// What it prints, in a file, so that it can be looked at while DTrace runs.
    printed: PathBuf,
    /// Holds the script and what is printed; gone when dropped, which is after DTrace has ended.
    _directory: TempDir,
}

impl AtWork {
    /// Starts DTrace, and waits until the script is at work.
    fn start(program: &Program, job: &Job) -> Result<Self, Error> {
        check_numbers(Tool::Dtrace, job.pid)?;
        let directory = session::directory(Tool::Dtrace)?;
        let [file, printed] = ["program", "printed"].map(|name| directory.path().join(name));
        let text = script(job.frequency)? + TELLS;
        fs::write(&file, text).map_err(|error| session::no_place(Tool::Dtrace, error))?;
        let mut command = Command::new(&program.path);
        command.args(["-p", &job.pid.to_string(), "-s"]).arg(&file).arg("-o").arg(&printed);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut session = Session::start(Tool::Dtrace, platform::in_own_group(&mut command))?;
        let begun = &mut || match text_in(&printed).starts_with(BEGUN) {
            true => Ok(()),
            false => Err("its script has not begun".to_owned()),
        };
        session.wait_until_armed(&|| job.interrupt.asked(), begun)?;
        Ok(Self { session, printed, _directory: directory })
    }

    /// Ends DTrace; what the script printed, and what DTrace says that it lost.
    fn end(self) -> Result<(String, Vec<String>), Error> {
        let Self { session, printed, _directory } = self;
        let ended = session.end()?;
        let text = text_in(&printed);
        let text = text.strip_prefix(BEGUN).unwrap_or(&text).to_owned();
        Ok((text, ended.losses(Tool::Dtrace)))
    }
}

fn text_in(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}

/// The text of `raptors-trace script profile_stacks.d`, at another rate.
fn script(frequency: u32) -> Result<String, Error> {
    let text = scripts::for_any_process(Script::ProfileStacks, scripts::Tool::Dtrace)?;
    Ok(text.replace(RATE, &format!("profile-{frequency}")))
}

/// The CPU time of a process outside the system's kernel, where the script samples it.
struct Spent {
    pid: u32,
    first: Option<Duration>,
    last: Option<Duration>,
}

impl Spent {
    fn new(pid: u32) -> Self {
        let first = platform::user_time(pid);
        Self { pid, first, last: first }
    }

    fn look(&mut self) {
        self.last = platform::user_time(self.pid).or(self.last);
    }

    fn nanoseconds(&self) -> Option<u64> {
        u64::try_from((self.last? - self.first?).as_nanos()).ok()
    }
}

fn read(text: &str, mapped: &[Mapping]) -> Result<DtraceStacks, raptors_flamegraphs::Error> {
    let mut bases: BTreeMap<&Path, u64> = BTreeMap::new();
    for part in mapped {
        let base = bases.entry(&part.path).or_insert(part.start);
        *base = part.start.min(*base);
    }
    let path_of = |name: &str| {
        let named = |path: &&&Path| path.file_name().is_some_and(|file| file == name);
        let mut all = bases.keys().filter(named);
        let first = all.next()?;
        let path = || Arc::from(first.to_string_lossy());
        all.next().is_none().then(path)
    };
    let place_of = |address: u64| {
        let is_in = |part: &&Mapping| part.executable && (part.start..part.end).contains(&address);
        match mapped.iter().find(is_in) {
            _ if mapped.is_empty() => Place::Unknown,
            // It would get a name from another file's symbols.
            Some(part) if part.gone => Place::Unknown,
            Some(part) => Place::File(Arc::from(part.path.to_string_lossy()), address - bases[part.path.as_path()]),
            None => Place::NoCode,
        }
    };
    let loaded = Loaded { place_of: &place_of, path_of: &path_of };
    DtraceStacks::read_in(text.as_bytes(), &loaded)
}

fn cut(cut: u64, samples: u64) -> String {
    format!(
        "DTrace follows stacks by frame pointers, which code often lacks on Linux: the innermost function is right, \
         and of {cut} of {samples} samples no caller or not all are known; --engine perf has them"
    )
}

#[cfg(test)]
mod tests {
    use raptors_flamegraphs::Tag;

    use super::*;

    #[test]
    fn the_script_is_the_projects_at_the_rate_that_is_asked_for() {
        let script = script(99).unwrap();
        assert!(script.contains("profile:::profile-99\n"), "{script}");
        assert!(script.contains("@stacks[ustack()] = count();"));
    }

    #[test]
    fn addresses_are_found_in_what_was_loaded() {
        let part = |path: &str, start, executable| Mapping {
            path: path.into(),
            start,
            end: start + 0x1000,
            offset: 0,
            executable,
            gone: false,
            ..Mapping::default()
        };
        let mapped =
            [part("/a/libx.so", 0x1000, false), part("/a/libx.so", 0x2000, true), part("/b/liby.so", 0x8000, true)];
        let text = "\n liby.so`0x8010\n 0x2011\n 0x9999\n 4\n\n libx.so`f+0x1\n 2\n";
        let stacks = read(text, &mapped).unwrap();
        let folded = stacks.profile.folded(Tag::A).unwrap().to_string();
        assert_eq!(folded, "f 2\nlibx.so+0x1010;liby.so+0x10 4\n");
        let mut frames = stacks.profile.frames().iter();
        assert!(frames.any(|frame| &*frame.name == "f" && &*frame.module == "/a/libx.so"));
    }
}
