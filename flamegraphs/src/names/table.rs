//! Names from the caller.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// The number of names of one function that are shown.
const SHOWN: usize = 2;

/// Names of functions that no file contains: module, offset of the function's start, name. For instance, NumPy's inner
/// loops, whose addresses are in the ufuncs, become `np.multiply[ff->f]`.
#[derive(Clone, Debug, Default)]
pub struct Table {
    modules: HashMap<String, BTreeMap<u64, Vec<String>>>,
}

impl Table {
    /// Names the function that starts `offset` bytes after the load address of `module`, a path. A function may have
    /// several names.
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
