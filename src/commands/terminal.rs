//! The terminal's abilities: its width, colour, characters; and the progress on it.

use std::ffi::OsStr;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::machine::platform;
use crate::model::progress::Progress;

/// The default number of columns.
const WIDTH_UNKNOWN: usize = 110;

/// Columns of standard output: `COLUMNS`, else the terminal's width.
pub fn width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok()).filter(|&n| n > 0);
    let real = || terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    asked.or_else(real).unwrap_or(WIDTH_UNKNOWN)
}

/// Whether standard output takes colour, by `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM` and whether it is a
/// terminal.
pub fn color() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// Whether the locale's encoding is UTF-8.
pub fn unicode() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    match set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")) {
        Some(locale) => is_utf8(&locale),
        None => platform::UTF8_BY_DEFAULT,
    }
}

fn is_utf8(locale: &OsStr) -> bool {
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Progress on standard error if that is a terminal, else nothing; notes in both cases.
pub struct Bar {
    bar: ProgressBar,
    quiet: bool,
}

impl Bar {
    /// A bar, or one that shows nothing.
    pub fn new(quiet: bool) -> Self {
        const STEPS: u64 = 1000;
        let seen = !quiet && std::io::stderr().is_terminal();
        let target = if seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(STEPS), target);
        let look = if unicode() {
            ("{elapsed:>4} ▕{bar:24}▏ {percent:>3} %  {msg}", "█▉▊▋▌▍▎▏ ")
        } else {
            ("{elapsed:>4} [{bar:24}] {percent:>3} %  {msg}", "#>-")
        };
        if let Ok(style) = ProgressStyle::with_template(look.0) {
            bar.set_style(style.progress_chars(look.1));
        }
        Self { bar, quiet }
    }
}

impl Progress for Bar {
    fn update(&mut self, fraction: f64, text: &str) {
        let length = self.bar.length().unwrap_or(0) as f64;
        self.bar.set_position((fraction.clamp(0.0, 1.0) * length) as u64);
        self.bar.set_message(crate::model::text::escape(text));
    }

    fn announce(&mut self, text: &str) {
        let text = crate::model::text::escape(text);
        self.bar.suspend(|| anstream::eprintln!("{text}"));
    }

    fn note(&mut self, text: &str) {
        if !self.quiet {
            let text = crate::model::text::escape(text);
            self.bar.suspend(|| eprintln!("note: {text}"));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_told_from_the_locale() {
        assert!(is_utf8("C.UTF-8".as_ref()) && is_utf8("de_CH.utf8".as_ref()));
        assert!(!is_utf8("C".as_ref()) && !is_utf8("de_CH.ISO-8859-1".as_ref()));
    }
}
