//! The kinds whose fields have a word each, in the order in which they stand here; the words after them are 0.

use serde::Serialize;

use super::{Fields, Words};

/// A field that has a word of its own.
trait Word: Sized {
    fn word(self) -> u64;
    /// `None` for a word that no such field gives.
    fn read(word: u64) -> Option<Self>;
}

impl Word for u64 {
    #[inline(always)]
    fn word(self) -> u64 {
        self
    }

    fn read(word: u64) -> Option<Self> {
        Some(word)
    }
}

impl Word for u32 {
    #[inline(always)]
    fn word(self) -> u64 {
        self.into()
    }

    fn read(word: u64) -> Option<Self> {
        word.try_into().ok()
    }
}

impl Word for bool {
    #[inline(always)]
    fn word(self) -> u64 {
        self.into()
    }

    fn read(word: u64) -> Option<Self> {
        (word <= 1).then_some(word == 1)
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)*
        }

        impl Fields for $name {
            #[inline(always)]
            fn encode(self) -> (u16, Words) {
                let fields = [$(self.$field.word()),*];
                let mut args = [0; 5];
                args[..fields.len()].copy_from_slice(&fields);
                (0, args)
            }

            fn decode(flags: u16, args: Words) -> Result<Self, String> {
                no_flags(flags)?;
                let mut words = args.into_iter();
                let fields = Self {
                    $($field: field(stringify!($field), words.next().unwrap_or_default())?,)*
                };
                unused(words).map(|()| fields)
            }
        }
    )*};
}

words! {
    /// One run of a backend of the scale kernel; its site names the backend.
    BackendCall {
        /// Elements.
        n: u64,
        /// Address of the input.
        src: u64,
        /// Address of the output.
        dst: u64,
        /// The factor's bits; of a float32 in the low half.
        factor_bits: u64,
        /// Bytes of an element.
        item_size: u32,
    }
    /// One allocation of array memory.
    Alloc {
        /// Bytes asked for.
        bytes: u64,
        /// Address of the memory, 0 where there was none.
        data: u64,
        /// Whether the memory came from the kernel's own pool.
        recycled: bool,
    }
    /// One release of array memory.
    Free {
        /// Bytes; 0 where they are not known.
        bytes: u64,
        /// Address of the memory.
        data: u64,
    }
    /// An array taken in from NumPy or given out to it; its site names the direction.
    Convert {
        /// Elements.
        n: u64,
        /// Whether the memory was copied rather than shared.
        copied: bool,
        /// Bytes of an element.
        item_size: u32,
    }
    /// One piece of a chunked or parallel operation.
    Chunk {
        /// Number of the pool's thread, 0 the caller.
        thread: u32,
        /// First element.
        start: u64,
        /// One past the last element.
        end: u64,
    }
    /// One scale operation from its entry to its return.
    Scale {
        /// Elements.
        n: u64,
        /// Bytes of an element.
        item_size: u32,
        /// The factor's bits; of a float32 in the low half.
        factor_bits: u64,
        /// The kind of operation, as the probe `scale-entry` numbers it.
        variant: u32,
        /// Whether it succeeded.
        ok: bool,
    }
    /// The branch that the scale kernel took; its site names the backend and the reason.
    Dispatch {
        /// Elements.
        n: u64,
        /// Threads that are to work.
        threads: u32,
    }
    /// First touch of a fresh allocation; the record's duration is what the page faults took.
    Touch {
        /// Bytes of the allocation.
        bytes: u64,
        /// Pages that were touched.
        pages: u64,
        /// Minor page faults meanwhile.
        faults: u64,
        /// Ticks that touching took in all.
        ticks: u64,
    }
}

fn field<T: Word>(name: &str, word: u64) -> Result<T, String> {
    T::read(word).ok_or_else(|| format!("says {name} {word}, and no event has that"))
}

pub(super) fn no_flags(flags: u16) -> Result<(), String> {
    if flags == 0 { Ok(()) } else { Err(format!("has the flags {flags:#x}, and such records have none")) }
}

/// Whether the words that are left are 0.
pub(super) fn unused(mut words: impl Iterator<Item = u64>) -> Result<(), String> {
    match words.find(|word| *word != 0) {
        None => Ok(()),
        Some(word) => Err(format!("has {word:#x} behind its last field")),
    }
}
