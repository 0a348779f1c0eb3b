//! `raptors-trace calls`: the calls of a comparison, or of a running process.

use super::command::{self, Invocation, conflict};
use super::output::Output;
use super::subject::NEW_RUN;
use super::{compare, phases};
use crate::model::budget::{self, Seconds};
use crate::model::error::Error;
use crate::model::tool::{Engine, Engines, Tool};
use crate::tracers::calls as process;
use crate::views::{self, Part};

/// Print the calls of one operation in full detail, from a new run, a saved one or a running process
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Watch a running process with bpftrace or DTrace (as root)
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with_all = NEW_RUN, conflicts_with_all = ["file", "lossy"])]
    pid: Option<u32>,
    /// With --pid: the time to watch
    #[arg(long, value_name = "SECONDS", requires = "pid", default_value_t = budget::WATCH)]
    duration: Seconds,
    #[command(flatten)]
    printed: phases::Arguments,
}

impl command::Arguments for Arguments {
    type Task = Task;

    fn check(self, invocation: &Invocation) -> Result<Task, clap::Error> {
        let Some(pid) = self.pid else {
            return self.printed.check_part(Part::Calls, invocation).map(Task::Compared);
        };
        let tool = tool(self.printed.calls.engine)?;
        Ok(Task::Live(process::Options { pid, duration: self.duration.into(), tool }, self.printed.output))
    }
}

/// The tracer for a process from outside.
fn tool(asked: Option<Engines>) -> Result<Option<Tool>, clap::Error> {
    match asked.map(|Engines(engines)| engines) {
        None => Ok(None),
        Some([Engine::Outside(tool)]) => Ok(Some(*tool)),
        Some([Engine::Inprocess]) => {
            conflict("--pid needs a tracer from outside the process: give --engine bpftrace or dtrace")
        }
        Some(_) => conflict("--pid takes one tracer at a time: give --engine bpftrace or dtrace"),
    }
}

/// Whose calls are printed.
#[derive(Debug, PartialEq)]
pub enum Task {
    /// Those of both sides.
    Compared(compare::Task),
    /// Those of a running process.
    Live(process::Options, Output),
}

impl command::Task for Task {
    fn run(&self) -> Result<(), Error> {
        match self {
            Self::Compared(comparison) => comparison.run(),
            Self::Live(options, output) => watch(options, output),
        }
    }
}

/// Watches a running process and prints its calls.
///
/// # Errors
/// Those of [`process::watch`].
pub fn watch(options: &process::Options, output: &Output) -> Result<(), Error> {
    let live = process::watch(options, &mut output.bar())?;
    output.print(&live, |looks| views::live::text(&live, looks))
}

#[cfg(test)]
mod tests {
    use super::super::command::testing::{checked, refusal};
    use std::time::Duration;

    use super::*;
    use crate::run::options::Source;

    #[test]
    fn they_are_of_a_new_run_or_of_a_file() {
        let file = compare::Task::of_part(
            Part::Calls,
            Source::File { path: "x.rtrace".into(), lossy: false },
            checked::<phases::Arguments>(&["--json"]).unwrap().output,
        );
        assert_eq!(checked::<Arguments>(&["x.rtrace", "--json"]).unwrap(), Task::Compared(file));
        assert!(refusal::<Arguments>(&["--lossy"]).contains("FILE"));
        assert!(refusal::<Arguments>(&["x.rtrace", "--engine", "inprocess"]).contains("cannot be used with"));
        assert!(refusal::<Arguments>(&["--fail-below", "1"]).contains("--fail-below"));
    }

    #[test]
    fn of_a_process_they_need_a_tracer_and_nothing_about_a_new_run() {
        let watched = |line: &[&str]| match checked::<Arguments>(&[&["--pid", "7"], line].concat()).unwrap() {
            Task::Live(options, _) => options,
            Task::Compared(other) => panic!("no process: {other:?}"),
        };
        let expected = process::Options { pid: 7, duration: Duration::from_secs(10), tool: None };
        assert_eq!(watched(&[]), expected);
        assert_eq!(watched(&["--engine", "dtrace", "--duration", "2"]).tool, Some(Tool::Dtrace));
        let refused = |line: &[&str]| refusal::<Arguments>(&[&["--pid", "7"], line].concat());
        assert!(refused(&["--engine", "inprocess"]).contains("from outside"));
        assert!(refused(&["--engine", "all"]).contains("one tracer at a time"));
        for run in [&["--size", "8"][..], &["--start-after", "1", "--wait"], &["--measure-limit"], &["x.rtrace"]] {
            assert!(refused(run).contains("cannot be used with"), "{run:?}");
        }
    }
}
