//! The same samples as files for other tools.

mod chrome;
mod firefox;
mod pprof;
mod speedscope;

use std::fmt;
use std::str::FromStr;

use crate::profile::{FrameId, Profile, Sample, Unit};
use crate::{Error, Folded, Tag};

/// The format of a file for another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Folded text, sides under `A` and `B`: flamegraph.pl, inferno, speedscope. Counts of samples.
    Folded,
    /// Gzipped protobuf: `go tool pprof`, Pyroscope, Polar Signals.
    Pprof,
    /// JSON for speedscope.
    Speedscope,
    /// JSON for the Firefox Profiler.
    Firefox,
    /// Trace events for chrome://tracing and Perfetto.
    Chrome,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] = [Format::Folded, Format::Pprof, Format::Speedscope, Format::Firefox, Format::Chrome];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Folded => "folded",
            Format::Pprof => "pprof",
            Format::Speedscope => "speedscope",
            Format::Firefox => "firefox",
            Format::Chrome => "chrome",
        }
    }

    /// The end of its files' names, which the tools look for.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Folded => "folded",
            Format::Pprof => "pb.gz",
            Format::Speedscope => "speedscope.json",
            Format::Firefox => "firefox.json",
            Format::Chrome => "trace.json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Format, Error> {
        let found = Format::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| Error::Format(text.to_owned()))
    }
}

/// `profile` as a file of this format, all sides in it; `title` is the name that the tools show. Equal input gives
/// equal bytes.
///
/// If samples are weighed, weights are nanoseconds per operation, and a time line shows one operation made of all
/// samples, not the times at which they were taken.
///
/// # Errors
/// [`Error::NoSamples`] instead of an empty file; [`Error::Export`].
pub fn export(profile: &Profile, format: Format, title: &str) -> Result<Vec<u8>, Error> {
    if profile.samples().is_empty() {
        return Err(Error::NoSamples);
    }
    match format {
        Format::Folded => folded(profile),
        Format::Pprof => pprof::write(profile, title).map_err(Error::Export),
        Format::Speedscope => speedscope::write(profile, title),
        Format::Firefox => firefox::write(profile, title),
        Format::Chrome => chrome::write(profile, title),
    }
}

fn folded(profile: &Profile) -> Result<Vec<u8>, Error> {
    let several = profile.tags().len() > 1;
    let mut all = Folded::default();
    for &tag in profile.tags().keys() {
        let side = side(tag);
        let one = profile.folded(tag)?;
        for (stack, count) in one.stacks() {
            let root = several.then_some(side.as_str());
            all.add(root.into_iter().chain(stack.split(';')), count)?;
        }
    }
    Ok(all.to_string().into_bytes())
}

/// The name of a side.
fn side(tag: Tag) -> String {
    match tag {
        Tag::A => "A".to_owned(),
        Tag::B => "B".to_owned(),
        Tag(number) => format!("part {number}"),
    }
}

/// The name of the weights' unit.
fn unit(profile: &Profile) -> &'static str {
    match profile.unit() {
        Unit::Samples => "none",
        Unit::NanosecondsPerOperation => "nanoseconds",
    }
}

/// The samples by side and thread, as tools show them, in the order of their numbers.
fn by_thread(profile: &Profile) -> Vec<((Tag, u32), Vec<&Sample>)> {
    let mut threads = std::collections::BTreeMap::<_, Vec<&Sample>>::new();
    for sample in profile.samples() {
        threads.entry((sample.tag, sample.thread)).or_default().push(sample);
    }
    threads.into_iter().collect()
}

/// A sample's frames, outermost first.
fn frames(profile: &Profile, sample: &Sample) -> Vec<FrameId> {
    let mut frames: Vec<FrameId> = profile.frames_of(sample.stack).collect();
    frames.reverse();
    frames
}

/// The name of a thread, if its side has more than one.
fn thread_name(profile: &Profile, (tag, thread): (Tag, u32)) -> String {
    match profile.thread(thread) {
        "" => side(tag),
        name => format!("{}: {name}", side(tag)),
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Export(error.into()))
}
