//! `raptors-trace flamegraph` of a process, of commands and of other tools' stacks: validated, and the result told.

use std::ffi::OsString;

use super::args::conflict;
use super::options::{OutputOptions, SampledBy, StackEngine};
use super::{print, print_json, terminal};
use crate::model::error::Error;
use crate::run::outside::{self, Engine, Options, Subject};

/// The commands that `-- A -- B` has.
///
/// # Errors
/// An empty one, and more than two.
pub fn commands(words: &[OsString]) -> Result<Vec<Vec<OsString>>, clap::Error> {
    let commands: Vec<Vec<OsString>> = words.split(|word| word == "--").map(<[OsString]>::to_vec).collect();
    if commands.iter().any(Vec::is_empty) {
        return conflict("there is nothing after a `--`: give a command there");
    }
    if commands.len() > 2 {
        return conflict("give one command, or two with `--` between them; more cannot be compared");
    }
    Ok(commands)
}

/// Who samples a process or commands.
///
/// # Errors
/// An engine that cannot.
pub fn engine(engine: Option<StackEngine>, is_process: bool) -> Result<Engine, clap::Error> {
    match engine {
        Some(StackEngine::Inprocess) => conflict(
            "a process or a command is sampled from outside, as nobody has prepared it: leave --engine out, or say \
             --engine perf",
        ),
        Some(StackEngine::Dtrace | StackEngine::Sample) if !is_process => conflict(
            "DTrace and sample see a process that runs: start the command by itself and give --pid PID, or leave \
             --engine out",
        ),
        Some(StackEngine::Sample) => Ok(Engine::Sample),
        Some(StackEngine::Dtrace) => Ok(Engine::Dtrace),
        Some(StackEngine::Perf) | None => Ok(Engine::Perf),
    }
}

/// Who samples the rounds of two statements.
///
/// # Errors
/// An engine that cannot.
pub fn in_rounds(engine: Option<StackEngine>) -> Result<SampledBy, clap::Error> {
    match engine {
        Some(StackEngine::Dtrace | StackEngine::Sample) => conflict(
            "DTrace and sample see a process that runs: give --pid PID, or --engine inprocess or perf for two statements",
        ),
        Some(StackEngine::Perf) => Ok(SampledBy::Perf),
        Some(StackEngine::Inprocess) | None => Ok(SampledBy::Inprocess),
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
