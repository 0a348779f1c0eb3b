//! The code between the timer's signal and pprof: it adds the tag of the sample.
//!
//! pprof counts equal stacks and keeps nothing else of a sample, so the side has to be part of the stack. There is one
//! entry function for each [`Tag`], and pprof's handler is called through it. The stack that it unwinds begins with the
//! handler, the entry, [`on_signal`] and the system's frames above the interrupted code. The running Python functions
//! travel the same way, as a number of three digits: between [`on_signal`] and the entry there is a call for each
//! digit. Starting and stopping a sampler around each block would cost tens of milliseconds a block, because pprof
//! makes its table anew each time.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::python;
use crate::Tag;

/// The number of different tags.
pub(super) const TAGS: usize = 8;
/// The value of the tag while no code is sampled.
const PAUSED: usize = usize::MAX;
/// The number of different digits of a chain's number.
const DIGITS: usize = 16;
const _: () = assert!(DIGITS * DIGITS * DIGITS == python::CHAINS);
/// The largest distance of a return address from the start of its function in this file.
const REACH: usize = 512;

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

static CURRENT: AtomicUsize = AtomicUsize::new(PAUSED);
static SIGNALS: [AtomicU64; TAGS] = [const { AtomicU64::new(0) }; TAGS];
/// The process's CPU time at the last signal, in nanoseconds.
static LAST: AtomicU64 = AtomicU64::new(0);
static SERVED: [AtomicU64; TAGS] = [const { AtomicU64::new(0) }; TAGS];
static PASSED: [AtomicU64; DIGITS] = [const { AtomicU64::new(0) }; DIGITS];
/// pprof's handler.
static PPROF: AtomicUsize = AtomicUsize::new(0);

const ENTRIES: [Handler; TAGS] =
    [entry::<0>, entry::<1>, entry::<2>, entry::<3>, entry::<4>, entry::<5>, entry::<6>, entry::<7>];

/// Calls the function of the next digit, lowest first, and after the last digit the entry of the tag.
type Pass = extern "C" fn(usize, usize, c_int, *mut libc::siginfo_t, *mut c_void);

#[rustfmt::skip]
const PASSES: [Pass; DIGITS] = [
    digit::<0>, digit::<1>, digit::<2>, digit::<3>, digit::<4>, digit::<5>, digit::<6>, digit::<7>,
    digit::<8>, digit::<9>, digit::<10>, digit::<11>, digit::<12>, digit::<13>, digit::<14>, digit::<15>,
];

/// The signal handler. It allocates nothing and takes no lock, and neither does pprof on its way: if another thread is
/// in its handler, it gives the sample up, which the counts then show.
extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let current = CURRENT.load(Ordering::Relaxed);
    if current >= TAGS {
        return;
    }
    let rest = match chain() {
        // No digits.
        0 => 1,
        chain => python::CHAINS | chain,
    };
    pass(rest, current, signal, info, context);
    // After the call, so that it is no tail call and this function is on the stack.
    SIGNALS[current].fetch_add(1, Ordering::Relaxed);
    if let Ok(cpu) = super::cpu_time() {
        LAST.store(u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// [`python::chain`], which keeps the errno of the interrupted code.
fn chain() -> usize {
    let errno = std::io::Error::last_os_error().raw_os_error();
    let chain = python::chain();
    set_errno(errno.unwrap_or(0));
    chain
}

fn set_errno(value: c_int) {
    #[cfg(target_os = "linux")]
    // SAFETY: the address is that of this thread's own errno.
    unsafe {
        *libc::__errno_location() = value;
    }
    // On other systems nothing is read, so errno is unchanged.
    #[cfg(not(target_os = "linux"))]
    let _ = value;
}

/// `rest` has a 1 above the remaining digits.
#[inline(always)]
fn pass(rest: usize, tag: usize, signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if rest == 1 {
        ENTRIES[tag](signal, info, context);
    } else {
        PASSES[rest % DIGITS](rest / DIGITS, tag, signal, info, context);
    }
}

extern "C" fn digit<const DIGIT: usize>(
    rest: usize,
    tag: usize,
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    pass(rest, tag, signal, info, context);
    // As in `on_signal`; the index also keeps the linker from folding these functions into one.
    PASSED[DIGIT].fetch_add(1, Ordering::Relaxed);
}

extern "C" fn entry<const TAG: usize>(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let pprof = PPROF.load(Ordering::Acquire);
    if pprof == 0 {
        return;
    }
    // SAFETY: apart from 0, only `interpose` stores a value: the handler that pprof has just installed with SA_SIGINFO,
    // a function of this type that is never unloaded.
    let pprof = unsafe { std::mem::transmute::<usize, Handler>(pprof) };
    pprof(signal, info, context);
    // As above; the index also keeps the linker from folding the entries into one.
    SERVED[TAG].fetch_add(1, Ordering::Relaxed);
}

/// Assigns the samples from now on to `tag`, or to none.
pub(super) fn give_to(tag: Option<Tag>) {
    let tag = tag.map_or(PAUSED, |tag| usize::from(tag.0));
    CURRENT.store(tag, Ordering::Relaxed);
}

/// The signals for each tag since [`interpose`].
pub(super) fn signals() -> [u64; TAGS] {
    std::array::from_fn(|tag| SIGNALS[tag].load(Ordering::Relaxed))
}

/// The process's CPU time at the last signal.
pub(super) fn last() -> Duration {
    Duration::from_nanos(LAST.load(Ordering::Relaxed))
}

/// The data of a stack beside its frames.
pub(super) struct Interrupted<'a> {
    pub tag: Tag,
    /// The running Python functions: see [`python::calls`].
    pub chain: usize,
    /// The interrupted frames, innermost first.
    pub frames: &'a [(usize, usize)],
}

/// Decodes a stack that pprof took. Frames are pairs of the instruction's address and the start of its function. None
/// if the sample is from before [`interpose`].
pub(super) fn interrupted(frames: &[(usize, usize)]) -> Option<Interrupted<'_>> {
    let entries = ENTRIES.map(|entry| entry as usize);
    let passes = PASSES.map(|pass| pass as usize);
    let outer = on_signal as Handler as usize;
    let (mut tag, mut chain) = (None, 0);
    let ours = || entries.iter().chain(&passes).copied().chain([outer]);
    for (index, &frame) in frames.iter().enumerate() {
        let Some(start) = function(frame, ours()) else {
            continue;
        };
        if start == outer {
            // The next frame is the system's, which returns from the signal.
            let frames = frames.get(index + 2..)?;
            return Some(Interrupted { tag: tag?, chain, frames });
        }
        if let Some(digit) = passes.iter().position(|pass| *pass == start) {
            // The highest digit is the innermost.
            chain = chain * DIGITS + digit;
        } else {
            let found = entries.iter().position(|entry| *entry == start)?;
            tag = Some(Tag(found as u8));
        }
    }
    None
}

/// The function out of `functions` that a frame is in. If the unwinder does not know the start of functions, as on
/// macOS, it gives the instruction's address twice; then it is the nearest function before it.
fn function((address, start): (usize, usize), functions: impl Iterator<Item = usize>) -> Option<usize> {
    let is_near = |function: usize| (function..function + REACH).contains(&address);
    functions.filter(|&function| if start == address { is_near(function) } else { start == function }).max()
}

/// The action of SIGPROF in this process.
pub(super) struct Action(libc::sigaction);

impl Action {
    /// The current action.
    pub fn current() -> std::io::Result<Action> {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: no new action is given; the old one is written to memory that is large enough, and
        // all-zero bytes are a valid sigaction.
        let (failed, action) =
            unsafe { (libc::sigaction(libc::SIGPROF, std::ptr::null(), action.as_mut_ptr()), action.assume_init()) };
        if failed != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Action(action))
    }

    /// Whether the action is a function.
    pub fn is_handler(&self) -> bool {
        !matches!(self.0.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
    }

    /// Whether the signal comes to [`on_signal`].
    pub fn is_ours(&self) -> bool {
        self.0.sa_sigaction == on_signal as Handler as usize
    }

    /// Sets it. If that is the default action, which ends the process, no signal may be pending.
    pub fn set(&self) -> std::io::Result<()> {
        // SAFETY: the action came from `current`, with at most the handler replaced by `on_signal`, which has the type
        // that SA_SIGINFO requires and may be called at any time.
        match unsafe { libc::sigaction(libc::SIGPROF, &self.0, std::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// Puts [`on_signal`] before the handler that pprof has installed.
pub(super) fn interpose() -> std::io::Result<()> {
    let mut action = Action::current()?;
    let pprof = action.0.sa_sigaction;
    if action.0.sa_flags & libc::SA_SIGINFO == 0 || !action.is_handler() {
        return Err(std::io::Error::other("pprof has set no handler"));
    }
    for counter in SIGNALS.iter().chain(&SERVED) {
        counter.store(0, Ordering::Relaxed);
    }
    LAST.store(0, Ordering::Relaxed);
    PPROF.store(pprof, Ordering::Release);
    action.0.sa_sigaction = on_signal as Handler as usize;
    action.set()
}
