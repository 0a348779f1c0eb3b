//! The words of a record about operands: strides, alignment, aliasing and the scalar.
//!
//! Integer arithmetic only: a loop's caller reads the floating-point flags afterwards.

/// Operands whose alignment fits in a record.
pub(crate) const ALIGNED: usize = 8;

/// Inputs whose aliasing with the first output fits in a record.
pub(crate) const ALIASED: usize = 16;

/// Two signed numbers, each saturated to 32 bits; `low` in the low half.
#[inline(always)]
pub(crate) fn pair(low: isize, high: isize) -> u64 {
    let half = |v: isize| u64::from(v.clamp(i32::MIN as isize, i32::MAX as isize) as i32 as u32);
    half(low) | half(high) << 32
}

/// Two counts, each saturated to 32 unsigned bits; `low` in the low half. Negative counts are 0.
#[inline(always)]
pub(crate) fn counts(low: isize, high: isize) -> u64 {
    let half = |v: isize| v.clamp(0, u32::MAX as isize) as u64;
    half(low) | half(high) << 32
}

/// log2 of a pointer's alignment, at most 12 (a page).
#[inline(always)]
pub(crate) fn alignment(pointer: usize) -> u64 {
    u64::from((pointer | 1 << 12).trailing_zeros())
}

/// First and one past the last byte that `n` items of `size` bytes, `stride` bytes apart, occupy.
#[inline(always)]
fn extent(pointer: usize, stride: isize, n: isize, size: usize) -> (usize, usize) {
    let reach = stride.wrapping_mul((n - 1).max(0));
    let (low, high) = if reach < 0 { (reach, 0) } else { (0, reach) };
    (pointer.wrapping_add_signed(low), pointer.wrapping_add_signed(high).wrapping_add(size))
}

/// One operand as its memory: start, byte stride, items, bytes per item.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub pointer: usize,
    pub stride: isize,
    pub n: isize,
    pub size: usize,
}

/// 0 no common byte, 1 the same pointer, 2 the two ranges overlap.
#[inline(always)]
pub(crate) fn aliasing(a: Memory, b: Memory) -> u64 {
    if a.pointer == b.pointer {
        return 1;
    }
    let (a_low, a_high) = extent(a.pointer, a.stride, a.n, a.size);
    let (b_low, b_high) = extent(b.pointer, b.stride, b.n, b.size);
    if a_low < b_high && b_low < a_high { 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pointer: usize, stride: isize, n: isize) -> Memory {
        Memory { pointer, stride, n, size: 4 }
    }

    #[test]
    fn pairs_saturate_and_keep_signs() {
        assert_eq!(pair(4, -4), 0xffff_fffc_0000_0004);
        assert_eq!(pair(isize::MAX, isize::MIN), 0x8000_0000_7fff_ffff);
        assert_eq!(counts(3, 1 << 40), 0xffff_ffff_0000_0003);
        assert_eq!(counts(-1, 2), 2 << 32);
    }

    #[test]
    fn alignment_is_capped_at_a_page() {
        assert_eq!(alignment(1), 0);
        assert_eq!(alignment(64), 6);
        assert_eq!(alignment(1 << 20), 12);
        assert_eq!(alignment(0), 12);
    }

    #[test]
    fn aliasing_tells_same_pointer_from_overlap() {
        assert_eq!(aliasing(at(64, 4, 8), at(64, 4, 8)), 1);
        assert_eq!(aliasing(at(64, 4, 8), at(68, 4, 8)), 2);
        assert_eq!(aliasing(at(64, 4, 8), at(96, 4, 8)), 0, "the next array is not an overlap");
        assert_eq!(aliasing(at(92, -4, 8), at(64, 4, 8)), 2, "backwards over the same memory");
        assert_eq!(aliasing(at(60, -4, 8), at(64, 4, 8)), 0);
        assert_eq!(aliasing(at(64, 4, 0), at(68, 4, 0)), 0, "an empty operand has one item at most");
    }
}
