//! What a record says of a call's operands: how they are aligned, and how the first output lies to the inputs.
//!
//! Integer arithmetic only: a loop's caller reads the floating-point flags afterwards.

use serde::Serialize;

/// The alignment of a call's first operands: log2 of the pointer's, 4 bits each, operand 0 lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Alignments(u32);

impl Alignments {
    /// Operands that have room.
    pub const OPERANDS: usize = 8;
    /// log2 of a page: more is not told apart.
    pub const MOST: u8 = 12;
    /// No operand yet.
    pub const NONE: Self = Self(0);

    /// The same with the alignment of operand `k`, below [`Self::OPERANDS`] and not given before.
    #[inline(always)]
    #[must_use]
    pub const fn with(self, k: usize, pointer: usize) -> Self {
        Self(self.0 | (pointer | 1 << Self::MOST).trailing_zeros() << (4 * k))
    }

    /// log2 of the alignment of each operand; 0 also where there is none.
    pub fn log2(self) -> [u8; Self::OPERANDS] {
        std::array::from_fn(|k| (self.0 >> (4 * k)) as u8 & 0xf)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0 as u64
    }

    pub(super) fn read(bits: u32) -> Result<Self, String> {
        match Self(bits).log2().into_iter().find(|log2| *log2 > Self::MOST) {
            None => Ok(Self(bits)),
            Some(log2) => {
                Err(format!("says an operand is aligned to 2^{log2} bytes; more than 2^12 is not told apart"))
            }
        }
    }
}

/// How an input lies to the first output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Alias {
    /// No byte in common.
    Apart = 0,
    /// The same pointer.
    Same = 1,
    /// They overlap.
    Overlap = 2,
}

impl Alias {
    /// Where only the pointers are compared.
    #[inline(always)]
    pub const fn same(same: bool) -> Self {
        if same { Self::Same } else { Self::Apart }
    }
}

/// How a call's first inputs lie to its first output: an [`Alias`] in 2 bits each, input 0 lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Aliasing(u32);

impl Aliasing {
    /// Inputs that have room.
    pub const INPUTS: usize = 16;
    /// No input yet, or all apart.
    pub const NONE: Self = Self(0);

    /// The same with input `k`, below [`Self::INPUTS`] and not given before.
    #[inline(always)]
    #[must_use]
    pub const fn with(self, k: usize, alias: Alias) -> Self {
        Self(self.0 | (alias as u32) << (2 * k))
    }

    /// How input `k` lies to the output; apart where there is none.
    pub fn of(self, k: usize) -> Alias {
        match self.0.checked_shr(2 * k as u32).unwrap_or(0) & 3 {
            0 => Alias::Apart,
            1 => Alias::Same,
            _ => Alias::Overlap,
        }
    }

    pub(super) const fn bits(self) -> u64 {
        self.0 as u64
    }

    pub(super) fn read(bits: u32) -> Result<Self, String> {
        if bits & bits >> 1 & 0x5555_5555 == 0 {
            return Ok(Self(bits));
        }
        Err(format!("says {bits:#x} of how inputs lie to the output, where each has 0, 1 or 2"))
    }
}
