//! `raptors-trace explain`: its result printed.

use super::options::OutputOptions;
use super::{end, judge, print, print_json, terminal, text_options};
use crate::error::Error;
use crate::explain::{self, Options};
use crate::report::{self, Part};

/// Does it and prints what came of it.
///
/// # Errors
/// Those of [`explain::explain`], and those of a comparison.
pub fn execute(options: &Options, output: &OutputOptions) -> Result<(), Error> {
    let outcome = explain::explain(options, &mut terminal::Bar::new(output.quiet))?;
    let comparison = &outcome.comparison;
    if output.json {
        print_json(comparison)?;
    } else {
        let looks = text_options(Part::All, output);
        print(&report::explain::text(comparison, &looks))?;
    }
    end(judge(comparison), outcome.failure)
}
