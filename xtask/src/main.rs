//! The project's own commands: `cargo xtask compare` is the main job from a fresh clone, `cargo xtask test` runs the
//! checks, and `cargo xtask bench` measures the kernel.
//!
//! They need Rust, Python 3.11 or newer and a C compiler, and put everything else beside the code: packages in `.venv`,
//! build results in `target`.

mod bench;
mod compare;
mod environment;
mod interpreter;
mod json;
mod machine;
mod planted;
mod project;
mod scripts;
mod session;
mod test;
mod tools;
mod wheel;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::project::Project;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set everything up and run `raptors-trace compare`: NumPy against Raptors, on this machine
    Compare(compare::Options),
    /// Measure the kernel against NumPy and others at every size, and write docs/performance.md
    Bench(bench::Options),
    /// Run `raptors-trace explain` on pairs with a known cause, and print how many it names correctly
    Planted(planted::Options),
    /// Run the checks: those that a change normally breaks, or with --all those of CI
    Test(test::Options),
    /// Write the D and bpftrace scripts under dtrace/ anew
    Scripts(scripts::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let project = Project::find();
    let result = match cli.command {
        Command::Compare(options) => compare::run(&project, &options),
        Command::Bench(options) => bench::run(&project, &options),
        Command::Planted(options) => planted::run(&project, &options),
        Command::Test(options) => test::run(&project, &options),
        Command::Scripts(options) => scripts::run(&project, &options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        for cause in error.chain().skip(1) {
            eprintln!("  because {cause}");
        }
        if let Some(output) = session::output_of(&error) {
            eprint!("\nits output:\n{output}");
        }
        ExitCode::FAILURE
    })
}
