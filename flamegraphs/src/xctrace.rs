//! Samples of Apple's Instruments, as `xcrun xctrace export --xpath …/table[@schema="time-profile"]` prints them.

use std::io::{BufRead, Cursor};

use inferno::collapse::Collapse;
use inferno::collapse::xctrace::Folder;

use crate::{Error, Folded};

impl Folded {
    /// Reads the XML of an exported time profile: one `row` a sample, its `backtrace` from the innermost frame outwards,
    /// backtraces and frames that were written before named by `ref`. Weights are samples.
    ///
    /// # Errors
    /// [`Error::Xctrace`] where it is no such XML or cut off, [`Error::NoSamples`] where it holds none.
    pub fn from_xctrace(mut export: impl BufRead) -> Result<Self, Error> {
        let mut text = String::new();
        export.read_to_string(&mut text).map_err(Error::Xctrace)?;
        // The folder takes the end of a cut file for the end of the export.
        if !text.trim_end().ends_with("</trace-query-result>") {
            let why = "its end is missing";
            return Err(Error::Xctrace(std::io::Error::other(why)));
        }
        let mut folded = Vec::new();
        let mut folder = Folder::default();
        folder
            .collapse(Cursor::new(text), &mut folded)
            .map_err(Error::Xctrace)?;
        let folded = Self::parse(&String::from_utf8_lossy(&folded))?;
        if folded.total() == 0 {
            return Err(Error::NoSamples);
        }
        Ok(folded)
    }
}
