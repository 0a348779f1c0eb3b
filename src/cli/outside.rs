//! `raptors-trace flamegraph` of a process, of commands and of other tools' stacks: validated, and the result told.

use std::ffi::OsString;

use super::args::conflict;
use super::options::{OutputOptions, SampledBy};
use super::{print, print_json, terminal};
use crate::error::Error;
use crate::outside::{self, Options, Subject};

/// The commands that `-- A -- B` has.
///
/// # Errors
/// An empty one, and more than two.
pub fn commands(words: &[OsString]) -> Result<Vec<Vec<OsString>>, clap::Error> {
    let commands: Vec<Vec<OsString>> = words
        .split(|word| word == "--")
        .map(<[OsString]>::to_vec)
        .collect();
    if commands.iter().any(Vec::is_empty) {
        return conflict("there is nothing after a `--`: give a command there");
    }
    if commands.len() > 2 {
        return conflict(
            "give one command, or two with `--` between them; more cannot be compared",
        );
    }
    Ok(commands)
}

/// Whether the engine can sample from outside.
///
/// # Errors
/// The one that cannot.
pub fn engine(engine: Option<SampledBy>) -> Result<(), clap::Error> {
    match engine {
        Some(SampledBy::Inprocess) => conflict(
            "a process or a command is sampled from outside, as nobody has prepared it: leave --engine out, or say \
             --engine perf",
        ),
        _ => Ok(()),
    }
}

/// Samples or reads, draws, and tells.
///
/// # Errors
/// Those of [`outside::draw`].
pub fn execute(options: &Options, output: &OutputOptions) -> Result<(), Error> {
    // A command has the terminal for itself.
    let quiet = output.quiet || matches!(options.subject, Subject::Commands(_));
    let drawn = outside::draw(options, &mut terminal::Bar::new(quiet))?;
    if output.json {
        return print_json(&drawn);
    }
    print(&outside::text(&drawn))
}
