//! `raptors-trace calls --pid`: the calls of a process that runs, printed.

use super::options::OutputOptions;
use super::{print, print_json, terminal, text_options};
use crate::model::error::Error;
use crate::tracers::live;
use crate::views::{self, Part};

/// Watches and prints.
///
/// # Errors
/// Those of [`live::watch`].
pub fn execute(options: &live::Options, output: &OutputOptions) -> Result<(), Error> {
    let live = live::watch(options, &mut terminal::Bar::new(output.quiet))?;
    if output.json {
        return print_json(&live);
    }
    print(&views::live::text(&live, &text_options(Part::Calls, output)))
}
