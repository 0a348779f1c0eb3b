//! Runs the targets, each in its own process: one that is killed does not end the others.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::targets::{Target, in_memory};
use crate::{Options, kept};

/// Runs all targets, several at a time.
///
/// # Errors
/// The names of those that failed.
pub fn run(options: &Options) -> Result<(), String> {
    let all = options.targets.is_empty();
    let chosen = |target: &&Target| all || options.targets.iter().any(|name| name == target.name);
    let mut waiting: Vec<&Target> = Target::all().iter().filter(chosen).collect();
    let mut running: Vec<(&Target, Child)> = Vec::new();
    let mut failed = Vec::new();
    let inputs = tempfile::tempdir_in(in_memory()).map_err(|error| error.to_string())?;
    println!("seed {}", options.seed);
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < options.processes && !waiting.is_empty() {
            let target = waiting.remove(0);
            running.push((target, start(target, options, inputs.path())?));
        }
        sleep(Duration::from_millis(20));
        for index in (0..running.len()).rev() {
            let (target, child) = &mut running[index];
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            let Some(status) = ended else { continue };
            if !status.success() {
                let kept = keep(target, inputs.path()).map_err(|error| error.to_string())?;
                eprintln!("{}: FAILED ({status}); its input is {}", target.name, kept.display());
                failed.push(target.name);
            }
            running.swap_remove(index);
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        names => Err(format!(
            "failed with seed {}: {}; repeat one with --seed {} NAME",
            options.seed,
            names.join(", "),
            options.seed
        )),
    }
}

/// The input of a target that failed, out of the directory that is removed.
fn keep(target: &Target, inputs: &Path) -> std::io::Result<PathBuf> {
    let kept = kept(target.name);
    std::fs::create_dir_all(kept.parent().unwrap_or(Path::new(".")))?;
    std::fs::copy(inputs.join(target.name), &kept)?;
    Ok(kept)
}

fn start(target: &Target, options: &Options, inputs: &Path) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let [seconds, seed] = [options.seconds, options.seed].map(|number| number.to_string());
    Command::new(program)
        .args(["--child", target.name, "--seconds", &seconds, "--seed", &seed])
        .arg("--input")
        .arg(inputs.join(target.name))
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", target.name))
}
