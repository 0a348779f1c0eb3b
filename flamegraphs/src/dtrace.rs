//! Stacks that DTrace printed: blocks of one stack each, the innermost frame first, and below it the number of its
//! samples, as `printa` writes an aggregation whose key is `ustack()`.
//!
//! inferno folds them too, but it drops the address of a frame that DTrace could not name, and cannot distinguish a
//! number on the stack from code. Both are needed here: without frame pointers, most callers are such numbers.

use std::io::BufRead;
use std::sync::Arc;

use crate::error::shown;
use crate::names::demangle;
use crate::profile::{Frame, FrameId, Profile};
use crate::{Error, Tag};

/// The text that the project's script prints instead of stacks.
const NOTHING: &str = "No sample was taken";
/// The thread's name: the stacks are those of all threads together.
const THREAD: &str = "";

/// The result of reading.
#[derive(Clone, Debug, Default)]
pub struct DtraceStacks {
    /// The samples, as those of side A.
    pub profile: Profile,
    /// Samples without a known caller, or whose stack continued at an address that is no code; the rest of such a stack
    /// is left out.
    pub cut: u64,
}

/// The position of an address of the sampled process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the code of a file: its path, and the offset in bytes from its load address.
    File(Arc<str>, u64),
    /// In no file's code.
    NoCode,
    /// The loaded files are unknown.
    Unknown,
}

/// Facts that the text does not contain.
pub struct Loaded<'a> {
    /// Returns the position of an address.
    pub place_of: &'a dyn Fn(u64) -> Place,
    /// The path of the loaded file of this name, if only one has it.
    pub path_of: &'a dyn Fn(&str) -> Option<Arc<str>>,
}

impl DtraceStacks {
    /// Reads the output of `dtrace -s profile_stacks.d`.
    ///
    /// # Errors
    /// [`Error::Dtrace`] with the number of the first invalid line, [`Error::DtraceCutOff`] if the end is missing,
    /// [`Error::NoSamples`] if there are none, [`Error::TooManySamples`], [`Error::Read`].
    pub fn read(text: impl BufRead) -> Result<DtraceStacks, Error> {
        let loaded = Loaded { place_of: &|_| Place::Unknown, path_of: &|_| None };
        Self::read_in(text, &loaded)
    }

    /// The same for a process whose loaded files are known: a frame without a name becomes a position to be named by
    /// [`crate::names`], and a stack ends before the first caller that is in no file's code.
    ///
    /// # Errors
    /// Those of [`DtraceStacks::read`].
    pub fn read_in(mut text: impl BufRead, loaded: &Loaded<'_>) -> Result<DtraceStacks, Error> {
        let mut reader = Reader { loaded, stacks: DtraceStacks::default(), stack: Vec::new(), ended: false, total: 0 };
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            if text.read_until(b'\n', &mut line).map_err(Error::Read)? == 0 {
                break;
            }
            number += 1;
            if line.last() != Some(&b'\n') {
                return Err(Error::DtraceCutOff);
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if text.starts_with(NOTHING) {
                return Err(Error::NoSamples);
            }
            reader.line(text).map_err(|wrong| match wrong {
                Wrong::Line(why) => Error::Dtrace { line: number, why, text: shown(text) },
                Wrong::TooMany => Error::TooManySamples,
            })?;
        }
        if !reader.stack.is_empty() {
            return Err(Error::DtraceCutOff);
        }
        if reader.stacks.profile.samples().is_empty() {
            return Err(Error::NoSamples);
        }
        Ok(reader.stacks)
    }
}

enum Wrong {
    Line(&'static str),
    TooMany,
}

struct Reader<'a> {
    loaded: &'a Loaded<'a>,
    stacks: DtraceStacks,
    /// Innermost frame first.
    stack: Vec<FrameId>,
    /// The rest of this stack is no code.
    ended: bool,
    total: u64,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), Wrong> {
        if line.is_empty() {
            return match self.stack.as_slice() {
                [] => Ok(()),
                _ => Err(Wrong::Line("a stack ends without its number of samples")),
            };
        }
        if line.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.count(line);
        }
        let frame = self.frame(line).ok_or(Wrong::Line("this is no frame of a stack"))?;
        match frame {
            _ if self.ended => {}
            Some(frame) => {
                let id = self.stacks.profile.intern(frame);
                self.stack.push(id);
            }
            None => self.ended = true,
        }
        Ok(())
    }

    fn count(&mut self, digits: &str) -> Result<(), Wrong> {
        let count: u64 = digits.parse().map_err(|_| Wrong::TooMany)?;
        self.total = self.total.checked_add(count).ok_or(Wrong::TooMany)?;
        if self.stack.is_empty() {
            let unknown = self.stacks.profile.intern(Frame::native("[unknown]"));
            self.stack.push(unknown);
        }
        if self.ended || self.stack.len() == 1 {
            self.stacks.cut += count;
        }
        if count > 0 {
            let profile = &mut self.stacks.profile;
            let thread = profile.thread_id(THREAD);
            profile.add(self.stack.iter().rev().copied(), thread, Tag::A, count);
        }
        self.stack.clear();
        self.ended = false;
        Ok(())
    }

    /// A frame: `` module`name+0x10 ``, `` module`0x7f00 `` or `0x7f00`. `Some(None)` if the address cannot be code.
    fn frame(&self, line: &str) -> Option<Option<Frame>> {
        // No symbol contains a backquote; a file's name may.
        let (module, name) = line.rsplit_once('`').unwrap_or(("", line));
        if let Some(address) = hexadecimal(name) {
            return Some(self.address(module, address));
        }
        if module.is_empty() || name.is_empty() {
            return None;
        }
        let name = match name.rsplit_once("+0x") {
            Some((before, digits)) if u64::from_str_radix(digits, 16).is_ok() => before,
            _ => name,
        };
        let path = (self.loaded.path_of)(module).unwrap_or_else(|| module.into());
        Some(Some(Frame { module: path, ..Frame::native(&demangle(name)) }))
    }

    fn address(&self, module: &str, address: u64) -> Option<Frame> {
        let is_caller = !self.stack.is_empty();
        // A call returns to the instruction after it, which may belong to another function.
        let inside = address.saturating_sub(u64::from(is_caller));
        match (self.loaded.place_of)(inside) {
            Place::File(path, offset) => Some(Frame::unnamed(path, offset)),
            Place::NoCode if is_caller => None,
            _ if module.is_empty() => Some(Frame::native(&format!("{address:#x}"))),
            _ => Some(Frame { module: module.into(), ..Frame::native(&format!("[{module}]")) }),
        }
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a real run of DTrace 2.0.7, with other numbers.
    const STACKS: &str = "


              libscipy_openblas64_-32a4b2a6.so`sgemm_kernel_SKYLAKEX+0x2ac4
                7

              libpython3.11.so.1.0`_PyObject_Free+0x37
              libc.so.6`0x7fd1d918c115
              0x3f8000003f800000
              libc.so.6`never+0x1
                2

              _native.so`_ZN14raptors_kernel5split3run17h0123456789abcdefE+0x5
              0x7000
                1
";

    fn read(text: &str) -> Result<DtraceStacks, Error> {
        DtraceStacks::read(text.as_bytes())
    }

    #[test]
    fn stacks_are_read_outermost_first_with_their_modules() {
        let stacks = read(STACKS).unwrap();
        let folded = stacks.profile.folded(Tag::A).unwrap().to_string();
        assert_eq!(
            folded,
            "0x7000;raptors_kernel::split::run 1\n\
             never;0x3f8000003f800000;[libc.so.6];_PyObject_Free 2\n\
             sgemm_kernel_SKYLAKEX 7\n"
        );
        let frames = stacks.profile.frames();
        let frame = frames.iter().find(|frame| &*frame.name == "never").unwrap();
        assert_eq!(&*frame.module, "libc.so.6");
        assert_eq!(stacks.cut, 7);
    }

    #[test]
    fn addresses_are_places_of_files_and_what_is_no_code_ends_a_stack() {
        let loaded = Loaded {
            place_of: &|address| match address {
                0x7fd1_d918_c114 => Place::File("/lib/libc.so.6".into(), 0x1114),
                0x6fff => Place::File("/bin/a".into(), 0xfff),
                _ => Place::NoCode,
            },
            path_of: &|name| (name == "_native.so").then(|| "/opt/_native.so".into()),
        };
        let stacks = DtraceStacks::read_in(STACKS.as_bytes(), &loaded).unwrap();
        let folded = stacks.profile.folded(Tag::A).unwrap().to_string();
        assert_eq!(
            folded,
            "a+0xfff;raptors_kernel::split::run 1\nlibc.so.6+0x1114;_PyObject_Free 2\nsgemm_kernel_SKYLAKEX 7\n"
        );
        assert_eq!(stacks.cut, 9);
        let mut modules = stacks.profile.frames().iter().map(|frame| &*frame.module);
        assert!(modules.any(|module| module == "/opt/_native.so"));
    }

    #[test]
    fn the_innermost_frame_is_kept_wherever_it_is() {
        let loaded = Loaded { place_of: &|_| Place::NoCode, path_of: &|_| None };
        let stacks = DtraceStacks::read_in(&b"\n 0x10\n 0x20\n 3\n"[..], &loaded).unwrap();
        let folded = stacks.profile.folded(Tag::A).unwrap().to_string();
        assert_eq!((&*folded, stacks.cut), ("0x10 3\n", 3));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let said = |text| read(text).unwrap_err().to_string();
        assert!(said("\n  what is this\n  1\n").contains("line 2 of"));
        assert!(said("\n  a`b+0x1\n\n  1\n").contains("line 3 of"));
        assert!(matches!(read("\n  a`b+0x1\n"), Err(Error::DtraceCutOff)));
        assert!(matches!(read("\n  a`b+0x1\n  1"), Err(Error::DtraceCutOff)));
        let none = "No sample was taken in user code: the process slept.\n";
        assert!(matches!(read(none), Err(Error::NoSamples)));
        assert!(matches!(read(""), Err(Error::NoSamples)));
        let many = format!("\n  a`b\n  {0}\n\n  a`c\n  {0}\n", u64::MAX);
        assert!(matches!(read(&many), Err(Error::TooManySamples)));
        assert!(matches!(read("\n a`b\n 99999999999999999999999\n"), Err(Error::TooManySamples)));
    }

    #[test]
    fn every_cut_is_noticed_or_between_stacks() {
        for length in 0..STACKS.len() {
            match read(&STACKS[..length]) {
                Ok(_) => assert!(STACKS[..length].ends_with('\n'), "cut at {length}"),
                Err(error) => assert!(matches!(error, Error::DtraceCutOff | Error::NoSamples), "{length}: {error}"),
            }
        }
    }
}
