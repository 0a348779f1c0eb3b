//! What the driver's end means.

use std::process::ExitStatus;

use crate::model::error::Error;
use crate::model::protocol::Event;

/// How the driver ended.
#[derive(Debug)]
pub enum Ending {
    /// Everything was run.
    Finished,
    /// The user interrupted; the measurements up to that point are in the run file.
    Interrupted,
    /// It reported an error.
    Failed(Error),
    /// It reported nothing: killed, or crashed.
    Died(Error),
}

/// How the driver's process ended.
#[derive(Debug)]
pub struct Death {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// Whether this command killed it, after the time limit.
    pub by_us: bool,
    /// The last known step.
    pub place: Option<String>,
}

/// The combined meaning of the last event and the end of the process. `interrupted`: the command was asked to end.
pub fn judge(last: Option<Event>, death: &Death, interrupted: bool) -> Ending {
    match last {
        // The run file is complete by then, whatever happened to the process.
        Some(Event::Finished {}) => Ending::Finished,
        Some(Event::Error { kind, text, detail, fix }) => Ending::Failed(failure(&kind, text, detail, fix)),
        Some(Event::Interrupted {}) => Ending::Interrupted,
        _ if interrupted => Ending::Interrupted,
        _ => Ending::Died(died(death)),
    }
}

fn died(death: &Death) -> Error {
    let seen = death
        .place
        .as_ref()
        .map_or_else(|| "before its first message".to_owned(), |place| format!("last seen at `{place}`"));
    if death.by_us {
        let sentence = format!("the driver closed its output but did not end, so it was killed; {seen}");
        return Error::new(sentence)
            .help("look for code in the setup or a statement that closes files that it did not open");
    }
    let status = death.status;
    let error = Error::new(format!("the driver ended before its work was done ({status}); {seen}"));
    match signal(status) {
        Some(libc::SIGKILL) => error
            .caused_by(Error::new("often the system ran out of memory"))
            .help("choose a smaller --size, or allow more memory"),
        Some(libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGABRT | libc::SIGFPE) => error.help(
            "it crashed in native code: run the statement alone under a debugger, and read the messages on standard \
             error",
        ),
        _ => error.help("read the messages on standard error"),
    }
}

fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

fn failure(kind: &str, text: String, detail: String, fix: String) -> Error {
    let mut error = Error::new(text);
    if !detail.is_empty() {
        error = error.detail(detail);
    }
    if !fix.is_empty() {
        error = error.help(fix);
    }
    match kind {
        "different" => error.help("compare statements that compute the same values, or give --allow-different"),
        "memory" => error.help("choose a smaller --size, or allow more memory"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn death(status: i32, by_us: bool, place: Option<&str>) -> Death {
        Death { status: ExitStatus::from_raw(status), by_us, place: place.map(str::to_owned) }
    }

    fn report(death: &Death) -> String {
        match judge(None, death, false) {
            Ending::Died(error) => error.report(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_death_says_where_and_what_is_likely() {
        let told = report(&death(9, false, Some("custom: measuring")));
        assert!(told.contains("(signal: 9 (SIGKILL)); last seen at `custom: measuring`"), "{told}");
        assert!(told.contains("because: often the system ran out of memory"), "{told}");
        let told = report(&death(11, false, None));
        assert!(told.contains("before its first message") && !told.contains("memory"), "{told}");
        let told = report(&death(9, true, None));
        assert!(told.contains("closed its output") && !told.contains("memory"), "{told}");
        // 256: exit code 1.
        assert!(report(&death(256, false, None)).contains("read the messages on standard error"));
    }

    #[test]
    fn what_was_said_last_counts_more_than_how_the_process_ended() {
        let killed = death(9, true, None);
        assert!(matches!(judge(Some(Event::Finished {}), &killed, true), Ending::Finished));
        assert!(matches!(judge(None, &killed, true), Ending::Interrupted));
    }

    #[test]
    fn a_failure_has_one_fix() {
        let [kind, text, detail, fix] = ["recording", "no room", "", "make room"].map(str::to_owned);
        let event = Event::Error { kind, text, detail, fix };
        match judge(Some(event), &death(0, false, None), false) {
            Ending::Failed(error) => {
                assert_eq!(error.report(), "error: no room\n  help: make room\n");
            }
            other => panic!("{other:?}"),
        }
    }
}
