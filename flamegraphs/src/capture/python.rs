//! The Python functions that run on the thread that a signal interrupted.
//!
//! CPython keeps a chain of frames for each thread, also while the thread runs other code or has released the lock of
//! the interpreter. `chain` follows it in the signal's handler and stores the result in a table, whose index then
//! travels through the stack as a tag does. The walk trusts nothing: the kernel reads the memory and refuses an invalid
//! address instead of ending the process, and an inconsistent chain ends where it stops making sense.
//!
//! The offsets of fields are known for CPython 3.11; [`Interpreter::calls`] shows before the first sample whether they
//! fit.

use std::ffi::c_void;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of innermost frames of a chain that are kept.
pub const DEPTH: usize = 64;
/// The indices that fit into the stack: 0 is no chain, the last one a chain without room in the table.
pub(super) const CHAINS: usize = 1 << 12;
const NONE: usize = 0;
const MORE: usize = CHAINS - 1;
/// The number of slots in the table that a chain may use.
const PROBES: usize = 32;

/// `PyThreadState.cframe`, `_PyCFrame.current_frame` and `_PyInterpreterFrame.f_code` of CPython 3.11.
const CFRAME: usize = 56;
const CURRENT_FRAME: usize = 8;
const CODE: usize = 32;
/// `PyCodeObject.co_code_adaptive`: the beginning of the instructions.
const INSTRUCTIONS: usize = 184;

type ThisThread = unsafe extern "C" fn() -> *mut c_void;

/// The CPython of this process.
#[derive(Clone, Copy, Debug)]
pub struct Interpreter {
    this_thread: ThisThread,
}

/// A running Python function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// The address of its code object, which may be freed already.
    pub code: usize,
    /// Bytes from the code's beginning to the current instruction; below 0, wrapped, if none has run yet.
    pub instruction: usize,
    /// Whether native code called it: then it has its own evaluator on the native stack.
    pub is_entry: bool,
}

impl Interpreter {
    /// The reader of this version of CPython; none if the version is unknown.
    ///
    /// # Safety
    /// `this_thread` is `PyGILState_GetThisThreadState`, which takes no lock and returns null on a thread that Python
    /// does not know.
    pub unsafe fn new(version: (u8, u8), this_thread: ThisThread) -> Option<Interpreter> {
        let is_known =
            version == (3, 11) && cfg!(all(target_os = "linux", target_endian = "little", target_pointer_width = "64"));
        is_known.then_some(Interpreter { this_thread })
    }

    /// The functions that run on this thread, innermost first, at most [`DEPTH`].
    pub fn calls(&self) -> Vec<Call> {
        let mut words = [[0; 2]; DEPTH];
        let count = walk(self.this_thread, &mut words);
        words[..count].iter().map(|&words| call(words)).collect()
    }
}

/// The function that executes Python's instructions.
pub(super) fn evaluator() -> Option<usize> {
    // SAFETY: looks up a NUL-terminated name in the loaded objects.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_PyEval_EvalFrameDefault".as_ptr()) };
    (!found.is_null()).then_some(found as usize)
}

/// Reads words of this process's memory; none if the address is not mapped. Usable in a signal's handler.
pub fn peek<const N: usize>(address: usize) -> Option<[usize; N]> {
    if address == 0 || !address.is_multiple_of(align_of::<usize>()) {
        return None;
    }
    let mut words = [0_usize; N];
    let bytes = size_of_val(&words);
    read(address, words.as_mut_ptr().cast(), bytes).then_some(words)
}

/// The number of bytes that [`Window`] reads at once. It divides a page of every size, so such a block is mapped
/// completely or not at all.
const BLOCK: usize = 4096;

/// The last block of memory that was read. CPython keeps the frames of a thread's calls one after the other, so most of
/// a chain is in one or two blocks, and reading a block takes one system call, as reading a frame does. It is valid for
/// one walk only: the frames change when the interrupted thread goes on.
struct Window {
    /// The start of the block; 0 for none.
    start: usize,
    words: [usize; BLOCK / size_of::<usize>()],
}

impl Window {
    fn new() -> Self {
        Self { start: 0, words: [0; BLOCK / size_of::<usize>()] }
    }

    /// As [`peek`].
    fn peek<const N: usize>(&mut self, address: usize) -> Option<[usize; N]> {
        if !address.is_multiple_of(align_of::<usize>()) {
            return None;
        }
        let start = address - address % BLOCK;
        let first = (address - start) / size_of::<usize>();
        if first + N > self.words.len() {
            return peek(address);
        }
        if start != self.start || start == 0 {
            // The remains of a failed read must not be taken for the earlier block.
            self.start = 0;
            if start == 0 || !read(start, self.words.as_mut_ptr().cast(), BLOCK) {
                return None;
            }
            self.start = start;
        }
        self.words[first..first + N].try_into().ok()
    }
}

#[cfg(target_os = "linux")]
fn read(address: usize, to: *mut c_void, bytes: usize) -> bool {
    let local = libc::iovec { iov_base: to, iov_len: bytes };
    let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: bytes };
    // SAFETY: a system call, so a handler may make it. The kernel writes at most `bytes` bytes to `to`, where the
    // caller has that many, and checks the other address itself.
    let got = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    usize::try_from(got) == Ok(bytes)
}

#[cfg(not(target_os = "linux"))]
fn read(_: usize, _: *mut c_void, _: usize) -> bool {
    false
}

/// Each frame, innermost first: the code object, and the address of the instruction. Its lowest bit, which no
/// instruction's address has, marks an entry. Returns the number of frames; none if the chain is inconsistent.
fn walk(this_thread: ThisThread, calls: &mut [[usize; 2]; DEPTH]) -> usize {
    // SAFETY: the promise of `Interpreter::new`.
    let thread = unsafe { this_thread() } as usize;
    let current = || {
        let [cframe] = peek(thread.checked_add(CFRAME)?)?;
        let [frame] = peek(cframe.checked_add(CURRENT_FRAME)?)?;
        Some(frame)
    };
    let mut frame = if thread == 0 { None } else { current() };
    let mut window = Window::new();
    let mut count = 0;
    while let Some(at) = frame
        && count < DEPTH
    {
        // f_code, frame_obj, previous, prev_instr; the stack's size, is_entry and owner share a word.
        let words = at.checked_add(CODE).and_then(|at| window.peek(at));
        let Some([code, _, previous, instruction, flags]) = words else {
            return 0;
        };
        let (is_entry, owner) = ((flags >> 32) & 0xff, (flags >> 40) & 0xff);
        // A compiler may link the innermost frame before it is filled: then it holds the data of an older one.
        let is_filled = || count > 0 || is_inside(code, instruction);
        if code == 0 || instruction & 1 != 0 || is_entry > 1 || owner > 2 || !is_filled() {
            return 0;
        }
        calls[count] = [code, instruction | is_entry];
        count += 1;
        frame = Some(previous).filter(|previous| *previous != 0);
    }
    count
}

/// Whether the instruction belongs to this code, or is the one before its first, as in a function that has not begun.
fn is_inside(code: usize, instruction: usize) -> bool {
    let Some([_, _, instructions]) = peek(code) else {
        return false;
    };
    let before = code.wrapping_add(INSTRUCTIONS - 2);
    instruction.wrapping_sub(before) <= instructions.saturating_mul(2)
}

fn call([code, instruction]: [usize; 2]) -> Call {
    Call {
        code,
        instruction: (instruction & !1).wrapping_sub(code).wrapping_sub(INSTRUCTIONS),
        is_entry: instruction & 1 == 1,
    }
}

/// A chain that was seen. `state` is 0 while the slot is free, 1 while it is being written, and then the chain's hash.
struct Chain {
    state: AtomicU64,
    length: AtomicUsize,
    calls: [[AtomicUsize; 2]; DEPTH],
}

static TABLE: [Chain; CHAINS] = [const {
    Chain {
        state: AtomicU64::new(0),
        length: AtomicUsize::new(0),
        calls: [const { [const { AtomicUsize::new(0) }; 2] }; DEPTH],
    }
}; CHAINS];
/// Chains in the table.
static USED: AtomicUsize = AtomicUsize::new(0);
/// The [`ThisThread`] of the watched interpreter; 0 for none.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

/// Follows the chains of this interpreter from now on, or of none. No sampler may be running.
pub(super) fn watch(interpreter: Option<Interpreter>) {
    WATCHED.store(0, Ordering::Relaxed);
    if USED.swap(0, Ordering::Relaxed) > 0 {
        for chain in &TABLE {
            chain.state.store(0, Ordering::Relaxed);
        }
    }
    if let Some(interpreter) = interpreter {
        WATCHED.store(interpreter.this_thread as usize, Ordering::Release);
    }
}

/// The chain of the calling thread, as an index below [`CHAINS`]. Called in the handler: it allocates nothing and takes
/// no lock; the caller restores `errno`.
pub(super) fn chain() -> usize {
    let this_thread = WATCHED.load(Ordering::Acquire);
    if this_thread == 0 {
        return NONE;
    }
    // SAFETY: apart from 0, only `watch` stores a value, and that is a function of this type.
    let this_thread = unsafe { std::mem::transmute::<usize, ThisThread>(this_thread) };
    let mut calls = [[0; 2]; DEPTH];
    match walk(this_thread, &mut calls) {
        0 => NONE,
        count => insert(&calls[..count]),
    }
}

fn insert(calls: &[[usize; 2]]) -> usize {
    let hash = hash(calls);
    for probe in 0..PROBES {
        // Neither NONE nor MORE.
        let index = 1 + (hash as usize).wrapping_add(probe) % (CHAINS - 2);
        let chain = &TABLE[index];
        let state = chain.state.load(Ordering::Acquire);
        if state == hash {
            return index;
        }
        // If another thread holds this slot, the next one is tried: a chain may be in the table twice.
        let claim = |chain: &Chain| chain.state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if state == 0 && claim(chain) {
            for (to, from) in chain.calls.iter().zip(calls) {
                to[0].store(from[0], Ordering::Relaxed);
                to[1].store(from[1], Ordering::Relaxed);
            }
            chain.length.store(calls.len(), Ordering::Relaxed);
            chain.state.store(hash, Ordering::Release);
            USED.fetch_add(1, Ordering::Release);
            return index;
        }
    }
    MORE
}

/// Never 0 or 1.
fn hash(calls: &[[usize; 2]]) -> u64 {
    let mix = |hash: u64, word: &usize| {
        let mixed = (hash ^ *word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    };
    calls.as_flattened().iter().fold(calls.len() as u64, mix).max(2)
}

/// The number of chains seen.
pub(super) fn used() -> usize {
    USED.load(Ordering::Acquire)
}

/// The calls of a chain, innermost first; none for an unknown chain.
pub(super) fn calls(index: usize) -> Vec<Call> {
    let Some(chain) = TABLE.get(index) else {
        return Vec::new();
    };
    if chain.state.load(Ordering::Acquire) < 2 {
        return Vec::new();
    }
    let length = chain.length.load(Ordering::Relaxed).min(DEPTH);
    let words = chain.calls[..length]
        .iter()
        .map(|[code, instruction]| [code, instruction].map(|word| word.load(Ordering::Relaxed)));
    words.map(call).collect()
}

/// Whether there was no room for this chain.
pub(super) fn is_more(index: usize) -> bool {
    index == MORE
}

/// A frame of a merged stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The native frame at this index.
    Native(usize),
    /// The Python call at this index.
    Python(usize),
}

/// Inserts Python calls where the native stack has the evaluators that run them. Both lists are innermost first: the
/// native frames that are evaluators, and the calls that are entries. An evaluator runs the calls up to the next entry.
///
/// If there are more evaluators than entries, the innermost ones have just begun or are about to end and stay as they
/// are. If a stack is cut off, its outer end is the unreliable one.
pub(super) fn merge(is_evaluator: &[bool], is_entry: &[bool], is_cut_off: bool) -> Vec<Part> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for (index, &is_entry) in is_entry.iter().enumerate() {
        if is_entry {
            groups.push(start..index + 1);
            start = index + 1;
        }
    }
    if start < is_entry.len() {
        groups.push(start..is_entry.len());
    }
    let evaluators = is_evaluator.iter().filter(|is| **is).count();
    let bare = if is_cut_off { 0 } else { evaluators.saturating_sub(groups.len()) };
    let mut groups = groups.into_iter();
    let mut seen = 0;
    let mut parts = Vec::with_capacity(is_evaluator.len() + is_entry.len());
    for (index, &is_evaluator) in is_evaluator.iter().enumerate() {
        seen += usize::from(is_evaluator);
        let group = (is_evaluator && seen > bare).then(|| groups.next()).flatten();
        match group {
            Some(group) => parts.extend(group.map(Part::Python)),
            None => parts.push(Part::Native(index)),
        }
    }
    // The callers beyond the end of the native stack.
    parts.extend(groups.flatten().map(Part::Python));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use Part::{Native, Python};

    #[test]
    fn calls_take_the_place_of_the_evaluator_that_runs_them() {
        // loop, evaluator, vectorcall, evaluator, main; the first evaluator runs two calls.
        let native = [false, true, false, true, false];
        assert_eq!(
            merge(&native, &[false, true, true], false),
            [Native(0), Python(0), Python(1), Native(2), Python(2), Native(4)]
        );
    }

    #[test]
    fn an_evaluator_that_has_just_begun_stays() {
        assert_eq!(merge(&[true, false, true], &[true], false), [Native(0), Native(1), Python(0)]);
    }

    #[test]
    fn callers_of_what_was_cut_off_follow_the_native_frames() {
        assert_eq!(merge(&[false, true], &[true, true, false], true), [Native(0), Python(0), Python(1), Python(2)]);
        // Here the chain ends early.
        assert_eq!(
            merge(&[true, true, false, true], &[true, false], true),
            [Python(0), Python(1), Native(2), Native(3)]
        );
    }

    #[test]
    fn a_stack_without_python_is_as_it_was() {
        assert_eq!(merge(&[false, true], &[], false), [Native(0), Native(1)]);
    }

    #[test]
    fn memory_that_is_not_there_is_not_read() {
        assert_eq!(peek::<1>(0), None);
        assert_eq!(peek::<1>(16), None);
        assert_eq!(peek::<1>(usize::MAX - 7), None);
        let words = [7_usize, 9];
        assert_eq!(peek::<2>(words.as_ptr() as usize + 1), None);
        let there = cfg!(target_os = "linux").then_some([7, 9]);
        assert_eq!(peek::<2>(words.as_ptr() as usize), there);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_window_reads_what_is_there_whichever_block_it_is_in() {
        let words: Vec<usize> = (1..=3 * BLOCK / size_of::<usize>()).collect();
        let at = |index: usize| words.as_ptr() as usize + index * size_of::<usize>();
        let mut window = Window::new();
        // From the outer end to the inner one and back, across the ends of blocks.
        for index in (0..words.len() - 5).chain((0..words.len() - 5).rev()) {
            let seen = window.peek::<5>(at(index));
            assert_eq!(seen.as_ref().map(|seen| &seen[..]), Some(&words[index..index + 5]));
        }
        assert_eq!(window.peek::<1>(at(0) + 1), None);
        for nowhere in [0, 16, usize::MAX - 7] {
            assert_eq!(window.peek::<1>(nowhere), None);
            // The same at the second read, after another block was read.
            assert_eq!(window.peek::<1>(nowhere), None);
            assert_eq!(window.peek::<1>(at(0)), Some([1]));
        }
    }

    #[test]
    fn a_chain_keeps_its_index_and_the_full_table_says_so() {
        let chain = |number: usize| [[0x1000 * (number + 1), (0x2000 * (number + 1)) | 1], [8, 10]];
        let index = insert(&chain(0));
        assert_eq!(insert(&chain(0)), index);
        assert_ne!(insert(&chain(1)), index);
        assert_eq!(
            calls(index).iter().map(|call| (call.code, call.is_entry)).collect::<Vec<_>>(),
            [(0x1000, true), (8, false)]
        );
        assert!((2..2 * CHAINS).any(|number| is_more(insert(&chain(number)))));
        watch(None);
        assert_eq!((used(), calls(index)), (0, Vec::new()));
    }
}
