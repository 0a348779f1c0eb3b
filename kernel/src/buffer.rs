//! Owned memory of a result.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::{Error, platform, trace};

/// What the memory's start is aligned to, in bytes: a cache line and the widest vector.
pub const ALIGNMENT: usize = 64;

/// From this size on, in bytes, huge pages are asked for: the size from which NumPy asks.
const ADVISED_FROM: usize = 1 << 22;

/// Elements in memory of their own, aligned to [`ALIGNMENT`] bytes.
///
/// The memory comes from the C library's `malloc`, as NumPy's does: glibc keeps a freed block for the
/// next result of that size instead of returning its pages each time. Blocks of 4 MiB or more are
/// advised to use huge pages, as NumPy advises its own (Linux). `RAPTORS_ALLOC=plain` leaves out
/// alignment and advice. Making and dropping one fires `alloc-*` and `free-*`.
#[derive(Debug)]
pub struct Buffer<T> {
    data: NonNull<T>,
    /// What `malloc` gave, at or before `data`.
    base: NonNull<libc::c_void>,
    len: usize,
}

// SAFETY: it owns its elements and nothing else, as Vec does; free may be called on any thread.
unsafe impl<T: Send> Send for Buffer<T> {}
// SAFETY: a shared Buffer gives shared access to its elements only.
unsafe impl<T: Sync> Sync for Buffer<T> {}

impl<T: Copy> Buffer<MaybeUninit<T>> {
    /// Memory for `len` elements, not yet written. Fails with [`Error::OutOfMemory`], or
    /// [`Error::Environment`] for a bad `RAPTORS_ALLOC`.
    pub fn uninit(len: usize) -> Result<Self, Error> {
        let plain = plain()?;
        let too_large = Error::OutOfMemory {
            bytes: len.saturating_mul(size_of::<T>()),
        };
        let bytes = len
            .checked_mul(size_of::<T>())
            .filter(|b| *b <= isize::MAX as usize - ALIGNMENT);
        let bytes = bytes.ok_or_else(|| too_large.clone())?;
        let mut traced = trace::Alloc::new(bytes);
        let slack = if plain { 0 } else { ALIGNMENT };
        // SAFETY: malloc takes any size; at least one byte, so that a null pointer means no memory.
        let base = unsafe { libc::malloc((bytes + slack).max(1)) };
        let base = NonNull::new(base).ok_or(too_large)?;
        // SAFETY: the offset to the next multiple of 64 is under the 64 bytes added above. A plain
        // block has malloc's own alignment, which is enough for any scalar type.
        let data = unsafe {
            base.byte_add(if plain {
                0
            } else {
                base.align_offset_to(ALIGNMENT)
            })
        };
        if !plain && bytes >= ADVISED_FROM {
            platform::advise_huge_pages(data.as_ptr().cast(), bytes);
        }
        traced.data = data.as_ptr() as usize;
        Ok(Buffer {
            data: data.cast(),
            base,
            len,
        })
    }

    /// The same memory as elements.
    ///
    /// # Safety
    /// Every element has been written.
    pub unsafe fn assume_init(self) -> Buffer<T> {
        let this = ManuallyDrop::new(self);
        Buffer {
            data: this.data.cast(),
            base: this.base,
            len: this.len,
        }
    }
}

/// Bytes from an address to the next multiple of an alignment.
trait AlignOffset {
    fn align_offset_to(self, alignment: usize) -> usize;
}

impl AlignOffset for NonNull<libc::c_void> {
    fn align_offset_to(self, alignment: usize) -> usize {
        (self.as_ptr() as usize).wrapping_neg() % alignment
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
        // SAFETY: `base` came from malloc in `uninit` and is freed once, here. The elements are
        // Copy (see the constructors), so there is nothing to drop.
        unsafe { libc::free(self.base.as_ptr()) };
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
