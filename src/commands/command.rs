//! What every command has: arguments that clap parses, a check that makes a task of them, and a task that runs.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::machine::interpreter::Host;
use crate::model::error::Error;

/// Who started the command, and how.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The program that the command runs in.
    pub host: Host,
    /// The command line, program name first.
    pub line: Vec<String>,
}

impl Invocation {
    /// Of a command line, program name first.
    pub fn new(host: Host, arguments: &[OsString]) -> Self {
        Self { host, line: arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect() }
    }
}

/// The arguments of a command.
pub trait Arguments: clap::Args {
    /// The checked arguments.
    type Task: Task + 'static;

    /// Checks what clap cannot check. Nothing here touches the system.
    ///
    /// # Errors
    /// Arguments that contradict each other.
    fn check(self, invocation: &Invocation) -> Result<Self::Task, clap::Error>;
}

/// The work of a command.
pub trait Task {
    /// Runs the command and prints the result.
    ///
    /// # Errors
    /// Whatever makes the command fail; its exit code goes with it.
    fn run(&self) -> Result<(), Error>;
}

/// A usage error about arguments that contradict each other, in one sentence.
pub fn conflict<T>(sentence: &str) -> Result<T, clap::Error> {
    Err(clap::Error::raw(ErrorKind::ArgumentConflict, sentence))
}

/// What the tests of a command's arguments need.
#[cfg(test)]
pub mod testing {
    use clap::Parser;

    use super::{Arguments, Invocation};

    #[derive(Parser)]
    struct Only<A: clap::Args> {
        #[command(flatten)]
        arguments: A,
    }

    /// Parses and checks the arguments of one command.
    pub fn checked<A: Arguments>(arguments: &[&str]) -> Result<A::Task, clap::Error> {
        let line = ["raptors-trace", "command"].iter().chain(arguments);
        let invocation = Invocation { line: line.map(ToString::to_string).collect(), ..Invocation::default() };
        Only::<A>::try_parse_from([&["command"], arguments].concat())?.arguments.check(&invocation)
    }

    /// The text of the usage error.
    #[track_caller]
    pub fn refusal<A: Arguments>(arguments: &[&str]) -> String {
        let Err(error) = checked::<A>(arguments) else { panic!("accepted: {arguments:?}") };
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }
}
