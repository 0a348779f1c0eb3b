//! Samples of the running process, by `pprof`'s signal timer.
//!
//! Frames are named `module+0xoffset`: pprof's own names leave out every frame of a stripped library,
//! and with them most of NumPy. Offsets can be named later, from symbols or from NumPy's loops.

use std::ffi::{CStr, c_int, c_void};

use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use crate::{Error, Folded};

/// A running sampler of this process, all threads, in CPU time. Dropping it ends it without a result.
#[must_use = "a sampler that is dropped at once has sampled nothing"]
pub struct Sampler(ProfilerGuard<'static>);

impl Sampler {
    /// Starts sampling, `frequency` times a second of CPU time; the kernel's timer (`CONFIG_HZ`) may
    /// hold it below that. Only one sampler can run in a process.
    ///
    /// # Errors
    /// [`Error::Capture`] where the timer or the signal handler cannot be set.
    pub fn start(frequency: u32) -> Result<Sampler, Error> {
        let frequency = c_int::try_from(frequency).unwrap_or(c_int::MAX);
        Ok(Sampler(
            ProfilerGuardBuilder::default()
                .frequency(frequency)
                .build()?,
        ))
    }

    /// Ends sampling; the stacks with the thread's name as their root.
    ///
    /// # Errors
    /// [`Error::NoSamples`] where the process used too little CPU time for one; [`Error::Capture`].
    pub fn finish(self) -> Result<Folded, Error> {
        let report = self.0.report().build_unresolved()?;
        let mut folded = Folded::default();
        for (stack, count) in &report.data {
            let addresses: Vec<usize> = stack
                .frames
                .iter()
                .map(|frame| frame.ip() as usize)
                .collect();
            let thread = String::from_utf8_lossy(&stack.thread_name[..stack.thread_name_length]);
            let names = interrupted(&addresses)
                .iter()
                .rev()
                .map(|&address| name(address));
            let frames: Vec<String> = std::iter::once(thread.into_owned()).chain(names).collect();
            folded.add(
                frames.iter().map(String::as_str),
                u64::try_from(*count).unwrap_or(0),
            )?;
        }
        if folded.total() == 0 {
            return Err(Error::NoSamples);
        }
        Ok(folded)
    }
}

/// The frames, leaf first, that ran before the signal came: without the handler, which is in this
/// module, and the one frame that the system put between them.
fn interrupted(addresses: &[usize]) -> &[usize] {
    let own = module(interrupted as *const () as usize).map(|(base, _)| base);
    let handler = addresses
        .iter()
        .take_while(|address| module(**address).map(|m| m.0) == own)
        .count();
    addresses.get(handler + 1..).unwrap_or(&[])
}

/// A frame's address as `module+0xoffset`, or as it is where no module holds it.
fn name(address: usize) -> String {
    match module(address) {
        Some((base, name)) => format!("{name}+{:#x}", address - base),
        None => format!("{address:#x}"),
    }
}

/// Where the module that holds `address` was loaded, and its file name.
fn module(address: usize) -> Option<(usize, String)> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `dladdr` takes any address, valid or not, and writes to `info` only, which is large
    // enough; all-zero bytes are a valid Dl_info (null pointers).
    let (found, info) = unsafe {
        (
            libc::dladdr(address as *const c_void, info.as_mut_ptr()),
            info.assume_init(),
        )
    };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: not null, and `dladdr` points it at the NUL-terminated name in the loader's own list.
    // A module that is unloaded meanwhile would take it away; those we sample stay loaded.
    let path = unsafe { CStr::from_ptr(info.dli_fname) }.to_string_lossy();
    let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
    Some((info.dli_fbase as usize, name))
}
