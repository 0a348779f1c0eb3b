//! perf: sampled stacks of a process or a command, kernel frames included.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Recorded, Settings, Target, failed, hand_over, run, words};
use crate::machine::files;
use crate::model::error::{Error, Exit};
use crate::model::tool::Tool;
use crate::tracers::losses;

/// Where the recording comes to be.
pub fn output(settings: &Settings) -> PathBuf {
    settings.output("perf.data")
}

/// `perf record` into `file`. perf itself asks for a command whose end it waits for, so a process is watched for the
/// time of a `sleep`.
pub fn line(target: &Target, settings: &Settings, file: &Path) -> Vec<OsString> {
    let begin = "perf record -e cpu-clock -F 997 --call-graph dwarf -o";
    let mut line = words(begin.split(' '));
    line.push(file.into());
    match target {
        Target::Process(pid) => {
            let seconds = settings.watched().as_secs_f64().to_string();
            line.extend(words(["-p", &pid.to_string(), "--", "sleep", &seconds]));
        }
        Target::Command(command) => {
            line.push("--".into());
            line.extend(command.iter().cloned());
        }
    }
    line
}

/// Records under another name, and gives the recording its own once it is whole and holds samples.
pub fn record(target: &Target, settings: &Settings) -> Result<Recorded, Error> {
    let output = output(settings);
    let directory = files::directory_of(&output);
    let place = tempfile::Builder::new()
        .prefix(".raptors-trace-")
        .tempdir_in(directory)
        .map_err(|error| not_written(&output).caused_by(error))?;
    let file = place.path().join("perf.data");
    let (status, asked) = run(Tool::Perf, &line(target, settings, &file), target)?;
    let mut recorded = Recorded::new(Tool::Perf, &output);
    if !file.is_file() {
        return Err(failed("perf", status));
    }
    let (samples, lost) = samples(&file)?;
    if samples == 0 {
        return Err(no_sample(target));
    }
    recorded.samples = Some(samples);
    recorded.notes.extend(lost);
    hand_over(&file, &mut recorded.notes);
    fs::rename(&file, &output).map_err(|error| not_written(&output).caused_by(error))?;
    // perf ends as its command does, or by the signal that ended it; what it had seen by then is whole.
    if !status.success() && !asked {
        recorded.notes.push(format!("what perf waited for ended with: {status}"));
    }
    Ok(recorded)
}

fn not_written(output: &Path) -> Error {
    Error::new(format!("{} cannot be written", output.display())).help("choose another --output")
}

fn no_sample(target: &Target) -> Error {
    let who = match target {
        Target::Process(pid) => format!("process {pid}"),
        Target::Command(_) => "the command".to_owned(),
    };
    Error::new(format!("perf saw no sample: {who} used no CPU time while it was watched"))
        .help("record while it works, or for longer")
        .exit(Exit::NothingObserved)
}

/// Counts the samples of a recording, one line each; and what perf says that it lost.
fn samples(file: &Path) -> Result<(u64, Vec<String>), Error> {
    let unreadable = || Error::new("perf cannot read what it recorded");
    let told = Command::new("perf")
        .args(["script", "-F", "time", "-i"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| unreadable().caused_by(error))?;
    let lines = String::from_utf8_lossy(&told.stdout);
    let lines = lines.lines().filter(|line| !line.trim().is_empty()).count();
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    if lines == 0 && !said.contains("no samples") && !told.status.success() {
        return Err(unreadable().detail(said.trim_end()));
    }
    Ok((lines as u64, losses::told(Tool::Perf, "", &said)))
}
