//! Samples: stack, thread, side, count and weight.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use crate::names::Build;
use crate::text::printable;
use crate::{Error, Folded};

/// The name for an empty name.
const UNKNOWN: &str = "[unknown]";
/// The parent of a stack's outermost frame.
const NONE: u32 = u32::MAX;
/// The number of frames of complete stacks that are kept for a fast lookup, in 16 MiB.
const WHOLE: usize = 1 << 22;

/// The sampled side of a comparison, or another part of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u8);

impl Tag {
    /// The reference.
    pub const A: Tag = Tag(0);
    /// The side that is compared with it.
    pub const B: Tag = Tag(1);
}

/// The origin of a frame's code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Compiled code of the process.
    #[default]
    Native,
    /// A Python function.
    Python,
    /// The operating system's kernel.
    Kernel,
    /// Computed from another measurement, not sampled.
    Derived,
}

/// The source of a frame's name, in the order in which they are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// It came with its name.
    #[default]
    Given,
    /// The module's own `.symtab` or `.dynsym`.
    Symbols,
    /// The module's debug information, in it or beside it.
    DebugInfo,
    /// The caller's table.
    Table,
    /// None: the name is the module and the offset of the function, or else the address.
    Offset,
    /// Not looked for yet.
    Not,
}

/// A function at one position, in a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The readable name: demangled, without a hash.
    pub name: Arc<str>,
    /// The path of the file that holds its code; empty if unknown.
    pub module: Arc<str>,
    /// The offset in bytes of the instruction from the load address. For a caller it is an address inside the call, not
    /// the return address.
    pub offset: Option<u64>,
    /// The source file, if known.
    pub file: Option<Arc<str>>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The kind of its code.
    pub kind: Kind,
    /// Whether the compiler put it into the frame before it.
    pub inlined: bool,
    /// The source of its name.
    pub named: Named,
}

impl Frame {
    /// A frame of native code that has a name already.
    pub fn native(name: &str) -> Frame {
        Frame { name: name.into(), ..Frame::default() }
    }

    /// A Python function.
    pub fn python(name: &str, file: &str, line: u32) -> Frame {
        Frame { name: name.into(), file: Some(file.into()), line: Some(line), kind: Kind::Python, ..Frame::default() }
    }

    /// A frame with a position only: `offset` bytes after the load address of `module`.
    pub fn unnamed(module: Arc<str>, offset: u64) -> Frame {
        let name = format!("{}+{offset:#x}", file_name(&module)).into();
        Frame { name, module, offset: Some(offset), named: Named::Not, ..Frame::default() }
    }

    /// The module's file name; empty if the module is unknown.
    pub fn module_name(&self) -> &str {
        file_name(&self.module)
    }
}

/// The text after the last `/`.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A frame of a [`Profile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub(crate) u32);

/// A stack of a [`Profile`]: its innermost frame, which leads to all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(pub(crate) u32);

/// Equal samples, counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The stack.
    pub stack: StackId,
    /// The thread; see [`Profile::thread`].
    pub thread: u32,
    /// The side.
    pub tag: Tag,
    /// The number of times it was seen; 0 for a derived sample.
    pub count: u64,
    /// Their weight, in the profile's [`Unit`].
    pub weight: f64,
}

/// The unit of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// The number of samples.
    #[default]
    Samples,
    /// Nanoseconds of CPU time of one operation.
    NanosecondsPerOperation,
}

/// The relation of samples to work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// CPU seconds that one sample stands for.
    pub seconds_per_sample: f64,
    /// Operations that ran while the samples were taken.
    pub operations: f64,
}

impl Scale {
    /// The weight of one sample, in nanoseconds per operation.
    pub fn ns_per_operation(&self) -> f64 {
        self.seconds_per_sample * 1e9 / self.operations
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stack {
    parent: u32,
    frame: u32,
}

/// Samples with their stacks as one tree, and every different frame once.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    frames: Vec<Frame>,
    frame_ids: HashMap<Frame, u32, FxBuildHasher>,
    stacks: Vec<Stack>,
    stack_ids: FxHashMap<(u32, u32), u32>,
    /// Stacks that were added, by all their frames: most samples have a stack that was seen before.
    whole: FxHashMap<Box<[FrameId]>, StackId>,
    whole_frames: usize,
    threads: Vec<Arc<str>>,
    thread_ids: FxHashMap<Arc<str>, u32>,
    samples: Vec<Sample>,
    sample_ids: FxHashMap<(u32, u32, Tag), u32>,
    unit: Unit,
    builds: BTreeMap<Arc<str>, Build>,
}

impl Profile {
    /// The build of a module whose code was sampled, if it is known.
    pub fn build(&self, module: &str) -> Option<&Build> {
        self.builds.get(module)
    }

    /// Notes the build of a module, so that another build of it does not name this profile's frames later.
    pub fn set_build(&mut self, module: Arc<str>, build: Build) {
        self.builds.insert(module, build);
    }

    /// The number of this frame. An equal frame is kept once. Hidden characters in its texts become U+FFFD: names of
    /// symbols and of other programs' output go into terminals, pages and files for other tools.
    pub fn intern(&mut self, frame: Frame) -> FrameId {
        let frame = clean(frame);
        let next = self.frames.len() as u32;
        let id = *self.frame_ids.entry(frame).or_insert_with_key(|frame| {
            self.frames.push(frame.clone());
            next
        });
        FrameId(id)
    }

    /// The number of the thread with this name.
    pub fn thread_id(&mut self, name: &str) -> u32 {
        let name = &*printable(name);
        if let Some(&id) = self.thread_ids.get(name) {
            return id;
        }
        let (id, name) = (self.threads.len() as u32, Arc::<str>::from(name));
        self.threads.push(name.clone());
        self.thread_ids.insert(name, id);
        id
    }

    /// Adds `count` samples of a stack, outermost frame first. A count of 0, or no frames, adds nothing.
    pub fn add(&mut self, frames: impl IntoIterator<Item = FrameId>, thread: u32, tag: Tag, count: u64) {
        if count > 0
            && let Some(stack) = self.stack(frames)
        {
            self.add_weighed(stack, thread, tag, count, count as f64);
        }
    }

    /// The stack with these frames, outermost first; none without frames.
    pub fn stack(&mut self, frames: impl IntoIterator<Item = FrameId>) -> Option<StackId> {
        let frames: SmallVec<[FrameId; 64]> = frames.into_iter().collect();
        if let Some(&stack) = self.whole.get(&*frames) {
            return Some(stack);
        }
        let deeper = |parent, &frame: &FrameId| Some(self.child(parent, frame));
        let stack = frames.iter().fold(None, deeper)?;
        if self.whole_frames + frames.len() <= WHOLE {
            self.whole_frames += frames.len();
            self.whole.insert(frames.as_slice().into(), stack);
        }
        Some(stack)
    }

    /// The stack of `parent` with one more frame.
    pub(crate) fn child(&mut self, parent: Option<StackId>, frame: FrameId) -> StackId {
        let (parent, frame) = (parent.map_or(NONE, |parent| parent.0), frame.0);
        let next = self.stacks.len() as u32;
        StackId(*self.stack_ids.entry((parent, frame)).or_insert_with(|| {
            self.stacks.push(Stack { parent, frame });
            next
        }))
    }

    pub(crate) fn add_weighed(&mut self, stack: StackId, thread: u32, tag: Tag, count: u64, weight: f64) {
        let next = self.samples.len() as u32;
        let id = *self.sample_ids.entry((stack.0, thread, tag)).or_insert(next);
        if id == next {
            self.samples.push(Sample { stack, thread, tag, count: 0, weight: 0.0 });
        }
        let sample = &mut self.samples[id as usize];
        sample.count = sample.count.saturating_add(count);
        sample.weight += weight;
    }

    /// Converts the weights of this side's samples to nanoseconds per operation. In a profile with several sides, weigh
    /// each before you compare them.
    ///
    /// # Errors
    /// [`Error::Scale`] if the scale is not two positive numbers.
    pub fn weigh(&mut self, tag: Tag, scale: &Scale) -> Result<(), Error> {
        let each = scale.ns_per_operation();
        if !(each > 0.0 && each.is_finite()) {
            return Err(Error::Scale(*scale));
        }
        self.unit = Unit::NanosecondsPerOperation;
        for sample in self.samples.iter_mut().filter(|sample| sample.tag == tag) {
            sample.weight = sample.count as f64 * each;
        }
        Ok(())
    }

    /// The unit of the weights.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    pub(crate) fn set_unit(&mut self, unit: Unit) {
        self.unit = unit;
    }

    /// Every different sample.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub(crate) fn samples_mut(&mut self) -> &mut [Sample] {
        &mut self.samples
    }

    /// Every different frame; a [`FrameId`] is an index into them.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The frame with this number.
    ///
    /// # Panics
    /// If the number belongs to another profile.
    pub fn frame(&self, id: FrameId) -> &Frame {
        &self.frames[id.0 as usize]
    }

    /// The name of a sample's thread.
    pub fn thread(&self, id: u32) -> &str {
        self.threads.get(id as usize).map_or(UNKNOWN, |name| name)
    }

    /// The names of all threads, by their numbers.
    pub(crate) fn threads(&self) -> impl Iterator<Item = &str> {
        self.threads.iter().map(|name| &**name)
    }

    /// The frames of a stack, innermost first.
    pub fn frames_of(&self, stack: StackId) -> impl Iterator<Item = FrameId> {
        let at = |index: u32| self.stacks.get(index as usize);
        std::iter::successors(at(stack.0), move |stack| at(stack.parent)).map(|stack| FrameId(stack.frame))
    }

    /// Every stack after its parent: the number of the parent, and its own innermost frame.
    pub(crate) fn stacks(&self) -> impl Iterator<Item = (Option<StackId>, FrameId)> {
        self.stacks.iter().map(|stack| {
            let parent = (stack.parent != NONE).then_some(StackId(stack.parent));
            (parent, FrameId(stack.frame))
        })
    }

    /// The sides that have samples, in order, each with the number of its samples and their weight.
    pub fn tags(&self) -> BTreeMap<Tag, (u64, f64)> {
        let mut tags = BTreeMap::new();
        for sample in &self.samples {
            let (count, weight): &mut (u64, f64) = tags.entry(sample.tag).or_default();
            *count = count.saturating_add(sample.count);
            *weight += sample.weight;
        }
        tags
    }

    /// The samples of one side in the form of folded text: whole counts, without the thread.
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub fn folded(&self, tag: Tag) -> Result<Folded, Error> {
        let mut folded = Folded::default();
        for sample in self.samples.iter().filter(|sample| sample.tag == tag) {
            let mut names: Vec<&str> = self.frames_of(sample.stack).map(|id| &*self.frame(id).name).collect();
            names.reverse();
            folded.add(names, sample.count)?;
        }
        Ok(folded)
    }
}

fn clean(frame: Frame) -> Frame {
    let text = |text: Arc<str>| match printable(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(clean) => clean.into(),
    };
    let name = if frame.name.trim().is_empty() { UNKNOWN.into() } else { text(frame.name) };
    Frame { name, file: frame.file.map(text), ..frame }
}

impl From<&Folded> for Profile {
    /// Every stack as samples of side A. Folded text has names only; a name that ends in `_[k]`, perf's suffix, belongs
    /// to the system's kernel.
    fn from(folded: &Folded) -> Profile {
        let mut profile = Profile::default();
        let thread = profile.thread_id("");
        for (stack, count) in folded.stacks() {
            let frames: Vec<FrameId> = stack
                .split(';')
                .map(|name| {
                    let kernel = name.strip_suffix("_[k]");
                    let kind = kernel.map_or(Kind::Native, |_| Kind::Kernel);
                    profile.intern(Frame { kind, ..Frame::native(kernel.unwrap_or(name)) })
                })
                .collect();
            profile.add(frames, thread, Tag::A, count);
        }
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile::from(&Folded::parse("a;b 3\na;b;c 4\nd 1\n").unwrap())
    }

    #[test]
    fn stacks_share_their_beginnings_and_frames_are_kept_once() {
        let profile = profile();
        assert_eq!((profile.frames.len(), profile.stacks.len()), (4, 4));
        assert_eq!(profile.folded(Tag::A).unwrap().to_string(), "a;b 3\na;b;c 4\nd 1\n");
    }

    #[test]
    fn equal_samples_are_one() {
        let mut profile = profile();
        let frames = ["a", "b"].map(|name| profile.intern(Frame::native(name)));
        profile.add(frames, 0, Tag::A, 2);
        profile.add(frames, 0, Tag::B, 2);
        assert_eq!(profile.samples().len(), 4);
        assert_eq!(profile.tags()[&Tag::A], (10, 10.0));
        assert_eq!(profile.tags()[&Tag::B], (2, 2.0));
    }

    #[test]
    fn weights_are_time_per_operation() {
        let mut profile = profile();
        let scale = Scale { seconds_per_sample: 0.004, operations: 1000.0 };
        profile.weigh(Tag::A, &scale).unwrap();
        assert_eq!(profile.unit(), Unit::NanosecondsPerOperation);
        let (count, ns) = profile.tags()[&Tag::A];
        assert_eq!(count, 8);
        assert!((ns - 32_000.0).abs() < 1e-6, "{ns}");
    }

    #[test]
    fn a_scale_that_is_none_is_refused() {
        for (seconds_per_sample, operations) in [(0.004, 0.0), (0.0, 3.0), (f64::NAN, 1.0)] {
            let scale = Scale { seconds_per_sample, operations };
            assert!(profile().weigh(Tag::A, &scale).is_err(), "{scale:?}");
        }
    }

    #[test]
    fn no_samples_and_no_frames_add_nothing() {
        let mut profile = Profile::default();
        let frame = profile.intern(Frame::native(" "));
        profile.add([frame], 0, Tag::A, 0);
        profile.add([], 0, Tag::A, 3);
        assert!(profile.samples().is_empty());
        assert_eq!(&*profile.frame(frame).name, UNKNOWN);
    }
}
