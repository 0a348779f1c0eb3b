//! `raptors-trace attach`: its arguments and its output.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::calls;
use super::command::{self, Invocation, conflict};
use super::output::Output;
use super::tools;
use crate::model::budget::Seconds;
use crate::model::error::Error;
use crate::model::tool::Tool;
use crate::tracers::calls as process;
use crate::tracers::recordings::{self, Action, Settings, Target, Template};
use crate::views::{self, escape};

/// Print the commands of bpftrace, DTrace, perf and Instruments for a running process, or run one of them
///
/// perf and Instruments can also start a command: attach --with perf -- COMMAND.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The process
    #[arg(value_name = "PID")]
    pid: Option<u32>,
    /// Run this tool on the process; without it, the commands of all tools are printed
    #[arg(long, value_name = "TOOL", value_parser = tools::attached())]
    with: Option<Tool>,
    /// The template that Instruments records with [default: "Time Profiler"]
    #[arg(long, value_name = "TEMPLATE", value_enum, ignore_case = true)]
    template: Option<Template>,
    /// The recording time [default: 10 s for a process, to its end for a command]
    #[arg(long, value_name = "SECONDS")]
    duration: Option<Seconds>,
    /// The file that perf or Instruments records to [default: perf.data, raptors.trace]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A command that perf or Instruments starts, instead of a PID
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    printed: Output,
}

impl command::Arguments for Arguments {
    type Task = Task;

    fn check(self, _: &Invocation) -> Result<Task, clap::Error> {
        let Self { pid, with, template, duration, output, command, printed } = self;
        let action = action(pid, with, command)?;
        match action {
            Action::Watch(..) if output.is_some() => {
                conflict("--output is for perf and Instruments; bpftrace and dtrace write no recording")
            }
            Action::Watch(..) | Action::Record(_, Tool::Perf) if template.is_some() => {
                conflict("--template is for Instruments: give --with instruments")
            }
            Action::Record(Target::Command(_), Tool::Perf) if duration.is_some() => {
                conflict("perf records a command to its end: leave --duration out")
            }
            _ => {
                let settings =
                    Settings { template: template.unwrap_or_default(), duration: duration.map(Duration::from), output };
                Ok(Task { options: recordings::Options { action, settings }, output: printed })
            }
        }
    }
}

fn action(pid: Option<u32>, tool: Option<Tool>, command: Vec<OsString>) -> Result<Action, clap::Error> {
    match (pid, tool, !command.is_empty()) {
        (Some(_), _, true) => conflict("a PID and a command exclude each other: give one of them"),
        (Some(pid), None, false) => Ok(Action::Tell(pid)),
        (Some(pid), Some(tool @ (Tool::Bpftrace | Tool::Dtrace)), false) => Ok(Action::Watch(pid, tool)),
        (Some(pid), Some(tool), false) => Ok(Action::Record(Target::Process(pid), tool)),
        (None, Some(Tool::Bpftrace | Tool::Dtrace), true) => conflict(
            "bpftrace and dtrace attach to a running process: give its PID (compare --wait stops one at its start)",
        ),
        (None, Some(tool), true) => Ok(Action::Record(Target::Command(command), tool)),
        (None, None, true) => {
            conflict("only perf and Instruments can start a command: give --with perf or --with instruments")
        }
        (None, _, false) => conflict("give the PID of a process, or a command to start: attach --with perf -- COMMAND"),
    }
}

/// A process to trace, or the commands to print.
#[derive(Debug)]
pub struct Task {
    options: recordings::Options,
    output: Output,
}

impl command::Task for Task {
    fn run(&self) -> Result<(), Error> {
        let (settings, output) = (&self.options.settings, &self.output);
        match &self.options.action {
            Action::Record(target, tool) => {
                let recorded = recordings::record(target, *tool, settings)?;
                output.print(&recorded, |looks| views::instruments::recorded(&recorded, looks))
            }
            Action::Watch(pid, tool) => {
                let options = process::Options { pid: *pid, duration: settings.watched(), tool: Some(*tool) };
                calls::watch(&options, output)
            }
            Action::Tell(pid) => {
                let attachment = recordings::attachment(*pid, settings)?;
                output.print(&attachment, |_| text(&attachment))
            }
        }
    }
}

fn text(attachment: &recordings::Attachment) -> String {
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
