//! Between the timer's signal and pprof: whose sample it is.
//!
//! pprof counts equal stacks and keeps nothing else of a sample, so the side has to be in the stack:
//! there is one entry function for each [`Tag`], pprof's handler is called through it, and the stack
//! that it unwinds begins with the handler, the entry, [`on_signal`] and what the system put on top of
//! the interrupted code. A sampler that was started and stopped around each block would cost
//! tens of milliseconds a block, for pprof makes its table anew each time.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::Tag;

/// So many different tags can be told apart.
pub(super) const TAGS: usize = 8;
/// In place of a tag's number: nobody's code is being sampled.
const PAUSED: usize = usize::MAX;
/// How far into a function of this file a return address may be.
const REACH: usize = 512;

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

static CURRENT: AtomicUsize = AtomicUsize::new(PAUSED);
static SIGNALS: [AtomicU64; TAGS] = [const { AtomicU64::new(0) }; TAGS];
static SERVED: [AtomicU64; TAGS] = [const { AtomicU64::new(0) }; TAGS];
/// pprof's handler.
static PPROF: AtomicUsize = AtomicUsize::new(0);

const ENTRIES: [Handler; TAGS] = [
    entry::<0>, entry::<1>, entry::<2>, entry::<3>, entry::<4>, entry::<5>, entry::<6>, entry::<7>,
];

/// What the kernel calls. It allocates nothing and takes no lock, and neither does pprof on its way: where
/// another thread is in its handler it gives the sample up, which the counts then show.
extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let current = CURRENT.load(Ordering::Relaxed);
    let Some(entry) = ENTRIES.get(current) else {
        return;
    };
    entry(signal, info, context);
    // After the call, so that it is no tail call and this function is on the stack.
    SIGNALS[current].fetch_add(1, Ordering::Relaxed);
}

extern "C" fn entry<const TAG: usize>(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    let pprof = PPROF.load(Ordering::Acquire);
    if pprof == 0 {
        return;
    }
    // SAFETY: only `interpose` stores anything but 0, and that is the handler that pprof has just
    // installed with SA_SIGINFO, a function of this type that is never unloaded.
    let pprof = unsafe { std::mem::transmute::<usize, Handler>(pprof) };
    pprof(signal, info, context);
    // As above; and the index keeps the linker from folding the entries into one.
    SERVED[TAG].fetch_add(1, Ordering::Relaxed);
}

/// Gives the samples from now on to `tag`, or to nobody.
pub(super) fn give_to(tag: Option<Tag>) {
    let tag = tag.map_or(PAUSED, |tag| usize::from(tag.0));
    CURRENT.store(tag, Ordering::Relaxed);
}

/// Signals that came for each tag since [`interpose`].
pub(super) fn signals() -> [u64; TAGS] {
    std::array::from_fn(|tag| SIGNALS[tag].load(Ordering::Relaxed))
}

/// The tag of a stack that pprof took, and the frames, innermost first, that the signal interrupted.
/// Frames are pairs of the instruction's address and the start of its function. None where
/// the sample is from before [`interpose`].
pub(super) fn interrupted(frames: &[(usize, usize)]) -> Option<(Tag, &[(usize, usize)])> {
    let functions = ENTRIES.map(|entry| entry as usize);
    let outer = on_signal as Handler as usize;
    let mut tag = None;
    for (index, &frame) in frames.iter().enumerate() {
        match function(frame, functions.iter().copied().chain([outer])) {
            Some(start) if start == outer => {
                // The system's frame follows, which returns from the signal.
                return Some((tag?, frames.get(index + 2..)?));
            }
            Some(start) => {
                let found = functions.iter().position(|function| *function == start)?;
                tag = Some(Tag(found as u8));
            }
            None => {}
        }
    }
    None
}

/// Which of `functions` a frame is in. Where the unwinder does not know where functions start, as on
/// macOS, it gives the instruction's address twice; then the nearest one before it.
fn function(
    (address, start): (usize, usize),
    functions: impl Iterator<Item = usize>,
) -> Option<usize> {
    let is_near = |function: usize| (function..function + REACH).contains(&address);
    functions
        .filter(|&function| {
            if start == address {
                is_near(function)
            } else {
                start == function
            }
        })
        .max()
}

/// What SIGPROF does in this process.
pub(super) struct Action(libc::sigaction);

impl Action {
    /// As it is set now.
    pub fn current() -> std::io::Result<Action> {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: no new action is given; the old one is written to memory that is large enough, and
        // all-zero bytes are a valid sigaction.
        let (failed, action) = unsafe {
            (
                libc::sigaction(libc::SIGPROF, std::ptr::null(), action.as_mut_ptr()),
                action.assume_init(),
            )
        };
        if failed != 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Action(action))
    }

    /// Whether somebody's function is called.
    pub fn is_handler(&self) -> bool {
        !matches!(self.0.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
    }

    /// Sets it. Where that is the default, which ends the process, no signal may be on its way any more.
    pub fn set(&self) -> std::io::Result<()> {
        // SAFETY: the action is one that `current` has returned, with at most the handler replaced
        // by `on_signal`, which has the type that SA_SIGINFO asks for and may be called at any time.
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
    PPROF.store(pprof, Ordering::Release);
    action.0.sa_sigaction = on_signal as Handler as usize;
    action.set()
}
