//! Whose SIGPROF and its timer are: the sampled program may take either at any moment, and then keeps it.

use std::io;
use std::mem::MaybeUninit;

use super::signal::Action;
use crate::Tag;

/// The action of SIGPROF and the timer that raises it, as they are at one moment.
pub(super) struct Found {
    action: Action,
    timer: libc::itimerval,
}

/// The sampler's own timer.
#[derive(Clone, Copy)]
pub(super) struct Own(libc::itimerval);

impl Default for Own {
    fn default() -> Self {
        Own(OFF)
    }
}

impl Own {
    /// The timer that pprof has just set.
    pub fn current() -> io::Result<Own> {
        let mut timer = timer()?;
        // Its first signal comes after a whole interval, if it has to be set again.
        timer.it_value = timer.it_interval;
        Ok(Own(timer))
    }
}

impl Found {
    /// The present state.
    pub fn now() -> io::Result<Found> {
        Ok(Found { action: Action::current()?, timer: timer()? })
    }

    /// Whether the sampler gets the signals of its own timer.
    pub fn is_ours(&self, own: Own) -> bool {
        self.action.is_ours() && self.has_timer(own)
    }

    /// By the interval alone: the rest of the time is 0 too where it is under a microsecond.
    fn has_timer(&self, own: Own) -> bool {
        same(&self.timer.it_interval, &own.0.it_interval)
    }

    fn is_stopped(&self) -> bool {
        !is_set(&self.timer.it_value) && !is_set(&self.timer.it_interval)
    }

    /// Stops the sampler's timer where its signals go to another handler, which has not asked for them. Before a block
    /// of a side it is set again, if it was stopped and the handler is ours. Returns whether the sampler gets the
    /// signals of its timer now.
    pub fn settle(&self, own: Own, next: Option<Tag>) -> io::Result<bool> {
        match (self.action.is_ours(), self.has_timer(own)) {
            (true, true) => Ok(true),
            (false, true) => set_timer(&OFF).map(|()| false),
            (true, false) if next.is_some() && self.is_stopped() => set_timer(&own.0).map(|()| true),
            _ => Ok(false),
        }
    }

    /// After the sampler's end, which has stopped every timer and ignores the signal: what was another program's is
    /// its own again, and in the place of ours is the action from before.
    pub fn give_back(&self, before: &Action, own: Own) -> io::Result<()> {
        if self.action.is_ours() {
            before.set()?
        } else {
            self.action.set()?
        }
        let is_others = !self.is_stopped() && !self.has_timer(own);
        if is_others { set_timer(&self.timer) } else { Ok(()) }
    }
}

const OFF: libc::itimerval = {
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    libc::itimerval { it_interval: never, it_value: never }
};

fn is_set(time: &libc::timeval) -> bool {
    (time.tv_sec, time.tv_usec) != (0, 0)
}

fn same(a: &libc::timeval, b: &libc::timeval) -> bool {
    (a.tv_sec, a.tv_usec) == (b.tv_sec, b.tv_usec)
}

fn timer() -> io::Result<libc::itimerval> {
    let mut timer = MaybeUninit::<libc::itimerval>::zeroed();
    // SAFETY: getitimer writes to memory that is large enough, and all-zero bytes are a valid itimerval.
    let (failed, timer) = unsafe { (libc::getitimer(libc::ITIMER_PROF, timer.as_mut_ptr()), timer.assume_init()) };
    if failed == 0 { Ok(timer) } else { Err(io::Error::last_os_error()) }
}

fn set_timer(timer: &libc::itimerval) -> io::Result<()> {
    // SAFETY: setitimer reads `timer`, and takes null for the old one, which nobody asks for.
    match unsafe { libc::setitimer(libc::ITIMER_PROF, timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
