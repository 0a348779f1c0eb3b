//! The wrappers themselves, generated from the catalogue: one function per routine, compiled once per copy.

use super::call::{Instance, finish, load};
use crate::operands::{Memory, alias, count, step};
use crate::record::Running;
use raptors_recording::{Alias, Aliasing, Alignments, Encoded, RoutineCall};
use raptors_routines::Width;

/// A wrapper's address, in its own type until it is stored in a slot.
#[derive(Clone, Copy)]
pub(super) struct Wrapper(*const ());

// SAFETY: the address of a function, which is valid on every thread.
unsafe impl Sync for Wrapper {}

impl Wrapper {
    pub(super) fn address(self) -> usize {
        self.0 as usize
    }
}

include!(concat!(env!("OUT_DIR"), "/wrappers.rs"));
