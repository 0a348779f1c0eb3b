//! DTrace, distinguished from SystemTap's script of that name, which cannot trace.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Finding, Patient};
use crate::machine::ask::{self, Silence, ask};
use crate::machine::command::{as_root, ourselves_as_root};
use crate::machine::platform::{self, System};
use crate::tracers::leftovers;
use crate::tracers::tool::{Tool, describe};

/// It starts in about 5 s; 37 s were seen on a busy machine with cold caches.
const SMOKE: Duration = Duration::from_secs(120);

/// The program behind a file named `dtrace`.
#[derive(Debug)]
enum Kind {
    /// DTrace of this version.
    Real(String),
    /// The script of SystemTap, which turns lists of probes into headers.
    SystemTap,
    /// Another program, with the finding about it.
    Odd(Finding),
}

/// Checks that DTrace is installed and runs a probe.
pub fn check(patient: &Patient) -> Finding {
    let places = describe(Tool::Dtrace).places.iter().map(PathBuf::from);
    let mut files: Vec<PathBuf> = Vec::new();
    for file in places.chain(patient.on_path("dtrace")) {
        // /usr/sbin is on PATH as a rule, and may be a link to /usr/bin.
        let same = |other: &PathBuf| other.canonicalize().ok() == file.canonicalize().ok();
        if ask::can_run(&file) && !files.iter().any(same) {
            files.push(file);
        }
    }
    judge(&files, patient)
}

fn judge(files: &[PathBuf], patient: &Patient) -> Finding {
    let mut real = None;
    let mut odd = None;
    let mut systemtap = None;
    for file in files {
        match kind(file) {
            Kind::Real(version) => real = real.or(Some((file, version))),
            Kind::SystemTap => systemtap = systemtap.or(Some(file)),
            Kind::Odd(finding) => odd = odd.or(Some(finding.fact("path", file.display().to_string()))),
        }
    }
    let mut finding = match (real, odd) {
        (Some((file, version)), _) => {
            works(file, &version, patient).fact("version", version).fact("path", file.display().to_string())
        }
        (None, Some(odd)) => odd,
        (None, None) => Finding::missing("not here", install(patient)).short("is not here"),
    };
    if let Some(file) = systemtap {
        let file = file.display().to_string();
        let shown = ask::quote(&file);
        finding.sentence.push_str(&format!("; {shown} is SystemTap's script of that name, which cannot trace"));
        finding = finding.fact("systemtap", file);
    }
    finding
}

fn install(patient: &Patient) -> String {
    match platform::SYSTEM {
        System::MacOs => "DTrace is part of macOS: look for /usr/sbin/dtrace".to_owned(),
        _ if patient.on_path("apt-get").is_some() => {
            let script = as_root("scripts/install-dtrace");
            format!("{script} in a clone of raptors-trace; from Debian forky on {}", patient.install("dtrace"))
        }
        _ => patient.install("dtrace"),
    }
}

fn kind(file: &Path) -> Kind {
    let answer = match ask(file, &["-V"], ask::SHORT) {
        Ok(answer) => answer,
        Err(_) if is_systemtap(file) => return Kind::SystemTap,
        Err(silence) => {
            let shown = ask::quote(&file.display().to_string());
            let again = format!("run it to see its output: {shown} -V");
            let sentence = format!("{shown} {}", silence.sentence());
            return Kind::Odd(match silence {
                Silence::Hung(..) | Silence::Unwanted => Finding::unknown(sentence, again).short("did not answer"),
                Silence::Endless => Finding::unknown(sentence, again).short("prints no version"),
                Silence::NotStarted(_) => Finding::missing(sentence, again).short("does not start"),
            });
        }
    };
    match version(&answer.output) {
        Some(version) => Kind::Real(version),
        None if is_systemtap(file) => Kind::SystemTap,
        None => {
            let shown = ask::quote(&file.display().to_string());
            let sentence = format!("{shown} does not print its version: {}", answer.said());
            let again = format!("run it to see its output: {shown} -V");
            Kind::Odd(Finding::unknown(sentence, again).short("is of an unknown version"))
        }
    }
}

/// `dtrace: D 2.0.7`, on Solaris and macOS `dtrace: Sun D 1.13`.
fn version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("D ")?;
    let version = ask::version_in(rest)?;
    rest.starts_with(&version).then_some(version)
}

/// SystemTap's `dtrace` is a Python script that names it in its first lines.
fn is_systemtap(file: &Path) -> bool {
    let mut beginning = Vec::new();
    let read = File::open(file).and_then(|file| file.take(4096).read_to_end(&mut beginning));
    let text = String::from_utf8_lossy(&beginning).to_ascii_lowercase();
    read.is_ok() && text.starts_with("#!") && text.contains("systemtap")
}

/// Lets DTrace run the probe at its own beginning.
fn works(file: &Path, version: &str, patient: &Patient) -> Finding {
    let shown = ask::quote(&file.display().to_string());
    if !patient.root {
        let sentence = format!("{version} at {shown}; it needs root to trace anything");
        return Finding::limited(sentence, ourselves_as_root("doctor")).short("needs root");
    }
    let again = format!("run it to see its output: {shown} -qn 'BEGIN {{ exit(0); }}'");
    match ask(file, &["-qn", "BEGIN { exit(0); }"], SMOKE) {
        Ok(answer) if answer.status.success() => Finding::ok(format!("{version} at {shown}; it ran a probe")),
        Ok(answer) => Finding::missing(format!("{version} at {shown} runs no probe: {}", answer.said()), again)
            .short("does not work"),
        Err(silence) => {
            if let Silence::Hung(process, _) = silence {
                // The check of left-over probes shows later what could not be removed.
                let _ = leftovers::clean(Some(process));
            }
            Finding::unknown(
                format!("{version} at {shown}; when asked to run a probe, it {}", silence.sentence()),
                again,
            )
            .short("did not answer")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::machine::Load;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn patient(root: bool) -> Patient {
        Patient {
            surroundings: crate::machine::interpreter::Surroundings::default(),
            root,
            capabilities: None,
            load: Load::default(),
            python: std::cell::OnceCell::new(),
        }
    }

    #[test]
    fn versions_are_told_as_dtrace_writes_them() {
        assert_eq!(version("dtrace: D 2.0.7\n").unwrap(), "2.0.7");
        assert_eq!(version("dtrace: Sun D 1.13\nmore").unwrap(), "1.13");
        assert_eq!(version("Usage dtrace [--help] -D X 5.0"), None);
        assert_eq!(version("dtrace (SystemTap) 5.0"), None);
    }

    #[test]
    fn the_script_of_systemtap_is_told_apart_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\n# dtrace - part of SystemTap\necho 'Usage dtrace [--help] [-h | -G]'; exit 1\n";
        let fake = program(dir.path(), "dtrace", script);
        let finding = judge(std::slice::from_ref(&fake), &patient(false));
        assert_eq!(finding.outcome, Outcome::Missing);
        assert!(finding.sentence.ends_with("is SystemTap's script of that name, which cannot trace"), "{finding:?}");
        assert!(finding.help.is_some());

        let real = program(dir.path(), "real", "#!/bin/sh\necho 'dtrace: D 2.0.7'\n");
        let finding = judge(&[fake, real.clone()], &patient(false));
        assert_eq!((finding.outcome, finding.short.as_deref()), (Outcome::Limited, Some("needs root")));
        assert!(finding.sentence.contains("2.0.7") && finding.sentence.contains("SystemTap"), "{finding:?}");
        assert_eq!(finding.facts["path"], real.display().to_string());
    }

    #[test]
    fn a_dtrace_that_fails_as_root_does_not_work_and_its_words_are_escaped() {
        let dir = tempfile::tempdir().unwrap();
        let script =
            "#!/bin/sh\n[ \"$1\" = -V ] && echo 'dtrace: D 2.0' && exit\nprintf 'no \\033[2J BPF\\n' >&2; exit 1\n";
        let finding = judge(&[program(dir.path(), "dtrace", script)], &patient(true));
        assert_eq!(finding.outcome, Outcome::Missing);
        assert!(finding.sentence.ends_with("runs no probe: no \\x1b[2J BPF"), "{}", finding.sentence);
    }

    #[test]
    fn what_tells_no_version_is_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let finding = judge(&[program(dir.path(), "dtrace", "#!/bin/sh\necho hello\n")], &patient(true));
        assert_eq!(finding.outcome, Outcome::Unknown);
        assert!(finding.sentence.ends_with("does not print its version: hello"), "{finding:?}");
        assert_eq!(judge(&[], &patient(true)).outcome, Outcome::Missing);
    }
}
