//! The command `raptors-trace`: parses its command line, runs one of its commands, and returns the exit code.
//!
//! [`main`] serves both the plain binary and the console script of the Python package; it never ends the process.

mod against;
mod attach;
mod calls;
mod command;
mod compare;
mod doctor;
mod documents;
mod explain;
mod export;
mod flamegraph;
mod imports;
mod instruments;
mod output;
mod phases;
mod script;
mod show;
mod subject;
mod terminal;
mod tools;
mod tune;
#[cfg(test)]
mod workflow_tests;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use raptors_flamegraphs::is_hidden;

pub use crate::machine::interpreter::Host;
use crate::model::error::Exit;
use crate::model::text::escape_lines;
use command::{Arguments, Invocation, Task};

/// Set by a program that starts the command inside a Python: that interpreter's path.
const HOST_VARIABLE: &str = "RAPTORS_TRACE_HOST_PYTHON";

/// Shows why one piece of numeric Python code is slower than another: how large the difference is, which phase it is
/// in, and which calls make it
#[derive(Debug, Parser)]
#[command(name = "raptors-trace", version, max_term_width = 100, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// The commands, in the order of `--help`.
#[derive(Debug, Subcommand)]
enum Command {
    Compare(compare::Arguments),
    Phases(phases::Arguments),
    Calls(calls::Arguments),
    Explain(explain::Arguments),
    Flamegraph(flamegraph::Arguments),
    Show(show::Arguments),
    Export(export::Arguments),
    Imports(imports::Arguments),
    Script(script::Arguments),
    Attach(attach::Arguments),
    Instruments(instruments::Arguments),
    Doctor(doctor::Arguments),
    Tune(tune::Arguments),
}

impl Command {
    fn check(self, invocation: &Invocation) -> Result<Box<dyn Task>, clap::Error> {
        fn task<A: Arguments>(arguments: A, invocation: &Invocation) -> Result<Box<dyn Task>, clap::Error> {
            Ok(Box::new(arguments.check(invocation)?))
        }
        match self {
            Self::Compare(arguments) => task(arguments, invocation),
            Self::Phases(arguments) => task(arguments, invocation),
            Self::Calls(arguments) => task(arguments, invocation),
            Self::Explain(arguments) => task(arguments, invocation),
            Self::Flamegraph(arguments) => task(arguments, invocation),
            Self::Show(arguments) => task(arguments, invocation),
            Self::Export(arguments) => task(arguments, invocation),
            Self::Imports(arguments) => task(arguments, invocation),
            Self::Script(arguments) => task(arguments, invocation),
            Self::Attach(arguments) => task(arguments, invocation),
            Self::Instruments(arguments) => task(arguments, invocation),
            Self::Doctor(arguments) => task(arguments, invocation),
            Self::Tune(arguments) => task(arguments, invocation),
        }
    }
}

/// Runs a command line, program name first, and returns the exit code. The host's interpreter comes from
/// `RAPTORS_TRACE_HOST_PYTHON`.
pub fn main(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> i32 {
    let python = std::env::var_os(HOST_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    main_in(Host { python }, arguments)
}

/// [`main`] with a known host.
pub fn main_in(host: Host, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> i32 {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let task = match parse(&arguments, host) {
        Ok(task) => task,
        Err(error) => {
            // A closed pipe that should have received the help is no failure.
            let _ = match arguments.iter().any(|argument| argument.to_string_lossy().contains(is_hidden)) {
                true => write!(std::io::stderr(), "{}", escape_lines(&error.render().to_string())),
                false => error.print(),
            };
            return error.exit_code();
        }
    };
    match task.run() {
        Ok(()) => Exit::Done as i32,
        Err(error) => {
            output::tell(&error);
            error.exit_code() as i32
        }
    }
}

/// Parses and checks a command line, program name first. Nothing here touches the system.
///
/// # Errors
/// Errors of clap, and arguments that contradict each other; also help and version, which clap treats as errors that go
/// to standard output.
fn parse(arguments: &[OsString], host: Host) -> Result<Box<dyn Task>, clap::Error> {
    let invocation = Invocation::new(host, arguments);
    let command = CommandLine::try_parse_from(arguments)?.command;
    command.check(&invocation).map_err(|error| error.format(&mut CommandLine::command()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_command_that_is_not_there_is_a_usage_error_that_names_it() {
        let line = ["raptors-trace", "frobnicate"].map(OsString::from);
        let Err(error) = parse(&line, Host::default()) else { panic!("accepted") };
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("frobnicate"));
    }

    #[test]
    fn arguments_that_contradict_each_other_are_told_with_the_usage() {
        let line = ["raptors-trace", "show", "f", "--html", "p", "--md", "p"].map(OsString::from);
        let Err(error) = parse(&line, Host::default()) else { panic!("accepted") };
        let told = error.to_string();
        assert!(told.starts_with("error: --html and --md name the same file") && told.contains("Usage: raptors-trace"));
    }
}
