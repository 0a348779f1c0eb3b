//! Numbers of a call as a record takes them, and how the memory of two operands aliases.
//!
//! Integer arithmetic only: a loop's caller reads the floating-point flags afterwards.

use raptors_recording::Alias;

/// A stride, saturated to 32 bits.
#[inline(always)]
pub(crate) fn step(value: isize) -> i32 {
    value.clamp(i32::MIN as isize, i32::MAX as isize) as i32
}

/// A count, saturated to 32 bits; a negative one is 0.
#[inline(always)]
pub(crate) fn count(value: isize) -> u32 {
    value.clamp(0, u32::MAX as isize) as u32
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

/// How two operands lie to each other.
#[inline(always)]
pub(crate) fn alias(a: Memory, b: Memory) -> Alias {
    if a.pointer == b.pointer {
        return Alias::Same;
    }
    let (a_low, a_high) = extent(a.pointer, a.stride, a.n, a.size);
    let (b_low, b_high) = extent(b.pointer, b.stride, b.n, b.size);
    if a_low < b_high && b_low < a_high { Alias::Overlap } else { Alias::Apart }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pointer: usize, stride: isize, n: isize) -> Memory {
        Memory { pointer, stride, n, size: 4 }
    }

    #[test]
    fn numbers_saturate_and_keep_signs() {
        assert_eq!([4, -4, isize::MAX, isize::MIN].map(step), [4, -4, i32::MAX, i32::MIN]);
        assert_eq!([3, 1 << 40, -1].map(count), [3, u32::MAX, 0]);
    }

    #[test]
    fn aliasing_tells_same_pointer_from_overlap() {
        assert_eq!(alias(at(64, 4, 8), at(64, 4, 8)), Alias::Same);
        assert_eq!(alias(at(64, 4, 8), at(68, 4, 8)), Alias::Overlap);
        assert_eq!(alias(at(64, 4, 8), at(96, 4, 8)), Alias::Apart, "the next array is not an overlap");
        assert_eq!(alias(at(92, -4, 8), at(64, 4, 8)), Alias::Overlap, "backwards over the same memory");
        assert_eq!(alias(at(60, -4, 8), at(64, 4, 8)), Alias::Apart);
        assert_eq!(alias(at(64, 4, 0), at(68, 4, 0)), Alias::Apart, "an empty operand has one item at most");
    }
}
