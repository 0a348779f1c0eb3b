//! Instruments: `xcrun xctrace`, which records, and exports what is read here (`man xctrace`). Never run on a Mac so
//! far.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use raptors_signposts::VARIABLE;

use super::{Recorded, Settings, Target, failed, hand_over, run, shell_line, words};
use crate::machine::files;
use crate::model::error::{Error, Exit};
use crate::model::tool::Tool;
use crate::tracers::instruments::{self, Shared};

/// What Instruments records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// Sampled stacks.
    #[default]
    #[value(name = "Time Profiler", alias = "time-profiler")]
    TimeProfiler,
    /// Counters of the processor, cache misses among them.
    #[value(name = "CPU Counters", alias = "cpu-counters")]
    CpuCounters,
}

impl Template {
    /// Its name in Instruments.
    fn as_str(self) -> &'static str {
        match self {
            Self::TimeProfiler => "Time Profiler",
            Self::CpuCounters => "CPU Counters",
        }
    }
}

fn output(settings: &Settings) -> PathBuf {
    settings.output("raptors.trace")
}

/// `xctrace record` of a process or a command, signposts included, whatever the template has. A command is started with
/// signposts on.
pub fn line(target: &Target, settings: &Settings) -> Vec<OsString> {
    let mut line = words(["xcrun", "xctrace", "record", "--template"]);
    line.extend(words([settings.template.as_str(), "--instrument", "os_signpost", "--output"]));
    line.push(output(settings).into());
    let process = matches!(target, Target::Process(_));
    if process || settings.duration.is_some() {
        let limit = format!("{}s", settings.watched().as_secs().max(1));
        line.extend(words(["--time-limit", &limit]));
    }
    match target {
        Target::Process(pid) => line.extend(words(["--attach", &pid.to_string()])),
        Target::Command(command) => {
            let on = format!("{VARIABLE}=1");
            line.extend(words(["--target-stdout", "-", "--env", &on, "--launch", "--"]));
            line.extend(command.iter().cloned());
        }
    }
    line
}

/// Records, and reads the samples out of the recording where the template takes some.
pub fn record(target: &Target, settings: &Settings) -> Result<Recorded, Error> {
    let output = output(settings);
    if output.symlink_metadata().is_ok() {
        let sentence = format!("{} is there already", output.display());
        return Err(Error::new(sentence).help("choose another --output, or remove it"));
    }
    // Its exit code says little: it is not 0 where the time limit ended it. What counts is the recording.
    let (status, _) = run(Tool::Instruments, &line(target, settings), target)?;
    if !output.exists() {
        return Err(failed("xctrace", status));
    }
    let mut recorded = Recorded::new(Tool::Instruments, &output);
    let read = match settings.template {
        Template::TimeProfiler => sides(&output, &mut recorded),
        Template::CpuCounters => {
            let note = format!(
                "cache misses are in Instruments itself: {}",
                shell_line(&["open".into(), output.clone().into_os_string()])
            );
            recorded.notes.push(note);
            Ok(())
        }
    };
    hand_over(&output, &mut recorded.notes);
    read.map(|()| recorded)
}

/// Writes the folded stacks beside the recording: of all samples, and of each side where there are rounds.
fn sides(recording: &Path, recorded: &mut Recorded) -> Result<(), Error> {
    let profile = instruments::profile(&export(recording, "time-profile")?, recording)?;
    let all = profile.fold(profile.samples.iter().map(|sample| (None, sample)));
    let all = all.map_err(|error| Error::new("the samples cannot be folded").caused_by(error))?;
    let path = files::beside(recording, ".folded");
    files::write_whole(&path, all.to_string())?;
    recorded.samples = Some(all.total());
    recorded.folded = Some(path.display().to_string());
    let intervals = export(recording, "os-signpost-interval").and_then(|text| instruments::intervals(&text, recording));
    let shared = intervals.and_then(|intervals| {
        Shared::new(&profile, &intervals).ok_or_else(|| instruments::no_rounds(&recording.display().to_string()))
    });
    // The stacks of all samples are there; without rounds, only the sides are not.
    match shared.and_then(|mut shared| shared.write(&profile, recording).map(|()| shared.sides)) {
        Ok(sides) => recorded.sides = Some(sides),
        Err(error) => recorded.notes.push(note(&error)),
    }
    Ok(())
}

fn note(error: &Error) -> String {
    match error.help_text() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}

/// A table of a recording, as XML.
fn export(recording: &Path, table: &str) -> Result<String, Error> {
    let mut line = words(["xcrun", "xctrace", "export", "--input"]);
    line.push(recording.into());
    line.extend(words(["--xpath", &instruments::xpath(table)]));
    let failed = || {
        Error::new(format!("the table {table} of {} cannot be had", recording.display()))
            .help(format!("look at it: {}", shell_line(&line)))
    };
    let told = Command::new(&line[0])
        .args(&line[1..])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed().caused_by(error))?;
    if !told.status.success() {
        return Err(failed().exit(Exit::Failed));
    }
    String::from_utf8(told.stdout).map_err(|error| failed().caused_by(error))
}
