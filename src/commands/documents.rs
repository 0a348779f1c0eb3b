//! `--html` and `--md`: the result as documents, in addition to the terminal's output.

use std::path::PathBuf;

use super::command::conflict;
use crate::analysis::CaseSamples;
use crate::machine::files;
use crate::model::comparison::Comparison;
use crate::model::error::Error;
use crate::model::tool::Engine;
use crate::run::options::Sampling;
use crate::views::{html, markdown};

/// The requested samples for each second of CPU time; the system's timer gives fewer.
pub const FREQUENCY: u32 = 997;

/// Files with the whole result.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[group(id = "documents", multiple = true)]
pub struct Documents {
    /// Also write the result as one HTML file with charts, tables and flamegraphs
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Also write the result as Markdown for a pull request
    #[arg(long, value_name = "FILE")]
    pub md: Option<PathBuf>,
}

impl Documents {
    /// Checks the names.
    ///
    /// # Errors
    /// Two documents of one name.
    pub fn check(self) -> Result<Self, clap::Error> {
        if self.html.is_some() && self.html == self.md {
            return conflict("--html and --md name the same file; give them different ones");
        }
        Ok(self)
    }

    /// The sampling for the page's flamegraphs, if a page is requested.
    pub fn sampling(&self) -> Option<Sampling> {
        self.html.as_ref()?;
        Some(Sampling { engine: Engine::Inprocess, frequency: FREQUENCY })
    }

    /// Checks that the files can be written.
    ///
    /// # Errors
    /// A sentence with the file that cannot be written.
    pub fn check_writable(&self) -> Result<(), Error> {
        let named = [("--html", &self.html), ("--md", &self.md)];
        for (option, path) in named {
            let Some(path) = path else { continue };
            files::check_file(path)
                .map_err(|error| error.or_help(format!("name a file in a writable directory with {option}")))?;
        }
        Ok(())
    }

    /// Writes the requested documents.
    ///
    /// # Errors
    /// A sentence with the file that could not be written.
    pub fn write(&self, comparison: &Comparison, samples: &[CaseSamples]) -> Result<(), Error> {
        if let Some(path) = &self.html {
            files::write_whole(path, html::page(comparison, samples)?)?;
        }
        if let Some(path) = &self.md {
            files::write_whole(path, markdown::text(comparison))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_told_before_anything_runs() {
        let place = tempfile::tempdir().unwrap();
        let checked = |path: PathBuf| Documents { html: None, md: Some(path) }.check_writable();
        assert!(checked(place.path().join("new.md")).is_ok());
        for path in [place.path().to_owned(), place.path().join("no/new.md")] {
            let error = checked(path).unwrap_err();
            assert!(error.to_string().ends_with("cannot be written"), "{error}");
            assert!(error.help_text().unwrap().ends_with("with --md"));
        }
        assert!(!place.path().join("new.md").exists(), "checking leaves nothing");
    }

    #[test]
    fn two_documents_have_two_names() {
        let named = |html: &str, md: &str| Documents { html: Some(html.into()), md: Some(md.into()) };
        assert!(named("x", "x").check().is_err());
        assert!(named("x.html", "x.md").check().is_ok());
    }
}
