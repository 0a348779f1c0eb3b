//! `raptors-trace attach`: its arguments, and its result printed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::args::conflict;
use super::options::OutputOptions;
use super::{print, print_json, text_options};
use crate::model::error::Error;
use crate::tracers::attach::{self, Action, Sampler, Settings, Target, Template, Tool};
use crate::tracers::engines::Tracer;
use crate::tracers::live;
use crate::views::{self, Part, escape};

/// What `attach` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The process
    #[arg(value_name = "PID")]
    pid: Option<u32>,
    /// Run this tool on it; without it, the commands for all of them are printed
    #[arg(long, value_name = "TOOL", value_enum)]
    with: Option<With>,
    /// What Instruments records [default: "Time Profiler"]
    #[arg(long, value_name = "TEMPLATE", value_enum, ignore_case = true)]
    template: Option<Template>,
    /// How long it is looked at [default: a process for 10 s, a command to its end]
    #[arg(long, value_name = "SECONDS", value_parser = super::args::seconds)]
    duration: Option<Duration>,
    /// Where perf and Instruments record to [default: perf.data, raptors.trace]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Instead of a PID: a command that perf or Instruments starts
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The tools by their names on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum With {
    /// Calls of loops and routines
    Bpftrace,
    /// The same
    Dtrace,
    /// Sampled stacks, kernel frames included (Linux)
    Perf,
    /// Apple's Instruments (macOS)
    Instruments,
}

impl From<With> for Tool {
    fn from(with: With) -> Self {
        match with {
            With::Bpftrace => Self::Tracer(Tracer::Bpftrace),
            With::Dtrace => Self::Tracer(Tracer::Dtrace),
            With::Perf => Self::Sampler(Sampler::Perf),
            With::Instruments => Self::Sampler(Sampler::Instruments),
        }
    }
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self) -> Result<attach::Options, clap::Error> {
        let starts = !self.command.is_empty();
        let action = match (self.pid, self.with.map(Tool::from)) {
            (Some(_), _) if starts => {
                return conflict("a PID and a command exclude each other: look into the process, or start the command");
            }
            (Some(pid), None) => Action::Tell(pid),
            (Some(pid), Some(Tool::Tracer(tracer))) => Action::Watch(pid, tracer),
            (Some(pid), Some(Tool::Sampler(sampler))) => Action::Record(Target::Process(pid), sampler),
            (None, Some(Tool::Sampler(sampler))) if starts => Action::Record(Target::Command(self.command), sampler),
            (None, Some(Tool::Tracer(_))) if starts => {
                return conflict(
                    "bpftrace and dtrace look into a process that runs: give its PID (compare --wait holds one at its \
                     start)",
                );
            }
            (None, _) if starts => {
                return conflict(
                    "a command is started by perf or by Instruments: say --with perf or --with instruments",
                );
            }
            (None, _) => {
                return conflict("give the PID of a process, or a command to start: attach --with perf -- COMMAND");
            }
        };
        let refused = match action {
            Action::Watch(..) if self.output.is_some() => {
                "--output is where perf and Instruments record to; bpftrace and dtrace record nothing"
            }
            Action::Watch(..) | Action::Record(_, Sampler::Perf) if self.template.is_some() => {
                "--template is one of Instruments: say --with instruments"
            }
            Action::Record(Target::Command(_), Sampler::Perf) if self.duration.is_some() => {
                "perf records a command to its end: leave --duration out"
            }
            _ => {
                let settings = Settings {
                    template: self.template.unwrap_or_default(),
                    duration: self.duration,
                    output: self.output,
                };
                return Ok(attach::Options { action, settings });
            }
        };
        conflict(refused)
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// A process that cannot be looked into, a tool that is not there or fails.
pub fn execute(options: &attach::Options, output: &OutputOptions) -> Result<(), Error> {
    let settings = &options.settings;
    match &options.action {
        Action::Record(target, sampler) => {
            let recorded = attach::record(target, *sampler, settings)?;
            if output.json {
                return print_json(&recorded);
            }
            let looks = text_options(Part::All, output);
            print(&views::instruments::recorded(&recorded, &looks))
        }
        Action::Watch(pid, tracer) => {
            let options = live::Options { pid: *pid, duration: settings.watched(), tracer: Some(*tracer) };
            super::live::execute(&options, output)
        }
        Action::Tell(pid) => {
            let attachment = attach::attachment(*pid, settings)?;
            if output.json {
                return print_json(&attachment);
            }
            print(&text(&attachment))
        }
    }
}

fn text(attachment: &attach::Attachment) -> String {
    let mut text = format!("process {}", attachment.pid);
    if let Some(line) = &attachment.command_line {
        text = format!("{text}: {}", escape(line));
    }
    for hint in &attachment.hints {
        text.push_str(&format!("\n\n{}: {}\n  {}", hint.tool.as_str(), hint.shows, escape(&hint.command)));
        if let Some(why) = &hint.why_not {
            text.push_str(&format!("\n  not here: {}", escape(why)));
        }
    }
    text + "\n"
}
