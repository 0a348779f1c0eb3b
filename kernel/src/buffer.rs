//! Owned memory of a result.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::recycle::{self, Block, LARGE};
use crate::{Error, trace};

/// What the memory's start is aligned to, in bytes: a cache line and the widest vector.
pub const ALIGNMENT: usize = 64;

/// A store whose address lies less than this many bytes above that of a later load, in the bits within a page, is taken
/// by the CPU for one the load has to wait for ("4K aliasing"): up to 1.4 times the time of an operation on the
/// machine of docs/performance.md.
const ALIASING: usize = 512;

/// What the CPU compares of two addresses to tell whether they may be the same.
const ALIAS_PERIOD: usize = 4096;

/// From this size on, in bytes, the start is chosen so that it does not alias with the source.
const PLACED_FROM: usize = 8 << 10;

/// Elements in memory of their own, aligned to [`ALIGNMENT`] bytes.
///
/// Large ones, from 128 KiB on, get the memory of a dropped result of about that size where there is one, which has its
/// pages already, else fresh memory of the system; from 4 MiB on with the advice to use huge pages, as NumPy advises
/// its own (Linux). How much is kept idle `RAPTORS_BUFFER_CACHE` says (see the crate's documentation). Smaller ones
/// come from the C library's `malloc`. With `RAPTORS_ALLOC=plain` all do, without alignment and advice. Making and
/// dropping one fires `alloc-*` and `free-*`.
#[derive(Debug)]
pub struct Buffer<T> {
    data: NonNull<T>,
    len: usize,
    /// Where the memory starts, at or before `data`.
    base: NonNull<u8>,
    /// Bytes of a [`Block`]; 0 where `base` is what `malloc` gave. A number and no enum: this is moved several times
    /// on the way of the smallest call.
    capacity: usize,
}

// SAFETY: it owns its elements and nothing else, as Vec does; free may be called on any thread.
unsafe impl<T: Send> Send for Buffer<T> {}
// SAFETY: a shared Buffer gives shared access to its elements only.
unsafe impl<T: Sync> Sync for Buffer<T> {}

impl<T: Copy> Buffer<MaybeUninit<T>> {
    /// Memory for `len` elements, not yet written. Fails with [`Error::OutOfMemory`], or
    /// [`Error::Environment`] for a bad `RAPTORS_ALLOC` or `RAPTORS_BUFFER_CACHE`.
    pub fn uninit(len: usize) -> Result<Self, Error> {
        Self::uninit_for(len, std::ptr::null())
    }

    /// As [`Buffer::uninit`], for the result of one pass over the elements at `source`: where its start lies within
    /// a page is chosen by where the source's does. Null chooses nothing.
    pub fn uninit_for(len: usize, source: *const T) -> Result<Self, Error> {
        let plain = plain()?;
        let too_large = || Error::OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) };
        let bytes = len
            .checked_mul(size_of::<T>())
            .filter(|b| *b <= isize::MAX as usize - ALIGNMENT - ALIASING)
            .ok_or_else(too_large)?;
        let mut traced = trace::Alloc::new(bytes);
        let source = if bytes < PLACED_FROM { 0 } else { source as usize };
        let (start, capacity): (NonNull<u8>, usize) = if plain || bytes < LARGE {
            let slack = match (plain, source) {
                (true, _) => 0,
                (false, 0) => ALIGNMENT,
                (false, _) => ALIGNMENT + ALIASING,
            };
            // SAFETY: malloc takes any size; at least one byte, so that a null pointer means no memory.
            let base = unsafe { libc::malloc((bytes + slack).max(1)) };
            let base = NonNull::new(base).ok_or_else(too_large)?;
            (base.cast(), 0)
        } else {
            recycle::limit()?;
            // A block starts with a page, so only then is there anything to move away from.
            let moved = if offset(0, source) > 0 { ALIASING } else { 0 };
            let (block, recycled) = Block::take(bytes + moved).ok_or_else(too_large)?;
            traced.recycled = recycled;
            block.into_parts()
        };
        // SAFETY: `offset` is at most what was added to the bytes above. A plain block has malloc's own alignment,
        // which is enough for any scalar type.
        let data = unsafe { start.byte_add(if plain { 0 } else { offset(start.as_ptr() as usize, source) }) };
        traced.data = data.as_ptr() as usize;
        Ok(Buffer { data: data.cast(), len, base: start, capacity })
    }

    /// The same memory as elements.
    ///
    /// # Safety
    /// Every element has been written.
    pub unsafe fn assume_init(self) -> Buffer<T> {
        let this = ManuallyDrop::new(self);
        Buffer { data: this.data.cast(), len: this.len, base: this.base, capacity: this.capacity }
    }
}

/// Bytes from `start` to where a result begins: the next multiple of [`ALIGNMENT`] that does not alias with a source at
/// `source` (0: none), under [`ALIGNMENT`] + [`ALIASING`].
fn offset(start: usize, source: usize) -> usize {
    let aligned = start.wrapping_neg() % ALIGNMENT;
    let above = (start + aligned).wrapping_sub(source) % ALIAS_PERIOD;
    if source == 0 || above == 0 || above >= ALIASING {
        aligned
    } else {
        aligned + (ALIASING - above).next_multiple_of(ALIGNMENT)
    }
}

impl<T: Copy> Buffer<T> {
    /// A copy of a slice. Fails as [`Buffer::uninit`] does.
    pub fn from_slice(source: &[T]) -> Result<Self, Error> {
        let mut memory = Buffer::<MaybeUninit<T>>::uninit(source.len())?;
        // SAFETY: both have `len` elements, and fresh memory overlaps no other.
        unsafe {
            let to: *mut T = memory.as_mut_ptr().cast();
            to.copy_from_nonoverlapping(source.as_ptr(), source.len());
        }
        // SAFETY: every element was copied above.
        Ok(unsafe { memory.assume_init() })
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `data` points at `len` elements of T, owned by self and initialised
        // (MaybeUninit until `assume_init`).
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; &mut self makes the access the only one.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        let _traced = trace::Free::new(self.data.as_ptr() as usize, self.len * size_of::<T>());
        // The elements are Copy (see the constructors), so there is nothing to drop.
        match self.capacity {
            // SAFETY: it came from malloc in `uninit_for` and is freed once, here.
            0 => unsafe { libc::free(self.base.as_ptr().cast()) },
            // SAFETY: the parts of a block that `uninit_for` took, made a block again once, here.
            capacity => unsafe { Block::from_parts(self.base, capacity) }.recycle(),
        }
    }
}

/// Whether `RAPTORS_ALLOC` asks for plain memory; read once.
fn plain() -> Result<bool, Error> {
    static PLAIN: OnceLock<Result<bool, Error>> = OnceLock::new();
    match PLAIN.get_or_init(|| parse(std::env::var_os("RAPTORS_ALLOC").as_deref())) {
        Ok(plain) => Ok(*plain),
        Err(error) => Err(error.clone()),
    }
}

fn parse(value: Option<&std::ffi::OsStr>) -> Result<bool, Error> {
    match value.map(|value| value.to_string_lossy()).as_deref() {
        None | Some("" | "advised") => Ok(false),
        Some("plain") => Ok(true),
        Some(other) => Err(Error::Environment {
            variable: "RAPTORS_ALLOC",
            why: format!("{other:?} is given; plain and advised (the default) are taken"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_starts_aligned_and_does_not_alias_with_its_source() {
        for start in (0x10000..0x12000).step_by(16) {
            assert!(offset(start, 0) < ALIGNMENT);
            for source in (0x7000..0x9000).step_by(8) {
                let chosen = start + offset(start, source);
                let above = (chosen - source) % ALIAS_PERIOD;
                assert_eq!(chosen % ALIGNMENT, 0);
                assert!(above == 0 || above >= ALIASING, "{start:#x} {source:#x}");
                assert!(chosen - start < ALIGNMENT + ALIASING);
            }
        }
    }
}
