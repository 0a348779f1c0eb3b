//! `--html` and `--md`: the result as documents that people pass around, besides what is printed.

use std::path::{Path, PathBuf};

use super::args::conflict;
use super::options::{CompareOptions, Documents, SampledBy, Sampling, Source};
use crate::analysis::CaseSamples;
use crate::machine::files;
use crate::model::comparison::Comparison;
use crate::model::error::Error;
use crate::run::DEFAULT_TIME;
use crate::views::{html, markdown};

/// Samples for each second of CPU time that are asked for; the system's timer gives fewer.
const FREQUENCY: u32 = 997;

#[derive(Debug, Default, clap::Args)]
#[group(id = "documents", multiple = true)]
pub struct Args {
    /// Write the result as a page to pass around as well: one file with charts, tables and flamegraphs
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the result as Markdown for a pull request as well
    #[arg(long, value_name = "FILE")]
    md: Option<PathBuf>,
}

impl Args {
    /// The documents, and the source, which is sampled where a page is to have flamegraphs.
    pub fn with(self, mut source: Source) -> Result<(Documents, Source), clap::Error> {
        let documents = self.into_options()?;
        if let Source::Run(options) = &mut source {
            options.sampling = sampling(&documents, options);
        }
        Ok((documents, source))
    }

    pub fn into_options(self) -> Result<Documents, clap::Error> {
        if self.html.is_some() && self.html == self.md {
            return conflict("--html and --md name the same file; give them different ones");
        }
        Ok(Documents { html: self.html, markdown: self.md })
    }
}

/// How stacks are sampled for the page's flamegraphs, where a page is asked for: after each operation's timing, for as long as
/// it was timed.
fn sampling(documents: &Documents, options: &CompareOptions) -> Option<Sampling> {
    documents.html.as_ref()?;
    Some(Sampling {
        engine: SampledBy::Inprocess,
        frequency: FREQUENCY,
        time: options.time.unwrap_or(DEFAULT_TIME),
        alone: false,
    })
}

/// Whether the files can be written where they are to be.
///
/// # Errors
/// A sentence with the file, where one cannot.
pub fn check(documents: &Documents) -> Result<(), Error> {
    let named = [("--html", &documents.html), ("--md", &documents.markdown)];
    for (option, path) in named {
        let Some(path) = path else { continue };
        let unwritable = |error: std::io::Error| {
            Error::new(format!("{} cannot be written", path.display()))
                .caused_by(error)
                .help(format!("name a file in a directory that can be written to with {option}"))
        };
        if path.is_dir() {
            return Err(unwritable(std::io::ErrorKind::IsADirectory.into()));
        }
        // What is there already, a device say, is opened when it is written.
        if !path.exists() {
            let probe = tempfile::tempfile_in(files::directory_of(path));
            probe.map_err(unwritable)?;
        }
    }
    Ok(())
}

/// Writes what is asked for.
///
/// # Errors
/// A sentence with the file that could not be written.
pub fn write(documents: &Documents, comparison: &Comparison, samples: &[CaseSamples]) -> Result<(), Error> {
    let write = |path: &Path, text: String| files::write_whole(path, text);
    if let Some(path) = &documents.html {
        write(path, html::page(comparison, samples)?)?;
    }
    if let Some(path) = &documents.markdown {
        write(path, markdown::text(comparison))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_told_before_anything_runs() {
        let place = tempfile::tempdir().unwrap();
        let checked = |path: PathBuf| check(&Documents { html: None, markdown: Some(path) });
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
        let named = |html: &str, md: &str| Args { html: Some(html.into()), md: Some(md.into()) };
        assert!(named("x", "x").into_options().is_err());
        assert!(named("x.html", "x.md").into_options().is_ok());
    }
}
