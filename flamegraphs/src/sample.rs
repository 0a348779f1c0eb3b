//! The call graph that macOS's `sample` prints: a tree for each thread, with the samples of a function and all its
//! callees.
//!
//! A function is indented deeper than its caller, after blanks and the characters ``+!:|``. The form is that of
//! published reports; Apple does not document it, and no report was made for this project.

use std::sync::Arc;

use crate::error::shown;
use crate::names::demangle;
use crate::profile::{Frame, FrameId, Profile};
use crate::{Error, Tag};

/// The line before the trees.
const BEGIN: &str = "Call graph:";
/// The lines of which one follows the trees.
const ENDS: [&str; 2] = ["Total number in stack", "Sort by top of stack"];

/// Whether a text is a report of `sample`.
pub fn is_sample(text: &str) -> bool {
    text.lines().any(|line| line.trim_end() == BEGIN)
}

/// Reads a report of `sample`; its samples are those of side A. Waiting threads are sampled as well.
///
/// # Errors
/// [`Error::Sample`] with the number of the first invalid line, [`Error::SampleCutOff`] if the end is missing,
/// [`Error::NoSamples`] if there are none.
pub fn read_sample(text: &str) -> Result<Profile, Error> {
    let mut reader = Reader::default();
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        if !inside {
            inside = line.trim_end() == BEGIN;
            continue;
        }
        if ENDS.iter().any(|end| line.starts_with(end)) {
            reader.leave(0);
            if reader.profile.samples().is_empty() {
                return Err(Error::NoSamples);
            }
            return Ok(reader.profile);
        }
        if line.trim().is_empty() {
            continue;
        }
        reader.line(line).map_err(|why| Error::Sample { line: number, why, text: shown(line.trim()) })?;
    }
    Err(Error::SampleCutOff)
}

#[derive(Default)]
struct Reader {
    profile: Profile,
    thread: u32,
    /// The function of the previous line and its callers, outermost first.
    open: Vec<Open>,
    total: u64,
}

struct Open {
    column: usize,
    /// None for a thread.
    frame: Option<FrameId>,
    /// Samples in it and not in its callees, as far as they were read.
    own: u64,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let column = line.find(|c: char| !" +!:|".contains(c)).ok_or("there is no number of samples")?;
        let (count, rest) = line[column..].split_once(' ').ok_or("there is no name after the number")?;
        let count: u64 = count.parse().map_err(|_| "the number of samples is missing")?;
        self.leave(column);
        let frame = match self.open.last_mut() {
            Some(caller) => {
                caller.own = caller.own.checked_sub(count).ok_or("it has more samples than what calls it")?;
                Some(self.profile.intern(frame(rest.trim())))
            }
            None => {
                self.total = self.total.checked_add(count).ok_or("the numbers of samples are too large")?;
                let name = rest.trim().split("  ").next().unwrap_or_default();
                self.thread = self.profile.thread_id(name);
                None
            }
        };
        self.open.push(Open { column, frame, own: count });
        Ok(())
    }

    /// Ends the functions at `column` or deeper.
    fn leave(&mut self, column: usize) {
        while self.open.last().is_some_and(|open| open.column >= column) {
            let mut stack: Vec<FrameId> = self.open.iter().filter_map(|open| open.frame).collect();
            let Some(open) = self.open.pop().filter(|open| open.own > 0) else {
                continue;
            };
            if stack.is_empty() {
                stack.push(self.profile.intern(Frame::native("[unknown]")));
            }
            self.profile.add(stack, self.thread, Tag::A, open.own);
        }
    }
}

/// `name  (in module) + 12,20,…  [0x1,0x2,…]`, or the name alone.
fn frame(text: &str) -> Frame {
    let Some((name, rest)) = text.split_once("  (in ") else {
        let name = text.split("  ").next().unwrap_or(text);
        return Frame::native(&demangle(name));
    };
    let end = rest.find(") ").or(rest.rfind(')')).unwrap_or(rest.len());
    let module: Arc<str> = rest[..end].into();
    let name = match name.trim() {
        "???" => format!("[{module}]"),
        name => demangle(name),
    };
    Frame { module, ..Frame::native(&name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand after published reports; not from a Mac.
    const HAND_MADE: &str = include_str!("../tests/hand_made_sample.txt");

    fn folded(text: &str) -> String {
        read_sample(text).unwrap().folded(Tag::A).unwrap().to_string()
    }

    #[test]
    fn the_tree_becomes_stacks_with_what_each_function_has_itself() {
        assert!(is_sample(HAND_MADE));
        assert_eq!(
            folded(HAND_MADE),
            "start;main 100\n\
             start;main;-[Matrix scale:] 200\n\
             start;main;-[Matrix scale:];vDSP_vsmul 1500\n\
             start;main;[libquiet.dylib] 995\n\
             thread_start;_pthread_start;raptors_kernel::split::run;__psynch_cvwait 2795\n"
        );
        let profile = read_sample(HAND_MADE).unwrap();
        let threads: Vec<&str> = profile.samples().iter().map(|sample| profile.thread(sample.thread)).collect();
        assert!(threads.contains(&"Thread_5002: raptors-1"), "{threads:?}");
        let frame = |name: &str| {
            let mut frames = profile.frames().iter();
            frames.find(|frame| &*frame.name == name).unwrap().clone()
        };
        assert_eq!(&*frame("vDSP_vsmul").module, "libvDSP.dylib");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let said = |tree: &str| {
            let text = format!("{BEGIN}\n{tree}\nTotal number in stack\n");
            read_sample(&text).unwrap_err().to_string()
        };
        assert!(said("    what is this").contains("line 2 of"));
        assert!(said("    5 Thread_1\n    + 6 f  (in a)").contains("line 3 of"));
        assert!(said("    5").contains("no name"));
        assert!(said("    ").contains("no samples"));
        let cut = &HAND_MADE[..HAND_MADE.find("Total").unwrap()];
        assert!(matches!(read_sample(cut), Err(Error::SampleCutOff)));
    }
}
