//! Calls whose record packs several fields into a word: inner loops and routines.

use serde::Serialize;

use super::{Aliasing, Alignments, Fields, Words};

/// The record's last word holds the bits of a scalar.
const SCALAR: u16 = 1;
/// A loop of a generalised ufunc.
const GENERALISED: u16 = 2;

/// One call of a ufunc's inner loop; its site names the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoopCall {
    /// Turns of the loop.
    pub n: u64,
    /// What the loop goes over in each turn.
    #[serde(flatten)]
    pub shape: LoopShape,
    /// How the operands are aligned.
    pub alignments: Alignments,
    /// How the inputs lie to the first output.
    pub aliasing: Aliasing,
    /// Bits of the first input that stands still (stride 0) and is a number, at most 8 bytes of them.
    pub scalar: Option<u64>,
}

/// What one turn of a loop goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoopShape {
    /// One element of each operand: bytes from one to the next of operands 0 to 3, saturated to 32 bits.
    Strides([i32; 4]),
    /// The core of a generalised ufunc: its first four distinct dimensions.
    Core([u32; 4]),
}

impl Default for LoopShape {
    fn default() -> Self {
        Self::Strides([0; 4])
    }
}

/// One call of a routine of a math library; its site names the routine, whose catalogue entry says which of its
/// arguments these are. What it does not have is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RoutineCall {
    /// The first size: m, or the length of vectors.
    pub m: u64,
    /// The second size.
    pub n: u32,
    /// The third size.
    pub k: u32,
    /// Increments or leading dimensions, elements.
    pub steps: [i32; 2],
    /// How the arrays are aligned.
    pub alignments: Alignments,
    /// How the arrays that are only read lie to the first that is written.
    pub aliasing: Aliasing,
    /// Bits of the scalar argument; of a complex number its real part.
    pub scalar: Option<u64>,
}

impl Fields for LoopCall {
    #[inline(always)]
    fn encode(self) -> (u16, Words) {
        let (generalised, [first, second]) = match self.shape {
            LoopShape::Strides([a, b, c, d]) => (0, [steps([a, b]), steps([c, d])]),
            LoopShape::Core([a, b, c, d]) => (GENERALISED, [pair(a, b), pair(c, d)]),
        };
        let (flag, scalar) = scalar_word(self.scalar);
        (generalised | flag, [self.n, first, second, placement(self.alignments, self.aliasing), scalar])
    }

    fn decode(flags: u16, [n, first, second, placement, scalar]: Words) -> Result<Self, String> {
        known_flags(flags, SCALAR | GENERALISED)?;
        let [[a, b], [c, d]] = [halves(first), halves(second)];
        let shape = if flags & GENERALISED == 0 {
            LoopShape::Strides([a, b, c, d].map(u32::cast_signed))
        } else {
            LoopShape::Core([a, b, c, d])
        };
        let (alignments, aliasing) = read_placement(placement)?;
        Ok(Self { n, shape, alignments, aliasing, scalar: read_scalar(flags, scalar)? })
    }
}

impl Fields for RoutineCall {
    #[inline(always)]
    fn encode(self) -> (u16, Words) {
        let (flag, scalar) = scalar_word(self.scalar);
        let placement = placement(self.alignments, self.aliasing);
        (flag, [self.m, pair(self.n, self.k), steps(self.steps), placement, scalar])
    }

    fn decode(flags: u16, [m, sizes, steps, placement, scalar]: Words) -> Result<Self, String> {
        known_flags(flags, SCALAR)?;
        let ([n, k], steps) = (halves(sizes), halves(steps).map(u32::cast_signed));
        let (alignments, aliasing) = read_placement(placement)?;
        Ok(Self { m, n, k, steps, alignments, aliasing, scalar: read_scalar(flags, scalar)? })
    }
}

/// Two numbers in one word, the first in the low half.
#[inline(always)]
fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[inline(always)]
fn steps([low, high]: [i32; 2]) -> u64 {
    pair(low.cast_unsigned(), high.cast_unsigned())
}

fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

#[inline(always)]
fn placement(alignments: Alignments, aliasing: Aliasing) -> u64 {
    alignments.bits() | aliasing.bits() << 32
}

fn read_placement(word: u64) -> Result<(Alignments, Aliasing), String> {
    let [alignments, aliasing] = halves(word);
    Ok((Alignments::read(alignments)?, Aliasing::read(aliasing)?))
}

/// The flag of a scalar and its word.
#[inline(always)]
fn scalar_word(scalar: Option<u64>) -> (u16, u64) {
    match scalar {
        Some(bits) => (SCALAR, bits),
        None => (0, 0),
    }
}

fn read_scalar(flags: u16, word: u64) -> Result<Option<u64>, String> {
    match (flags & SCALAR != 0, word) {
        (true, bits) => Ok(Some(bits)),
        (false, 0) => Ok(None),
        (false, word) => Err(format!("has a scalar, {word:#x}, without the flag for it")),
    }
}

fn known_flags(flags: u16, known: u16) -> Result<(), String> {
    if flags & !known == 0 { Ok(()) } else { Err(format!("has the flags {flags:#x}, known are {known:#x}")) }
}
