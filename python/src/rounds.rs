//! A span around each round of the driver, for `RAPTORS_SIGNPOSTS` and `RAPTORS_LOG`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use raptors_recording::Mark;
use raptors_signposts::{Round, Side};
use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;

/// The names of a case and its sides.
struct Names {
    case: String,
    sides: [String; 2],
}

static NAMES: Mutex<Option<HashMap<u32, Names>>> = Mutex::new(None);

thread_local! {
    /// The span of the round that this thread runs.
    static OPEN: RefCell<Option<EnteredSpan>> = const { RefCell::new(None) };
}

/// Sets the names of a case and its two sides, for tools that watch the rounds.
#[pyfunction]
pub fn name_case(index: u32, case: String, a: String, b: String) {
    // The reader must be able to find its end in a message.
    let case = case.replace(" name=", " ");
    let sides = [a, b];
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_default().insert(index, Names { case, sides });
}

/// Begins a round on this thread. Without a listener it is one load and one comparison.
pub fn begin(Mark { case, side, kind, ops, .. }: Mark) {
    if LevelFilter::current() < LevelFilter::INFO {
        return;
    }
    let side = if side == 0 { Side::A } else { Side::B };
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let named = names.as_ref().and_then(|names| names.get(&case));
    let round = Round {
        ops,
        kind: kind.as_str(),
        case: named.map_or("", |named| &named.case),
        name: named.map_or("", |named| &named.sides[side as usize]),
    };
    let span = round.span(side);
    drop(names);
    OPEN.with_borrow_mut(|open| {
        // A round that a raising statement left open ends before the next one begins.
        *open = None;
        *open = Some(span.entered());
    });
}

/// Ends the round of this thread, if there is one.
pub fn end() {
    OPEN.with_borrow_mut(|open| *open = None);
}
