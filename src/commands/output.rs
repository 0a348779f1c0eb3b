//! The arguments about a command's output, and printing as they say.

use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use super::terminal;
use crate::model::error::Error;
use crate::model::text::escape_json;
use crate::views::{Part, TextOptions};

/// How a command prints its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Output {
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Print without colour (also NO_COLOR=1, or if the output is not a terminal)
    #[arg(long)]
    no_color: bool,
    /// Print no progress
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more about the work in progress
    #[arg(long, short)]
    pub verbose: bool,
}

impl Output {
    /// The progress bar.
    pub fn bar(&self) -> terminal::Bar {
        terminal::Bar::new(self.quiet)
    }

    /// Prints a result: as JSON, or the text that `text` makes of it.
    pub fn print<T: Serialize>(&self, result: &T, text: impl FnOnce(&TextOptions) -> String) -> Result<(), Error> {
        if !self.json {
            return print(&text(&self.looks()));
        }
        let json = serde_json::to_string_pretty(result)
            .map_err(|error| Error::new("the result cannot be written as JSON").caused_by(error))?;
        print(&(escape_json(&json) + "\n"))
    }

    /// The appearance of text on this terminal.
    fn looks(&self) -> TextOptions {
        TextOptions {
            width: terminal::width(),
            color: !self.no_color && terminal::color(),
            unicode: terminal::unicode(),
            part: Part::All,
        }
    }
}

/// Prints to standard output. A reader that closed the pipe has seen enough.
fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new("the result cannot be written to standard output").caused_by(error))
        }
        _ => Ok(()),
    }
}

/// Prints a failure. If standard error is closed, the exit code still reports it.
pub fn tell(error: &Error) {
    let _ = std::io::stderr().write_all(error.report().as_bytes());
}

/// The first failure is that of the command; the others are printed.
pub fn first_failure(failures: impl IntoIterator<Item = Option<Error>>) -> Result<(), Error> {
    let mut failures = failures.into_iter().flatten();
    let first = failures.next();
    failures.for_each(|other| tell(&other));
    first.map_or(Ok(()), Err)
}
