//! `raptors-trace attach`: its arguments, and its result printed.

use std::path::PathBuf;
use std::time::Duration;

use super::options::OutputOptions;
use super::{print, print_json};
use crate::attach::{self, With};
use crate::engines::Tracer;
use crate::error::Error;
use crate::live;
use crate::report::escape;

/// What `attach` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The process
    #[arg(value_name = "PID")]
    pid: u32,
    /// Run this tool on it; without it, the commands for all of them are printed
    #[arg(long, value_name = "TOOL", value_enum)]
    with: Option<With>,
    /// How long it is looked at
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = super::args::seconds)]
    duration: Duration,
    /// Where perf and Instruments record to [default: perf.data, raptors.trace]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    /// Validates.
    ///
    /// # Errors
    /// What makes no sense together.
    pub fn into_options(self) -> Result<attach::Options, clap::Error> {
        Ok(attach::Options {
            pid: self.pid,
            with: self.with,
            duration: self.duration,
            output: self.output,
        })
    }
}

/// Does it and prints what came of it.
///
/// # Errors
/// A process that cannot be looked into, a tool that is not there or fails.
pub fn execute(options: &attach::Options, output: &OutputOptions) -> Result<(), Error> {
    match options.with {
        Some(With::Bpftrace) => watched(options, Tracer::Bpftrace, output),
        Some(With::Dtrace) => watched(options, Tracer::Dtrace, output),
        Some(with) => attach::run(options, with),
        None => {
            let attachment = attach::attachment(options)?;
            if output.json {
                return print_json(&attachment);
            }
            print(&text(&attachment))
        }
    }
}

/// What `calls --pid` does, with a tracer that is chosen already.
fn watched(options: &attach::Options, tracer: Tracer, output: &OutputOptions) -> Result<(), Error> {
    let options = live::Options {
        pid: options.pid,
        duration: options.duration,
        tracer: Some(tracer),
    };
    super::live::execute(&options, output)
}

fn text(attachment: &attach::Attachment) -> String {
    let mut text = format!("process {}", attachment.pid);
    if let Some(line) = &attachment.command_line {
        text = format!("{text}: {}", escape(line));
    }
    for hint in &attachment.hints {
        let name = format!("{:?}", hint.tool).to_lowercase();
        text.push_str(&format!(
            "\n\n{name}: {}\n  {}",
            hint.shows,
            escape(&hint.command)
        ));
        if let Some(why) = &hint.why_not {
            text.push_str(&format!("\n  not here: {}", escape(why)));
        }
    }
    text + "\n"
}
