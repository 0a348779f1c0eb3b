//! Names that the caller knows.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// At most so many names of one function are written out.
const SHOWN: usize = 2;

/// Names of functions that no file tells: module, offset of the function's start, name. NumPy's inner
/// loops for instance, whose addresses lie in the ufuncs, are `np.multiply[ff->f]` then.
#[derive(Clone, Debug, Default)]
pub struct Table {
    modules: HashMap<String, BTreeMap<u64, Vec<String>>>,
}

impl Table {
    /// Names the function that starts `offset` bytes after where `module`, a path, was loaded. A function
    /// may have several names.
    pub fn insert(&mut self, module: &str, offset: u64, name: &str) {
        let functions = self.modules.entry(module.to_owned()).or_default();
        let names = functions.entry(offset).or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }

    /// The name of the function with this range; without a range, of the one that starts at `offset`.
    pub(super) fn find(&self, module: &str, offset: u64, function: Option<&Range<u64>>) -> Option<String> {
        let start = function.map_or(offset, |function| function.start);
        let names = self.modules.get(module)?.get(&start)?;
        let mut text = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(" or ");
        if let more @ 1.. = names.len().saturating_sub(SHOWN) {
            text.push_str(&format!(" or {more} more"));
        }
        Some(text)
    }
}
