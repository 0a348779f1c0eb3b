//! Checks for macOS only. The programs are at fixed paths; none of this has run on a Mac.

use std::path::Path;

use super::{Finding, Patient};
use crate::machine::ask::{self, ask};

const CSRUTIL: &str = "/usr/bin/csrutil";
const DEV_TOOLS_SECURITY: &str = "/usr/sbin/DevToolsSecurity";
const XCRUN: &str = "/usr/bin/xcrun";

/// System Integrity Protection.
pub fn integrity_protection(_: &Patient) -> Finding {
    match said(CSRUTIL, &["status"]) {
        Ok(text) => protection_in(&text),
        Err(finding) => finding,
    }
}

fn protection_in(text: &str) -> Finding {
    let text = text.to_ascii_lowercase();
    if text.contains("status: disabled") {
        Finding::ok("off: DTrace sees every process").fact("enabled", false)
    } else if text.contains("status: enabled") {
        Finding::limited(
            "on: DTrace sees processes that are not signed by Apple, such as Python of a virtual environment, and \
             hides Apple's own",
            "csrutil enable --without dtrace, in the recovery system",
        )
        .fact("enabled", true)
    } else {
        Finding::unknown(format!("csrutil printed: {}", ask::quote(&text)), "csrutil status")
    }
}

/// Whether tools may attach without a password each time.
pub fn developer_mode(_: &Patient) -> Finding {
    match said(DEV_TOOLS_SECURITY, &["-status"]) {
        Ok(text) if text.contains("enabled") => Finding::ok("on: tools may attach to processes"),
        Ok(text) if text.contains("disabled") => Finding::limited(
            "off: each tool that attaches to a process asks for a password",
            "sudo DevToolsSecurity -enable",
        ),
        Ok(text) => {
            Finding::unknown(format!("DevToolsSecurity printed: {}", ask::quote(&text)), "DevToolsSecurity -status")
        }
        Err(finding) => finding,
    }
}

/// The command of Instruments.
pub fn xctrace(_: &Patient) -> Finding {
    match said(XCRUN, &["xctrace", "version"]) {
        Ok(text) => match ask::version_in(&text) {
            Some(version) => Finding::ok(format!("{version}, through xcrun")).fact("version", version),
            None => Finding::missing(
                format!("xcrun does not find it: {}", ask::quote(&text)),
                "install Xcode, then sudo xcode-select -s /Applications/Xcode.app",
            ),
        },
        Err(finding) => finding,
    }
}

/// The output of a system program, or the finding if it prints nothing.
fn said(program: &str, args: &[&str]) -> Result<String, Finding> {
    let again = format!("run it to see its output: {program} {}", args.join(" "));
    match ask(Path::new(program), args, ask::SHORT) {
        Ok(answer) if answer.output.trim().is_empty() => Ok(answer.said()),
        Ok(answer) => Ok(answer.output),
        Err(silence) => Err(Finding::unknown(format!("{program} {}", silence.sentence()), again)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn protection_is_read_from_what_csrutil_prints() {
        let outcome = |text| protection_in(text).outcome;
        assert_eq!(outcome("System Integrity Protection status: enabled.\n"), Outcome::Limited);
        assert_eq!(outcome("System Integrity Protection status: disabled.\n"), Outcome::Ok);
        assert_eq!(outcome("System Integrity Protection status: unknown (Custom)."), Outcome::Unknown);
    }

    #[test]
    fn a_program_that_is_not_there_makes_its_check_unknown() {
        let finding = said("/nowhere/csrutil", &["status"]).unwrap_err();
        assert_eq!(finding.outcome, Outcome::Unknown);
        assert!(finding.sentence.contains("cannot be started") && finding.help.is_some());
    }
}
