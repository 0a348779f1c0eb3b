//! `raptors-trace explain`: its result printed, and written as documents.

use super::options::{Documents, OutputOptions};
use super::{documents, end, judge, print, print_json, terminal, text_options, worse};
use crate::explain::{self, Options};
use crate::model::error::Error;
use crate::views::{self, Part};

/// Does it and prints what came of it.
///
/// # Errors
/// Those of [`explain::explain`], those of a comparison, and a document that cannot be written.
pub fn execute(options: &Options, asked: &Documents, output: &OutputOptions) -> Result<(), Error> {
    documents::check(asked)?;
    let outcome = explain::explain(options, &mut terminal::Bar::new(output.quiet))?;
    let comparison = &outcome.comparison;
    if output.json {
        print_json(comparison)?;
    } else {
        let looks = text_options(Part::All, output);
        print(&views::explain::text(comparison, &looks))?;
    }
    let written = documents::write(asked, comparison, &outcome.samples);
    end(judge(comparison), worse(written, outcome.failure))
}
