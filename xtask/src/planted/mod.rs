//! `cargo xtask planted`: `raptors-trace explain` on pairs with a known cause, and the score.

mod pairs;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde::Deserialize;

use self::pairs::{PAIRS, Pair};
use crate::environment;
use crate::json;
use crate::project::Project;
use crate::session::{self, Session};
use crate::wheel;

const REQUIREMENTS: &[&str] = &["requirements.txt", "requirements-dev.txt"];

/// The options of `cargo xtask planted`.
#[derive(Args)]
pub struct Options {
    /// Show the output of every step
    #[arg(long, short)]
    verbose: bool,
    /// Seconds for each pair, instead of explain's own
    #[arg(long, value_name = "SECONDS")]
    time: Option<f64>,
    /// Run only pairs with this text in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Keep the JSON of explain for each pair in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Use the extension that is installed in .venv instead of building it
    #[arg(long)]
    no_build: bool,
}

/// The parts of `explain --json` that are read.
#[derive(Deserialize)]
struct Run {
    findings: Vec<Finding>,
    explained: Vec<Explained>,
}

#[derive(Deserialize)]
struct Finding {
    cause: String,
    verdict: String,
    share_of_gap: Option<f64>,
}

#[derive(Deserialize)]
struct Explained {
    gap: bool,
    gap_ns: f64,
}

/// Runs every pair and prints the score; fails if one is wrong.
pub fn run(project: &Project, options: &Options) -> Result<ExitCode> {
    let mut session = Session::new(project, options.verbose);
    if !options.no_build {
        environment::prepare(&mut session, REQUIREMENTS)?;
        wheel::install(&mut session, wheel::Build::Release)?;
    }
    let wanted = |pair: &&Pair| {
        let text = options.only.as_deref();
        text.is_none_or(|text| pair.name.contains(text))
    };
    let (mut right, mut all) = ([0, 0], [0, 0]);
    for pair in PAIRS.iter().filter(wanted) {
        if let Some(reason) = absence(&mut session, pair)? {
            println!("skip   {}: {reason}", pair.name);
            continue;
        }
        let kind = usize::from(pair.cause.is_none());
        all[kind] += 1;
        right[kind] += usize::from(is_right(&mut session, pair, options));
    }
    println!(
        "\n{} of {} planted causes named first, {} of {} pairs without a difference not accused",
        right[0], all[0], right[1], all[1]
    );
    if right == all { Ok(ExitCode::SUCCESS) } else { Ok(ExitCode::FAILURE) }
}

/// Why this machine does not have the pair's cause; nothing if it has.
fn absence(session: &mut Session<'_>, pair: &Pair) -> Result<Option<String>> {
    let Some(code) = pair.absence else { return Ok(None) };
    let mut python = session.project.python();
    let reason = session.run(python.args(["-c", code]))?;
    Ok(Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty()))
}

/// Explains one pair and prints whether its cause was named.
fn is_right(session: &mut Session<'_>, pair: &Pair, options: &Options) -> bool {
    match explain(session, pair, options) {
        Ok(said) => {
            let ok = judge(pair, &said);
            println!("{}  {}: {}", if ok { "ok   " } else { "WRONG" }, pair.name, told(pair, &said, ok));
            ok
        }
        Err(error) => {
            let output = session::output_of(&error).unwrap_or_default();
            println!("WRONG  {}: {error:#}\n{}", pair.name, last_line(output));
            false
        }
    }
}

fn last_line(output: &str) -> &str {
    output.lines().last().unwrap_or_default()
}

fn explain(session: &mut Session<'_>, pair: &Pair, options: &Options) -> Result<Run> {
    let size = pair.size.to_string();
    let mut arguments =
        vec!["explain", "--json", "--quiet", "--setup", pair.setup, "--a", pair.a, "--b", pair.b, "--size", &size];
    let time = options.time.map(|time| time.to_string());
    if let Some(time) = &time {
        arguments.extend(["--time", time]);
    }
    if pair.allow_different {
        arguments.push("--allow-different");
    }
    let mut command = session.project.command(session.project.venv_program("raptors-trace"));
    let output = session.run(command.args(arguments))?;
    if let Some(directory) = &options.keep {
        let path = directory.join(pair.name.replace(' ', "-") + ".json");
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, &output))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    json::parsed(&output).with_context(|| format!("what explain printed of `{}` is not understood", pair.name))
}

/// The causes that explain supports and that are a part of the gap, the largest first.
fn accused(run: &Run) -> Vec<(&str, f64)> {
    let parts = run.findings.iter().filter(|finding| finding.verdict == "supported");
    parts.filter_map(|finding| Some((finding.cause.as_str(), finding.share_of_gap?))).collect()
}

fn judge(pair: &Pair, run: &Run) -> bool {
    let accused = accused(run);
    match pair.cause {
        Some(cause) => accused.first().is_some_and(|(first, _)| *first == cause),
        None => accused.is_empty(),
    }
}

fn told(pair: &Pair, run: &Run, ok: bool) -> String {
    let gap = run.explained.first();
    let size = gap.map_or(f64::NAN, |gap| gap.gap_ns / 1e3);
    let mut text = match gap {
        Some(gap) if gap.gap => format!("gap {size:.1} µs"),
        _ => "no gap".to_owned(),
    };
    for (cause, share) in accused(run) {
        text += &format!(", {cause} {:.0} %", 100.0 * share);
    }
    if let (false, Some(cause)) = (ok, pair.cause) {
        text += &format!(" (planted: {cause})");
        let found = run.findings.iter().find(|finding| finding.cause == cause);
        text += &found
            .map_or_else(|| ", which was not tried".to_owned(), |finding| format!(", which was {}", finding.verdict));
    }
    text
}
