//! `raptors-trace flamegraph`: the pictures made, and what they show told.

use std::path::PathBuf;

use raptors_flamegraphs::Format;

use super::options::{OutputOptions, Source};
use super::{end, judge, print, print_json, terminal, text_options};
use crate::analysis;
use crate::analysis::flamegraph;
use crate::model::error::Error;
use crate::run::outside;
use crate::run::{self, Outcome};
use crate::views::{self, Part};

/// What is to be drawn, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// A new run, or a saved one.
    pub source: Source,
    /// Where the files go.
    pub directory: PathBuf,
    /// Files for other tools.
    pub formats: Vec<Format>,
    /// The command line, program name first.
    pub command: Vec<String>,
}

/// Samples or reads, draws, and tells.
///
/// # Errors
/// Those of [`run::compare`] and [`flamegraph::draw`].
pub fn execute(options: &Options, output: &OutputOptions) -> Result<(), Error> {
    // Before a minute of sampling, not after it.
    flamegraph::check(&options.directory)?;
    let outcome = match &options.source {
        Source::File { path, .. } if outside::is_text(path) => {
            let options = outside::Options {
                subject: outside::Subject::File(path.clone()),
                engine: outside::Engine::default(),
                frequency: 0,
                directory: options.directory.clone(),
                formats: options.formats.clone(),
                command: options.command.clone(),
                aside: false,
            };
            return super::outside::execute(&options, output);
        }
        Source::File { path, lossy } => {
            let (comparison, samples) = analysis::read_sampled(path, *lossy)?;
            Outcome { comparison, timings: Vec::new(), samples, failure: None }
        }
        Source::Run(options) => run::compare(options, &mut terminal::Bar::new(output.quiet))?,
    };
    let Outcome { comparison, samples, failure, .. } = outcome;
    let drawn = flamegraph::draw(&comparison, &samples, &options.directory, &options.formats)?;
    if output.json {
        print_json(&drawn)?;
    } else {
        let text = views::flamegraph::text(&drawn, &text_options(Part::Phases, output));
        print(&text)?;
    }
    end(judge(&comparison), failure)
}
