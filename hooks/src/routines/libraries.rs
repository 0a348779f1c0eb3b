//! The file of an address, for thousands of addresses: the loader's own answer walks a library's symbols.

use crate::platform::{self, Image};
use std::ops::Range;

/// The address ranges of the loaded files, as of one scan.
pub(super) struct Libraries {
    /// In order, without overlap.
    places: Vec<(Range<usize>, String)>,
}

impl Libraries {
    pub(super) fn new(images: &[Image]) -> Self {
        // The program's image does not contain its name.
        let named = images.iter().filter(|i| !i.path.is_empty());
        let mut places: Vec<_> = named.map(|i| (i.span(), i.path.clone())).collect();
        places.sort_by_key(|(range, _)| range.start);
        Libraries { places }
    }

    /// The file that contains an address; empty if there is none.
    pub(super) fn of(&self, address: usize) -> String {
        let after = self.places.partition_point(|(range, _)| range.start <= address);
        let before = after.checked_sub(1).map(|at| &self.places[at]);
        match before.filter(|(range, _)| range.contains(&address)) {
            Some((_, path)) => path.clone(),
            None => platform::module_of(address).map(|m| m.path).unwrap_or_default(),
        }
    }
}
