//! Errors for the user: one sentence, its causes, the fix, and the exit code.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

/// A failure: a sentence for the user, its causes, and the fix if there is one.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Error {
    sentence: String,
    detail: Option<String>,
    help: Option<String>,
    exit: Exit,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The exit codes of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed; the cause chain and the fix were printed.
    Failed = 1,
    /// The command line is invalid.
    Usage = 2,
    /// Nothing could be observed.
    NothingObserved = 3,
    /// A gate such as `--fail-below` was missed.
    GateMissed = 4,
}

impl Error {
    /// A failure with exit code 1. `sentence` is for the user: no capital, no full stop, no code names.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), detail: None, help: None, exit: Exit::Failed, source: None }
    }

    /// Adds the command or change that fixes it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same failure with this fix, unless it has one.
    #[must_use]
    pub fn or_help(self, help: impl Into<String>) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds text of several lines that is shown unchanged, such as a Python traceback.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Sets another exit code.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The exit code.
    pub fn exit_code(&self) -> Exit {
        self.exit
    }

    /// The fix, if known.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The text of several lines.
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The failure with its causes and fix as one line, for a document.
    pub fn in_a_line(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            sentence.push_str(&format!(": {error}"));
            cause = error.source();
        }
        if let Some(help) = self.help_text() {
            sentence.push_str(&format!(" ({help})"));
        }
        sentence
    }

    /// The whole failure in the form that the command prints: sentence, detail, causes, fix; every line ends in a
    /// newline. Control characters are escaped, because a path or a traceback may contain any.
    pub fn report(&self) -> String {
        let mut text = String::new();
        let mut line = |prefix: &str, body: &dyn fmt::Display| {
            let body = crate::model::text::escape_lines(&body.to_string());
            let _ = writeln!(text, "{prefix}{body}");
        };
        line("error: ", &self);
        if let Some(detail) = &self.detail {
            for part in detail.lines() {
                line("  ", &part);
            }
        }
        let mut said = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let sentence = error.to_string();
            if sentence != said {
                line("  because: ", &sentence);
            }
            said = sentence;
            cause = error.source();
        }
        if let Some(help) = &self.help {
            line("  help: ", help);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_has_sentence_causes_and_fix_in_this_order() {
        let cause = Error::new("cannot open `x\u{1b}[2J`").caused_by(std::io::Error::other("disk on fire"));
        let error = Error::new("the run cannot be shown").caused_by(cause).help("run compare again");
        let expected = "error: the run cannot be shown\n  because: cannot open `x\\x1b[2J`\n  because: disk on \
                        fire\n  help: run compare again\n";
        assert_eq!(error.report(), expected);
    }

    #[test]
    fn a_cause_that_repeats_its_parent_is_said_once() {
        let error = Error::new("disk on fire").caused_by(std::io::Error::other("disk on fire"));
        assert_eq!(error.report(), "error: disk on fire\n");
    }
}
