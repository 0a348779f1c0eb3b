//! Events: each kind of record with its fields by name, encoded and decoded here and nowhere else.
//!
//! A record holds its kind, flags and five words; `FORMAT.md` lists what is in them. Encoding is arithmetic on values
//! that are at hand, so that [`push`](crate::push) stays as cheap as a copy. Decoding checks every field: a flag, a
//! code or a number that no writer of this layout writes is damage.

mod calls;
mod operands;
mod round;
mod words;

use serde::Serialize;

pub use calls::{LoopCall, LoopShape, RoutineCall};
pub use operands::{Alias, Aliasing, Alignments};
pub use round::{Edge, Mark, RoundKind};
pub use words::{Alloc, BackendCall, Chunk, Convert, Dispatch, Free, Scale, Touch};

/// The words of a record.
type Words = [u64; 5];

/// An event as a record holds it, ready to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub(crate) kind: Kind,
    pub(crate) flags: u16,
    pub(crate) args: Words,
}

/// How the fields of one kind lie in a record's flags and words.
trait Fields: Sized {
    fn encode(self) -> (u16, Words);
    /// What is wrong completes the sentence "a record of kind … ".
    fn decode(flags: u16, args: Words) -> Result<Self, String>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($fields:ty) = $number:literal, $name:literal;)*) => {
        /// The kind of an event, by its number in the file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $kind = $number,)*
        }

        impl Kind {
            /// Every kind, in order of its number in the file.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Its name, one word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }
        }

        /// What one record tells of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Event {
            $($(#[$doc])* $kind($fields),)*
        }

        impl Event {
            /// Which kind it is of.
            #[inline]
            pub fn kind(&self) -> Kind {
                match self {
                    $(Event::$kind(_) => Kind::$kind,)*
                }
            }
        }

        impl From<Event> for Encoded {
            #[inline]
            fn from(event: Event) -> Self {
                match event {
                    $(Event::$kind(fields) => fields.into(),)*
                }
            }
        }

        impl Encoded {
            /// The event, checked.
            ///
            /// # Errors
            /// A sentence with the field and the value that no event has.
            #[inline]
            pub fn decode(self) -> Result<Event, String> {
                match self.kind {
                    $(Kind::$kind => <$fields as Fields>::decode(self.flags, self.args).map(Event::$kind),)*
                }
                .map_err(|what| format!("a record of kind {} {what}", self.kind.as_str()))
            }
        }

        $(
            impl From<$fields> for Encoded {
                #[inline(always)]
                fn from(fields: $fields) -> Self {
                    let (flags, args) = fields.encode();
                    Encoded { kind: Kind::$kind, flags, args }
                }
            }

            impl From<$fields> for Event {
                fn from(fields: $fields) -> Self {
                    Event::$kind(fields)
                }
            }
        )*
    };
}

kinds! {
    /// One call of a ufunc's inner loop.
    Loop(LoopCall) = 1, "loop";
    /// One call of a routine of a math library.
    Routine(RoutineCall) = 2, "routine";
    /// One run of a backend of the scale kernel.
    Backend(BackendCall) = 3, "backend";
    /// One allocation of array memory.
    Alloc(Alloc) = 4, "alloc";
    /// One release of array memory.
    Free(Free) = 5, "free";
    /// An array taken in from NumPy or given out to it.
    Convert(Convert) = 6, "convert";
    /// One piece of a chunked or parallel operation.
    Chunk(Chunk) = 7, "chunk";
    /// One scale operation from its entry to its return.
    Scale(Scale) = 8, "scale";
    /// The branch that the scale kernel took.
    Dispatch(Dispatch) = 9, "dispatch";
    /// The beginning or the end of a round of the driver.
    Mark(Mark) = 10, "mark";
    /// First touch of a fresh allocation.
    Touch(Touch) = 11, "touch";
}

impl Kind {
    /// The kind with this number in the file, if there is one.
    pub fn from_number(number: u8) -> Option<Kind> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

impl Event {
    /// Its fields as a record holds them.
    #[inline]
    pub fn encode(self) -> Encoded {
        self.into()
    }
}

#[cfg(test)]
mod tests;
