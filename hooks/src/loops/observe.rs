//! The path of an observed loop call: no lock, no allocation, no floating-point arithmetic.

use super::trampolines::LoopFn;
use crate::operands::{Memory, alias, count, step};
use crate::record::Running;
use raptors_recording::{Alias, Aliasing, Alignments, Encoded, LoopCall, LoopShape};
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Operands whose size a slot holds and whose alignment fits in a record.
pub(super) const ALIGNED: usize = Alignments::OPERANDS;

/// Whether loops are recorded: a trampoline may still be called after its loop was restored.
pub(super) static RECORDING: AtomicBool = AtomicBool::new(false);

/// The facts about a loop that its trampoline needs. Written before NumPy gets the trampoline.
#[repr(align(32))]
pub(super) struct Slot {
    original: AtomicUsize,
    /// Bytes per item of operands 0 to 7, one byte each; 0 for those without a fixed size.
    sizes: AtomicU64,
    site: AtomicU32,
    /// One byte each, low first: inputs; operands; 1 for a generalised ufunc; a bit per numeric input, or the
    /// count of distinct core dimensions of a generalised one.
    shape: AtomicU32,
}

/// [`Slot`]'s static facts in their plain form.
pub(super) struct Facts {
    pub site: u32,
    pub inputs: usize,
    pub operands: usize,
    /// Distinct core dimensions, of a generalised ufunc only.
    pub core: Option<u8>,
    pub sizes: [u8; ALIGNED],
    /// A bit per input that is a number.
    pub numeric: u8,
}

impl Slot {
    pub(super) const fn empty() -> Self {
        Slot {
            original: AtomicUsize::new(0),
            sizes: AtomicU64::new(0),
            site: AtomicU32::new(0),
            shape: AtomicU32::new(0),
        }
    }

    pub(super) fn describe(&self, facts: &Facts) {
        let detail = facts.core.unwrap_or(facts.numeric);
        let generalised = u8::from(facts.core.is_some());
        let shape = [facts.inputs as u8, facts.operands as u8, generalised, detail];
        self.sizes.store(u64::from_le_bytes(facts.sizes), Ordering::Relaxed);
        self.shape.store(u32::from_le_bytes(shape), Ordering::Relaxed);
        self.site.store(facts.site, Ordering::Release);
    }

    pub(super) fn set_original(&self, original: *mut c_void) {
        self.original.store(original as usize, Ordering::SeqCst);
    }

    pub(super) fn original(&self) -> *mut c_void {
        self.original.load(Ordering::Relaxed) as *mut c_void
    }
}

/// Calls the slot's original and records the call.
///
/// # Safety
/// The arguments are what NumPy hands to the loop that the slot holds.
#[inline(never)]
pub(super) unsafe extern "C-unwind" fn observe(
    args: *mut *mut c_char,
    dimensions: *const isize,
    steps: *const isize,
    data: *mut c_void,
    slot: &'static Slot,
) {
    // SAFETY: a slot's original is a loop's function pointer, stored before the trampoline was handed out.
    let original = unsafe { std::mem::transmute::<*mut c_void, LoopFn>(slot.original()) };
    let site = slot.site.load(Ordering::Acquire);
    // A loop that was replaced a moment ago has no description yet.
    if site == 0 || !RECORDING.load(Ordering::Relaxed) {
        // SAFETY: this function's caller promises arguments that the original takes.
        return unsafe { original(args, dimensions, steps, data) };
    }
    // SAFETY: NumPy's arrays hold one entry per operand that the slot counts. They are read before the call,
    // as some loops (numpy.linalg's) advance them.
    let call: Encoded = unsafe { Operands::new(args, dimensions, steps, slot).call() }.into();
    let running = Running::begin();
    // SAFETY: this function's caller promises arguments that the original takes.
    unsafe { original(args, dimensions, steps, data) };
    running.end(call, site);
}

/// The call's operands, as NumPy's arrays give them.
struct Operands {
    args: *const *const c_char,
    dimensions: *const isize,
    steps: *const isize,
    sizes: [u8; ALIGNED],
    inputs: usize,
    operands: usize,
    generalised: bool,
    /// See [`Slot::shape`].
    detail: u8,
}

impl Operands {
    #[inline(always)]
    unsafe fn new(args: *mut *mut c_char, dimensions: *const isize, steps: *const isize, slot: &Slot) -> Self {
        let [inputs, operands, generalised, detail] = slot.shape.load(Ordering::Relaxed).to_le_bytes();
        Operands {
            args: args.cast_const().cast(),
            dimensions,
            steps,
            sizes: slot.sizes.load(Ordering::Relaxed).to_le_bytes(),
            inputs: inputs as usize,
            operands: operands as usize,
            generalised: generalised != 0,
            detail,
        }
    }

    #[inline(always)]
    unsafe fn pointer(&self, k: usize) -> usize {
        // SAFETY: callers ask only for k below the count of operands, which `args` has entries for.
        unsafe { *self.args.add(k) as usize }
    }

    #[inline(always)]
    unsafe fn stride(&self, k: usize) -> isize {
        if k >= self.operands {
            return 0;
        }
        // SAFETY: `steps` begins with one stride per operand, generalised or not.
        unsafe { *self.steps.add(k) }
    }

    #[inline(always)]
    unsafe fn memory(&self, k: usize) -> Memory {
        let size = usize::from(*self.sizes.get(k).unwrap_or(&0));
        // SAFETY: as for `pointer` and `stride`; every loop has at least dimension 0, its length.
        unsafe { Memory { pointer: self.pointer(k), stride: self.stride(k), n: *self.dimensions, size } }
    }

    #[inline(always)]
    unsafe fn call(&self) -> LoopCall {
        // SAFETY: see the functions called; every loop has dimension 0.
        unsafe {
            let n = *self.dimensions as u64;
            let (alignments, aliasing) = (self.alignments(), self.aliasing());
            if self.generalised {
                let shape = LoopShape::Core(self.core_dimensions());
                return LoopCall { n, shape, alignments, aliasing, scalar: None };
            }
            let strides = [0, 1, 2, 3].map(|k| step(self.stride(k)));
            LoopCall { n, shape: LoopShape::Strides(strides), alignments, aliasing, scalar: self.scalar() }
        }
    }

    #[inline(always)]
    unsafe fn alignments(&self) -> Alignments {
        let mut alignments = Alignments::NONE;
        for k in 0..self.operands.min(ALIGNED) {
            // SAFETY: k is below the count of operands.
            alignments = alignments.with(k, unsafe { self.pointer(k) });
        }
        alignments
    }

    #[inline(always)]
    unsafe fn aliasing(&self) -> Aliasing {
        if self.operands <= self.inputs {
            return Aliasing::NONE;
        }
        // SAFETY: the first output exists.
        let output = unsafe { self.memory(self.inputs) };
        let mut aliasing = Aliasing::NONE;
        for k in 0..self.inputs.min(Aliasing::INPUTS) {
            // SAFETY: k is below the count of inputs.
            let input = unsafe { self.memory(k) };
            // The extent of a core is not known here, so of a generalised loop only equality is told.
            let same = || Alias::same(input.pointer == output.pointer);
            aliasing = aliasing.with(k, if self.generalised { same() } else { alias(output, input) });
        }
        aliasing
    }

    /// Core dimensions 0 to 3: `dimensions` goes on with one entry per distinct core dimension.
    #[inline(always)]
    unsafe fn core_dimensions(&self) -> [u32; 4] {
        // SAFETY: no entry beyond the count that the ufunc itself keeps is read.
        let at = |k: usize| unsafe { if k < usize::from(self.detail) { *self.dimensions.add(1 + k) } else { 0 } };
        [0, 1, 2, 3].map(|k| count(at(k)))
    }

    /// The bits of the first numeric input with stride 0 that is not a reduction's accumulator.
    #[inline(always)]
    unsafe fn scalar(&self) -> Option<u64> {
        // SAFETY: k stays below the counts; an operand's pointer leads to at least one item where n > 0.
        unsafe {
            if *self.dimensions <= 0 {
                return None;
            }
            for k in usize::from(self.reduces())..self.inputs.min(ALIGNED) {
                if self.stride(k) == 0 && self.detail & 1 << k != 0 {
                    return Some(item_bits(self.pointer(k), self.sizes[k]));
                }
            }
            None
        }
    }

    /// Whether the first input is the first output, of stride 0: `np.add.reduce`.
    #[inline(always)]
    unsafe fn reduces(&self) -> bool {
        if self.inputs == 0 || self.operands <= self.inputs {
            return false;
        }
        // SAFETY: both operands exist.
        unsafe { self.stride(0) == 0 && self.stride(self.inputs) == 0 && self.pointer(0) == self.pointer(self.inputs) }
    }
}

/// An item's first 8 bytes at most, as an integer.
///
/// # Safety
/// `size` bytes at `pointer` are readable.
#[inline(always)]
unsafe fn item_bits(pointer: usize, size: u8) -> u64 {
    // SAFETY: as the caller promises; the reads may be unaligned.
    unsafe {
        match size {
            1 => u64::from(*(pointer as *const u8)),
            2 => u64::from((pointer as *const u16).read_unaligned()),
            4 => u64::from((pointer as *const u32).read_unaligned()),
            8 | 16 | 32 => (pointer as *const u64).read_unaligned(),
            _ => 0,
        }
    }
}
