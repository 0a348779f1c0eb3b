//! The scale kernel's own steps, through the observer table of `raptors-probes`.
//!
//! An entry probe opens a frame on a small stack of its thread, the return probe closes it and writes the record. The
//! stack has a fixed depth and no destructor, so nothing is allocated.

mod names;

use crate::record::{self, Open};
use crate::report::Report;
use crate::{sites, touch};
use names::Names;
use raptors_probes::{Observer, Text, set_observer};
use raptors_recording::SiteKind;
use raptors_recording::{Alloc, BackendCall, Chunk, Convert, Dispatch, Event, Free, Kind, Scale};
use std::cell::Cell;
use std::time::Instant;

/// Frames of one thread: scale → backend → chunk → alloc are four; nested user code may double that.
const FRAMES: usize = 16;

/// An entry whose return has not come yet.
#[derive(Clone, Copy)]
struct Frame {
    open: Open,
    site: u32,
    /// With what is known so far.
    event: Event,
}

impl Frame {
    const EMPTY: Frame = Frame { open: Open::NONE, site: 0, event: Event::Free(Free { bytes: 0, data: 0 }) };
}

struct Stack {
    frames: [Cell<Frame>; FRAMES],
    /// Entries without a return so far; may exceed the number of frames.
    len: Cell<usize>,
}

thread_local! {
    static STACK: Stack = const {
        Stack { frames: [const { Cell::new(Frame::EMPTY) }; FRAMES], len: Cell::new(0) }
    };
}

impl Stack {
    #[inline]
    fn enter(&self, event: Event, site: u32) {
        if event.kind() == Kind::Scale {
            self.forget_unwound();
        }
        let len = self.len.get();
        self.len.set(len + 1);
        if let Some(frame) = self.frames.get(len) {
            frame.set(Frame { open: Open::begin(), site, event });
        }
    }

    /// Scale operations do not nest: a panic left a frame of one that is still there.
    fn forget_unwound(&self) {
        let len = self.len.get().min(FRAMES);
        let stale = self.frames[..len].iter().position(|f| f.get().event.kind() == Kind::Scale);
        if let Some(frame) = stale {
            self.len.set(frame);
            self.frames[frame].get().open.abandon();
        }
    }

    fn forget_all(&self) {
        self.len.set(0);
    }

    /// Closes the innermost open frame of this kind; a panic left the frames inside it.
    #[inline]
    fn leave(&self, kind: Kind) -> Option<Frame> {
        let len = self.len.get();
        if len > FRAMES {
            self.len.set(len - 1);
            return None;
        }
        let at = self.frames[..len].iter().rposition(|f| f.get().event.kind() == kind)?;
        self.len.set(at);
        Some(self.frames[at].get())
    }
}

/// The thread is inside no step of the kernel: forgets entries whose return never came.
pub(crate) fn outermost() {
    STACK.with(Stack::forget_all);
}

fn enter(event: impl Into<Event>, site: u32) {
    STACK.with(|stack| stack.enter(event.into(), site));
}

/// Ends the innermost call of `kind`, with the arguments of its return; does nothing if its entry was not seen.
fn leave(kind: Kind, complete: impl FnOnce(&mut Event)) {
    if let Some(mut frame) = STACK.with(|stack| stack.leave(kind)) {
        complete(&mut frame.event);
        frame.open.end(frame.event, frame.site);
    }
}

static NAMES: Names = Names::new();

static OBSERVER: Observer = Observer {
    scale_entry: |n, item_size, factor_bits, variant| {
        enter(Scale { n, item_size, factor_bits, variant, ok: false }, 0);
    },
    scale_return: |_, returned| {
        leave(Kind::Scale, |event| {
            if let Event::Scale(Scale { ok, .. }) = event {
                *ok = returned != 0;
            }
        });
    },
    dispatch,
    alloc_entry: |bytes| enter(Alloc { bytes, ..Alloc::default() }, 0),
    alloc_return,
    free_entry: |data, bytes| enter(Free { bytes, data: data as u64 }, 0),
    free_return: |_, _| leave(Kind::Free, |_| ()),
    convert_entry: |direction, n, item_size| {
        enter(Convert { n, copied: false, item_size }, NAMES.site(SiteKind::Convert, direction, None));
    },
    convert_return: |_, _, returned| {
        leave(Kind::Convert, |event| {
            if let Event::Convert(Convert { copied, .. }) = event {
                *copied = returned != 0;
            }
        });
    },
    backend_entry: |backend, n, src, dst, factor_bits, item_size| {
        let call = BackendCall { n, src: src as u64, dst: dst as u64, factor_bits, item_size };
        enter(call, NAMES.site(SiteKind::Backend, backend, None));
    },
    backend_return: |_, _| leave(Kind::Backend, |_| ()),
    chunk_entry: |thread, start, end| enter(Chunk { thread, start, end }, 0),
    chunk_return: |_, _, _| leave(Kind::Chunk, |_| ()),
    // Rounds belong to the driver, which marks them in the run file itself.
    ..Observer::NOOP
};

fn dispatch(backend: Text, reason: Text, threads: u32, n: u64) {
    let site = NAMES.site(SiteKind::Dispatch, backend, Some(reason));
    let now = record::ticks();
    record::push(Dispatch { n, threads }, record::depth(), site, now, now);
}

fn alloc_return(data: usize, bytes: u64, recycled: u32) {
    leave(Kind::Alloc, |event| *event = Alloc { bytes, data: data as u64, recycled: recycled != 0 }.into());
    // SAFETY: the kernel fires this when it has the memory and before it stores anything there.
    unsafe { touch::fresh(data, bytes) };
}

/// Records scale, dispatch, alloc, free, convert, backend and chunk events of the kernel in this library.
pub fn arm() -> Report {
    let begun = Instant::now();
    let mut report = Report::new("kernel");
    set_observer(Some(&OBSERVER));
    report.armed = raptors_probes::PROBES.len();
    if let Err(error) = sites::publish() {
        report.refuse("descriptions of call sites", error.to_string());
    }
    report.elapsed_ns = begun.elapsed().as_nanos() as u64;
    report
}

/// Stops recording them. An operation in progress is not recorded.
pub fn disarm() -> Report {
    set_observer(None);
    Report { restored: raptors_probes::PROBES.len(), ..Report::new("kernel") }
}
