//! Owned memory for a result.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::recycle::{self, Block, LARGE};
use crate::{Error, trace};

/// The alignment of the memory's start, in bytes: a cache line and the widest vector.
pub const ALIGNMENT: usize = 64;

/// A load waits for an earlier store if the store's address is less than this many bytes above the load's in the bits
/// within a page ("4K aliasing"): up to 1.4 times the time of an operation on the machine of docs/performance.md.
const ALIASING: usize = 512;

/// The part of two addresses that the CPU compares to decide whether they may be equal.
const ALIAS_PERIOD: usize = 4096;

/// From this size on, in bytes, the start is chosen so that it does not alias with the source.
const PLACED_FROM: usize = 8 << 10;

/// Elements in their own memory, aligned to [`ALIGNMENT`] bytes.
///
/// Large buffers, from 128 KiB on, reuse the memory of a dropped result of about that size if there is one, because its
/// pages are already mapped; otherwise they get fresh memory from the system. From 4 MiB on they advise the system to
/// use huge pages, as NumPy does (Linux). `RAPTORS_BUFFER_CACHE` limits the idle memory (see the crate's
/// documentation). Smaller buffers come from the C library's `malloc`. With `RAPTORS_ALLOC=plain` all do, without
/// alignment and advice. Making and dropping a buffer fires `alloc-*` and `free-*`.
#[derive(Debug)]
pub struct Buffer<T> {
    data: NonNull<T>,
    len: usize,
    /// The start of the memory, at or before `data`.
    base: NonNull<u8>,
    /// Bytes of a [`Block`]; 0 if `base` came from `malloc`. A number instead of an enum, because the smallest call
    /// moves it several times.
    capacity: usize,
}

// SAFETY: it owns only its elements, as Vec does; any thread may call free.
unsafe impl<T: Send> Send for Buffer<T> {}
// SAFETY: a shared Buffer gives shared access to its elements only.
unsafe impl<T: Sync> Sync for Buffer<T> {}

impl<T: Copy> Buffer<MaybeUninit<T>> {
    /// Memory for `len` elements, not yet written. Fails with [`Error::OutOfMemory`], or
    /// [`Error::Environment`] for a bad `RAPTORS_ALLOC` or `RAPTORS_BUFFER_CACHE`.
    pub fn uninit(len: usize) -> Result<Self, Error> {
        Self::uninit_for(len, std::ptr::null())
    }

    /// As [`Buffer::uninit`], for the result of one pass over the elements at `source`: the source's offset within a
    /// page determines the result's. Null means no source.
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
            // A block starts at a page boundary, so only a source with an offset can alias with it.
            let moved = if offset(0, source) > 0 { ALIASING } else { 0 };
            let (block, recycled) = Block::take(bytes + moved).ok_or_else(too_large)?;
            traced.recycled = recycled;
            block.into_parts()
        };
        // SAFETY: `offset` is at most the number of bytes added above. A plain block has malloc's own alignment, which
        // is enough for any scalar type.
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

/// Bytes from `start` to the beginning of a result: the next multiple of [`ALIGNMENT`] that does not alias with a
/// source at `source` (0: none), less than [`ALIGNMENT`] + [`ALIASING`].
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
            // SAFETY: `uninit_for` took these parts from a block; this makes them a block again, once.
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
