//! `raptors-trace flamegraph`: of a comparison's rounds, of a process, of commands, or of other tools' stacks.

use std::ffi::OsString;
use std::path::PathBuf;

use raptors_flamegraphs::Format;

use super::command::{self, Invocation, conflict};
use super::compare::verdict;
use super::documents::FREQUENCY;
use super::output::{Output, first_failure};
use super::subject::{FileArguments, NEW_RUN, SubjectArguments};
use super::terminal;
use super::tools;
use crate::analysis::flamegraph;
use crate::model::budget::{self, Seconds};
use crate::model::error::Error;
use crate::model::tool::{Engine, Tool};
use crate::run::options::{Sampling, Source};
use crate::run::pictures::{self, Subject};
use crate::run::{self, Outcome};
use crate::views;

/// Draw flamegraphs: one of each side and one of their difference
///
/// Without a FILE it makes a new run (float32 2048² by default) and samples both sides in their own process;
/// --engine perf adds the frames of the system's kernel. --pid samples a running process, `-- COMMAND` a command to
/// its end, and `-- COMMAND -- COMMAND` two commands and their difference; all three use perf. FILE may be a saved
/// run, folded stacks, or the text of perf script, DTrace or macOS's sample. Widths are CPU time per operation;
/// colours are the roles of the frames.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The directory for the pictures; it is created if necessary
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Also write the samples for other tools, separated by commas: folded, pprof, speedscope, firefox, chrome
    #[arg(long, value_name = "FORMATS", value_delimiter = ',')]
    format: Vec<Format>,
    /// Samples for each second of CPU time; the system's timer may give fewer
    #[arg(long, value_name = "HZ", default_value_t = FREQUENCY)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    frequency: u32,
    /// The sampling time for each size, both sides together
    #[arg(long, value_name = "SECONDS", default_value_t = budget::SAMPLE)]
    sample_time: Seconds,
    /// Sample a running process with perf (usually as root) or DTrace (as root)
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with_all = NEW_RUN, conflicts_with_all = ["file", "lossy"])]
    pid: Option<u32>,
    #[command(flatten)]
    file: FileArguments,
    #[command(flatten)]
    subject: SubjectArguments,
    /// How stacks are sampled: in process; by perf, with the kernel's own frames (usually as root); with --pid also by
    /// DTrace (as root) or macOS's sample [default: inprocess; perf for a process or a command]
    #[arg(long, value_name = "ENGINE", value_parser = tools::samplers(), group = "new_run")]
    engine: Option<Engine>,
    #[command(flatten)]
    printed: Output,
    /// A command to sample instead of two statements, or two commands with `--` between them
    #[arg(last = true, value_name = "COMMAND")]
    #[arg(conflicts_with_all = NEW_RUN, conflicts_with_all = ["pid", "file", "lossy"])]
    command: Vec<OsString>,
}

impl command::Arguments for Arguments {
    type Task = Task;

    fn check(self, invocation: &Invocation) -> Result<Task, clap::Error> {
        let subject = match self.pid {
            Some(pid) => Subject::Process(pid, self.sample_time.into()),
            None if !self.command.is_empty() => Subject::Commands(commands(&self.command)?),
            None => return self.check_rounds(invocation).map(Task::Rounds),
        };
        let options = pictures::Options {
            tool: tool(self.engine, self.pid.is_some())?,
            subject,
            frequency: self.frequency,
            directory: self.output,
            formats: self.format,
            command: invocation.line.clone(),
            aside: self.printed.json,
        };
        Ok(Task::Outside(options, self.printed))
    }
}

impl Arguments {
    fn check_rounds(self, invocation: &Invocation) -> Result<Rounds, clap::Error> {
        let Self { file, subject, engine, frequency, sample_time, printed, .. } = self;
        let source = file.or_run(|| {
            let mut options = subject.of_one_size().check(invocation, printed.verbose)?;
            options.sampling = Some(Sampling { engine: in_rounds(engine)?, frequency });
            options.operation_only = true;
            options.budget = options.budget.sampled_for(sample_time);
            Ok(options)
        })?;
        Ok(Rounds { source, directory: self.output, formats: self.format, command: invocation.line.clone(), printed })
    }
}

/// The commands in `-- A -- B`.
///
/// # Errors
/// An empty command, or more than two.
fn commands(words: &[OsString]) -> Result<Vec<Vec<OsString>>, clap::Error> {
    let commands: Vec<Vec<OsString>> = words.split(|word| word == "--").map(<[OsString]>::to_vec).collect();
    if commands.iter().any(Vec::is_empty) {
        return conflict("there is nothing after a `--`: give a command there");
    }
    if commands.len() > 2 {
        return conflict("give one command, or two with `--` between them; more cannot be compared");
    }
    Ok(commands)
}

/// The sampler of a process or a command.
///
/// # Errors
/// An engine that cannot sample it.
fn tool(engine: Option<Engine>, is_process: bool) -> Result<Tool, clap::Error> {
    match engine.unwrap_or(Engine::Outside(Tool::Perf)) {
        Engine::Inprocess => {
            conflict("a process or a command is sampled from outside: leave --engine out, or give --engine perf")
        }
        Engine::Outside(tool) if is_process || tool == Tool::Perf => Ok(tool),
        Engine::Outside(_) => conflict(
            "DTrace and sample see a process that runs: start the command by itself and give --pid PID, or leave \
             --engine out",
        ),
    }
}

/// The sampler of the rounds of two statements.
///
/// # Errors
/// An engine that cannot sample them.
fn in_rounds(engine: Option<Engine>) -> Result<Engine, clap::Error> {
    match engine.unwrap_or_default() {
        engine @ (Engine::Inprocess | Engine::Outside(Tool::Perf)) => Ok(engine),
        Engine::Outside(_) => conflict(
            "DTrace and sample attach to a running process: give --pid PID, or --engine inprocess or perf for two \
             statements",
        ),
    }
}

/// What is drawn.
#[derive(Debug)]
pub enum Task {
    /// Both sides of a comparison.
    Rounds(Rounds),
    /// A process, commands, or stacks that another tool wrote.
    Outside(pictures::Options, Output),
}

/// The flamegraphs of a comparison.
#[derive(Debug)]
pub struct Rounds {
    source: Source,
    directory: PathBuf,
    formats: Vec<Format>,
    /// The command line, program name first.
    command: Vec<String>,
    printed: Output,
}

impl command::Task for Task {
    fn run(&self) -> Result<(), Error> {
        match self {
            Self::Rounds(rounds) => rounds.draw(),
            Self::Outside(options, output) => draw_outside(options, output),
        }
    }
}

impl Rounds {
    /// Samples or reads a run, draws the pictures, and prints a summary.
    fn draw(&self) -> Result<(), Error> {
        // Check before a minute of sampling, not after it.
        flamegraph::check(&self.directory)?;
        let outcome = match &self.source {
            Source::File { path, .. } if pictures::is_text(path) => return self.draw_text(path.clone()),
            Source::File { path, lossy } => Outcome::read(path, *lossy, true)?,
            Source::Run(options) => run::compare(options, &mut self.printed.bar())?,
        };
        let Outcome { comparison, samples, no_samples, failure, .. } = outcome;
        if let Some(why) = no_samples {
            return Err(failure.unwrap_or(why));
        }
        let drawn = flamegraph::draw(&comparison, &samples, &self.directory, &self.formats)?;
        self.printed.print(&drawn, |looks| views::flamegraph::text(&drawn, looks))?;
        first_failure([verdict(&comparison).err(), failure])
    }

    /// Draws the stacks in a file of another tool.
    fn draw_text(&self, path: PathBuf) -> Result<(), Error> {
        let options = pictures::Options {
            subject: Subject::File(path),
            tool: Tool::Perf,
            frequency: 0,
            directory: self.directory.clone(),
            formats: self.formats.clone(),
            command: self.command.clone(),
            aside: false,
        };
        draw_outside(&options, &self.printed)
    }
}

/// Samples or reads stacks, draws them, and prints a summary.
fn draw_outside(options: &pictures::Options, output: &Output) -> Result<(), Error> {
    // A sampled command has the terminal for itself.
    let quiet = output.quiet || matches!(options.subject, Subject::Commands(_));
    let drawn = pictures::draw(options, &mut terminal::Bar::new(quiet))?;
    output.print(&drawn, |_| views::pictures::text(&drawn))
}

#[cfg(test)]
mod tests {
    use super::super::command::testing::{checked as checked_as, refusal as refusal_of};
    use std::time::Duration;

    use super::*;
    use crate::model::tool::Engines;

    fn checked(line: &[&str]) -> Task {
        checked_as::<Arguments>(&[&["-o", "d"], line].concat()).unwrap()
    }

    fn refusal(line: &[&str]) -> String {
        refusal_of::<Arguments>(&[&["-o", "d"], line].concat())
    }

    #[test]
    fn it_has_engines_of_its_own() {
        let sampled_by = |line: &[&str]| match checked(line) {
            Task::Rounds(Rounds { source: Source::Run(options), .. }) => {
                (options.sampling.unwrap().engine, options.engines)
            }
            other => panic!("no run: {other:?}"),
        };
        let calls = Engines::default();
        assert_eq!(sampled_by(&[]), (Engine::Inprocess, calls));
        assert_eq!(sampled_by(&["--engine", "perf"]), (Engine::Outside(Tool::Perf), calls));
        assert!(refusal(&["--engine", "dtrace"]).contains("give --pid PID, or --engine inprocess"));
        assert!(refusal(&["x.rtrace", "--engine", "inprocess"]).contains("cannot be used with"));
    }

    #[test]
    fn it_is_also_of_a_process_or_of_commands() {
        let outside = |line: &[&str]| match checked(line) {
            Task::Outside(options, _) => options,
            Task::Rounds(other) => panic!("not from outside: {other:?}"),
        };
        assert_eq!(outside(&["--pid", "7", "--engine", "dtrace"]).tool, Tool::Dtrace);
        assert_eq!(outside(&["--pid", "7"]).tool, Tool::Perf);
        assert!(refusal(&["--engine", "dtrace", "--", "true"]).contains("start the command by itself"));
        let process = Subject::Process(7, Duration::from_secs(10));
        assert_eq!(outside(&["--pid", "7", "--sample-time", "10"]).subject, process);
        let commands = Subject::Commands(vec![vec!["a".into(), "-x".into()], vec!["b".into()]]);
        assert_eq!(outside(&["--", "a", "-x", "--", "b"]).subject, commands);
        assert!(refusal(&["--", "a", "--"]).contains("nothing after a `--`"));
        assert!(refusal(&["--", "a", "--", "b", "--", "c"]).contains("more cannot be compared"));
        assert!(refusal(&["--engine", "inprocess", "--pid", "7"]).contains("from outside"));
        assert!(refusal(&["--pid", "7", "--size", "8"]).contains("cannot be used with"));
        assert!(refusal(&["--pid", "7", "--", "a"]).contains("cannot be used with"));
    }
}
