//! The assignment of wrappers to functions: one per routine, integer width and original.

use super::wrappers::{COPIES, INSTANCES, WIDTHS, WRAPPERS};
use crate::{platform, sites};
use raptors_recording::{Site, SiteKind};
use raptors_routines::{CATALOGUE, Mangling, Routine, Width, library_width, parse_symbol};
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Held while a wrapper is assigned. The holder never calls the dynamic loader: a thread that loads a library may be
/// waiting for this lock inside `dlsym`.
static ASSIGNING: Mutex<()> = Mutex::new(());

/// Whether a symbol names a routine of the catalogue.
pub(super) fn is_routine(symbol: &str) -> bool {
    parse_symbol(symbol).is_some()
}

/// Whether an address is one of the wrappers.
pub(super) fn is_wrapper(address: usize) -> bool {
    static ALL: LazyLock<HashSet<usize>> = LazyLock::new(|| WRAPPERS.iter().flatten().map(|w| w.address()).collect());
    ALL.contains(&address)
}

/// The wrapper's address for the function at `original` in the file `library`, to which `symbol` leads.
pub(super) fn wrapper(symbol: &str, original: usize, library: &str) -> Result<usize, String> {
    let (routine, width, mangling) = parse_symbol(symbol).ok_or("it is not in the catalogue")?;
    if let Some(hazard) = routine.abi_hazard(mangling, platform::TARGET) {
        return Err(hazard.into());
    }
    let width = match mangling {
        Mangling::Plain | Mangling::Underscore => library_width(library).unwrap_or(width),
        _ => width,
    };
    let row = row(routine, width);
    let _assigning = ASSIGNING.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = INSTANCES[row]
        .iter()
        .position(|i| i.serves(original, width) || i.is_free())
        .ok_or_else(|| format!("{COPIES} other functions of this name are observed already"))?;
    let instance = &INSTANCES[row][copy];
    if instance.is_free() {
        instance.assign(original, width, site(routine, width, symbol, library));
    }
    Ok(WRAPPERS[row][copy].address())
}

/// The row of the tables that serves a routine in one width.
fn row(routine: &'static Routine, width: Width) -> usize {
    let index = CATALOGUE
        .binary_search_by(|r| r.name.cmp(routine.name))
        .expect("the catalogue is sorted by name, and it came from there");
    let variant = WIDTHS.iter().position(|w| *w == Some(width)).unwrap_or(0);
    index * WIDTHS.len() + variant
}

fn site(routine: &Routine, width: Width, symbol: &str, library: &str) -> u32 {
    sites::add(Site {
        kind: SiteKind::Routine,
        name: routine.name.to_owned(),
        symbol: Some(symbol.to_owned()),
        module: Some(library.to_owned()),
        width: Some(width.bits()),
        ..Site::default()
    })
}

/// The lock of assigning, for the test that nothing waits for it.
#[cfg(test)]
pub(super) fn test_lock() -> impl Sized {
    ASSIGNING.lock().unwrap_or_else(PoisonError::into_inner)
}
