//! A process that runs, sampled by DTrace with the project's own script.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::{DtraceStacks, Loaded, Place, Tag};

use super::{Map, Taken, idle, name_of, not_started, watch};
use crate::machine::command::ourselves_as_root;
use crate::machine::interrupt::Interrupt;
use crate::machine::platform::{self, Mapping};
use crate::model::error::{Error, Exit};
use crate::model::progress::Progress;
use crate::tracers::attach;
use crate::tracers::engines::{Session, Tracer, tools};
use crate::tracers::scripts::{self, Script, Tool};

/// The script's own rate, which the one that is asked for replaces.
const RATE: &str = "profile-997";

/// Samples process `pid`.
pub fn process(pid: u32, time: Duration, frequency: u32, progress: &mut dyn Progress) -> Result<Taken, Error> {
    let interrupt = Interrupt::watch();
    attach::check(pid)?;
    let tool = tools::find(Tracer::Dtrace).map_err(|error| error.exit(Exit::NothingObserved))?;
    if !platform::is_root() {
        let again = format!("flamegraph -o DIR --pid {pid} --engine dtrace");
        let sentence = format!("dtrace needs root to sample process {pid}");
        let error = Error::new(sentence).help(ourselves_as_root(&again));
        return Err(error.exit(Exit::NothingObserved));
    }
    let name = name_of(pid);
    progress.update(0.0, "starting DTrace");
    let script = script(frequency)?;
    let session =
        Session::stacks(&tool, pid, &script, &|| interrupt.asked()).map_err(|error| not_started(error, &interrupt))?;
    let mut map = Map::new(pid);
    let mut spent = Spent::new(pid);
    let (seconds, mut warnings) = watch(pid, time, &interrupt, progress, &mut || {
        map.look();
        spent.look();
        map.is_empty_now()
    });
    progress.update(1.0, "reading what DTrace saw");
    let (text, said) = session.printed()?;
    let stacks = read(&text, &map.last).map_err(|error| match error {
        raptors_flamegraphs::Error::NoSamples => idle(&format!("process {pid}"), seconds),
        error => Error::new("DTrace's stacks cannot be read").caused_by(error),
    })?;
    let mut taken = Taken::new(name, Names::default().name(&stacks.profile), Tag::A);
    warnings.push(cut(stacks.cut, taken.side.samples));
    warnings.extend(lost(&said));
    taken.side.cpu_ns = spent.nanoseconds();
    taken.side.seconds = Some(seconds);
    taken.warnings = warnings;
    Ok(taken)
}

/// The text of `raptors-trace script profile_stacks.d`, at another rate.
fn script(frequency: u32) -> Result<String, Error> {
    let text = scripts::for_any_process(Script::ProfileStacks, Tool::Dtrace)?;
    Ok(text.replace(RATE, &format!("profile-{frequency}")))
}

/// What a process has computed outside of the system's kernel, where the script samples it.
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
            // It would be named from another file's symbols.
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
         and of \
         {cut} of {samples} samples no caller or not all are known; --engine perf has them"
    )
}

/// DTrace's own words of what it could not keep.
fn lost(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains(" drop"))?;
    Some(format!("DTrace could not keep up: {}", line.trim()))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn what_dtrace_lost_is_told() {
        assert_eq!(lost("dtrace: pid 7 has exited\n"), None);
        let said = lost("dtrace: 3 aggregation drops on CPU 0\n").unwrap();
        assert!(said.ends_with("3 aggregation drops on CPU 0"));
    }
}
