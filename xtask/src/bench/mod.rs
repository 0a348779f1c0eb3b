//! `cargo xtask bench`: the kernel against NumPy at every size, and against others, written to docs/performance.md.
//!
//! Every figure comes from `raptors-trace compare`: both sides in one process, in interleaved rounds, after a warm-up
//! that lasts until times settle.

mod page;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use self::rows::Row;
use crate::environment;
use crate::json;
use crate::project::Project;
use crate::session::Session;
use crate::wheel;

/// The requirements of a bench.
const REQUIREMENTS: &[&str] = &["requirements.txt", "requirements-dev.txt", "requirements-bench.txt"];

/// The file with the results.
const PAGE: &str = "docs/performance.md";

/// The options of `cargo xtask bench`.
#[derive(Args)]
pub struct Options {
    /// Show the output of every step
    #[arg(long, short)]
    verbose: bool,
    /// Unobserved seconds for each cell, both sides together
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5)]
    time: f64,
    /// Square arrays of these sizes
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_values_t = [64, 512, 1024, 2048, 4096, 8192])]
    size: Vec<u32>,
    /// Element types
    #[arg(long, value_name = "DTYPES", value_delimiter = ',', default_values = ["float32", "float64"])]
    dtype: Vec<String>,
    /// Print only; docs/performance.md stays as it is
    #[arg(long)]
    dry_run: bool,
    /// Leave out the 10,000 calls that show whether memory grows
    #[arg(long)]
    no_memory: bool,
}

/// The parts of `compare --json` that are read.
#[derive(Deserialize)]
pub struct Run {
    pub machine: serde_json::Value,
    pub software: serde_json::Value,
    pub cases: Vec<Case>,
}

/// One size and type.
#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub results: String,
    pub dtype: Option<String>,
    pub shape: Option<Vec<u64>>,
    pub sides: Sides,
    pub ratio: Ratio,
}

/// Both sides.
#[derive(Deserialize)]
pub struct Sides {
    pub a: Side,
    pub b: Side,
}

/// One side.
#[derive(Deserialize)]
pub struct Side {
    pub statement: String,
    pub wall_ns: Median,
    pub cpu_ns_per_op: Option<f64>,
    pub gb_s: Option<f64>,
}

/// A median with its interval.
#[derive(Deserialize)]
pub struct Median {
    pub median: f64,
}

/// A's time ÷ B's.
#[derive(Deserialize)]
pub struct Ratio {
    pub median: f64,
    pub ci95: [f64; 2],
}

/// A row with its measurements.
pub struct Measured {
    pub row: &'static Row,
    pub cases: Vec<Case>,
}

/// Measures and writes.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let mut session = Session::new(project, options.verbose);
    environment::prepare(&mut session, REQUIREMENTS)?;
    wheel::install(&mut session, wheel::Build::Release)?;
    let directory = tempfile::tempdir().context("no temporary directory can be made")?;
    let c_loop = compile(&mut session, directory.path().join("scale.so"))?;

    let mut facts = None;
    let mut measured = Vec::new();
    let has_a_size = |row: &&Row| options.size.iter().any(|size| *size >= row.from);
    for row in rows::ALL.iter().filter(has_a_size) {
        session.say(format_args!("measuring {}", row.title));
        let run = compare(&mut session, row, options, &c_loop)?;
        let cases = run.cases.into_iter().filter(|case| row.wants(case)).collect();
        facts.get_or_insert((run.machine, run.software));
        measured.push(Measured { row, cases });
    }
    session.say("measuring a call on one element");
    let one = smallest(&mut session, options)?;
    let memory = if options.no_memory { None } else { Some(memory(&mut session)?) };
    let Some((machine, software)) = facts else {
        bail!("there is nothing to measure");
    };
    let text = page::text(&machine, &software, &measured, &one, memory.as_deref(), options);
    if !options.dry_run {
        page::replace(&project.root().join(PAGE), &text)?;
        session.say(format_args!("written to {PAGE}"));
    }
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// A C loop, compiled for this machine.
fn compile(session: &mut Session<'_>, library: PathBuf) -> Result<PathBuf> {
    let source = session.project.root().join("xtask/src/bench/scale.c");
    let mut gcc = session.project.command("cc");
    gcc.args(["-O3", "-march=native", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    session.run(&mut gcc).context("the C loop could not be compiled")?;
    Ok(library)
}

fn compare(session: &mut Session<'_>, row: &Row, options: &Options, c_loop: &PathBuf) -> Result<Run> {
    let list = |values: Vec<String>| values.join(",");
    let sizes = options.size.iter().filter(|size| **size >= row.from);
    let mut command = session.project.command(session.project.venv_program("raptors-trace"));
    command
        .args(["compare", "--json", "--quiet", "--size"])
        .arg(list(sizes.map(u32::to_string).collect()))
        .args(["--dtype", &list(options.dtype.clone())])
        .args(["--time", &options.time.to_string()])
        .args(["--threads", &row.threads.to_string()])
        .args(row.arguments)
        .env("RAPTORS_TABLE", "shipped")
        .env("RAPTORS_BENCH_C", c_loop)
        .env("OPENBLAS_NUM_THREADS", "1");
    json::parsed(&session.run(&mut command)?)
}

fn smallest(session: &mut Session<'_>, options: &Options) -> Result<Run> {
    let mut command = session.project.command(session.project.venv_program("raptors-trace"));
    command
        .args(["compare", "--json", "--quiet", "--size", "1x", "--dtype", "float32"])
        .args(["--time", &options.time.to_string()])
        .env("RAPTORS_TABLE", "shipped");
    json::parsed(&session.run(&mut command)?)
}

/// The resident memory after ten calls and after 10,000, in a sentence.
fn memory(session: &mut Session<'_>) -> Result<String> {
    session.say("10,000 calls at 4096²");
    let mut python = session.project.python();
    python.args(["-c", MEMORY]).env("RAPTORS_TABLE", "shipped");
    Ok(session.run(&mut python)?.trim().to_owned())
}

const MEMORY: &str = r"
import numpy as np
from raptors_trace import kernel

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096 / 2**20

r = kernel.from_numpy(np.ones((4096, 4096), np.float32))
for _ in range(10):
    r.scale(2.5)
tenth = resident()
for _ in range(9990):
    r.scale(2.5)
print(f'{tenth:.1f} MiB resident after 10 calls at 4096² float32, {resident():.1f} MiB after 10,000')
";
