//! A span around each round of the driver, for `RAPTORS_SIGNPOSTS` and `RAPTORS_LOG`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use raptors_signposts::{Round, Side};
use raptors_trace::analysis::RoundKind;
use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;

/// What a case and its sides are called.
struct Names {
    case: String,
    sides: [String; 2],
}

static NAMES: Mutex<Option<HashMap<u32, Names>>> = Mutex::new(None);

thread_local! {
    /// The span of the round that this thread runs.
    static OPEN: RefCell<Option<EnteredSpan>> = const { RefCell::new(None) };
}

/// Says what the case of that number and its two sides are called, for whoever watches the rounds.
#[pyfunction]
pub fn name_case(index: u32, case: String, a: String, b: String) {
    // Its end has to be found again in a message.
    let case = case.replace(" name=", " ");
    let sides = [a, b];
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_default().insert(index, Names { case, sides });
}

/// A round begins on this thread. With nobody listening it is one load and one comparison.
pub fn begin(case: u32, side: u32, kind: u32, ops: u64) {
    if LevelFilter::current() < LevelFilter::INFO {
        return;
    }
    let kind = RoundKind::from_code(kind.into()).map_or("unknown", RoundKind::as_str);
    let side = if side == 0 { Side::A } else { Side::B };
    let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let named = names.as_ref().and_then(|names| names.get(&case));
    let round = Round {
        ops,
        kind,
        case: named.map_or("", |named| &named.case),
        name: named.map_or("", |named| &named.sides[side as usize]),
    };
    let span = round.span(side);
    drop(names);
    OPEN.with_borrow_mut(|open| {
        // One that a raising statement left open ends before the next begins.
        *open = None;
        *open = Some(span.entered());
    });
}

/// The round ends that was begun on this thread; nothing where none was.
pub fn end() {
    OPEN.with_borrow_mut(|open| *open = None);
}
