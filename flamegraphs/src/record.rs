//! A [`Profile`] as a document: written by the sampler, read by the drawing code.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::names::Build;
use crate::profile::{Frame, FrameId, Kind, Profile, StackId, Tag};
use crate::{Error, Named};

/// Samples as they were taken, before names are looked up: [`Profile::record`] makes it, and [`Record::profile`]
/// restores the profile. It has no weights, because they follow from counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    modules: Vec<String>,
    /// The builds of the modules, in their order; missing in the runs of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    builds: Vec<Option<Build>>,
    frames: Vec<Place>,
    /// The number of the parent, one above its index, 0 for none; and the frame's index.
    stacks: Vec<(u32, u32)>,
    threads: Vec<String>,
    /// Stack, thread, tag, count.
    samples: Vec<(u32, u32, u8, u64)>,
}

/// A frame as it was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// The module's index, and the offset in bytes from its load address.
    At(usize, u64),
    /// The name of native code.
    Native(String),
    /// Name, file and line.
    Python(String, String, u32),
    /// The name of a function of the operating system's kernel.
    Kernel(String),
}

impl Profile {
    /// The document from which the samples can be restored.
    pub fn record(&self) -> Record {
        let mut modules: Vec<String> = Vec::new();
        let mut module = |path: &Arc<str>| {
            let known = modules.iter().position(|known| **known == **path);
            known.unwrap_or_else(|| {
                modules.push(path.to_string());
                modules.len() - 1
            })
        };
        let place = |frame: &Frame| match (frame.kind, frame.named, frame.offset) {
            (_, Named::Not, Some(offset)) => Place::At(module(&frame.module), offset),
            (Kind::Python, ..) => Place::Python(
                frame.name.to_string(),
                frame.file.as_deref().unwrap_or_default().to_owned(),
                frame.line.unwrap_or(0),
            ),
            (Kind::Kernel, ..) => Place::Kernel(frame.name.to_string()),
            _ => Place::Native(frame.name.to_string()),
        };
        let frames = self.frames().iter().map(place).collect();
        let stacks = self.stacks().map(|(parent, frame)| {
            let parent = parent.map_or(0, |StackId(parent)| parent + 1);
            (parent, frame.0)
        });
        let samples = self.samples().iter().map(|sample| {
            let StackId(stack) = sample.stack;
            (stack, sample.thread, sample.tag.0, sample.count)
        });
        Record {
            // Empty without modules, as in a run of an earlier version.
            builds: modules.iter().map(|module| self.build(module).cloned()).collect(),
            frames,
            stacks: stacks.collect(),
            threads: self.threads().map(str::to_owned).collect(),
            samples: samples.collect(),
            modules,
        }
    }
}

impl Record {
    /// Restores the samples.
    ///
    /// # Errors
    /// [`Error::Record`] if an index in it is invalid, as in a damaged document.
    pub fn profile(&self) -> Result<Profile, Error> {
        let mut profile = Profile::default();
        let modules: Vec<Arc<str>> = self.modules.iter().map(|path| path.as_str().into()).collect();
        for (module, build) in modules.iter().zip(&self.builds) {
            if let Some(build) = build {
                profile.set_build(module.clone(), build.clone());
            }
        }
        let mut frames: Vec<FrameId> = Vec::new();
        for place in &self.frames {
            let frame = match place {
                Place::At(module, offset) => {
                    let module = modules.get(*module).ok_or(Error::Record("module"))?;
                    Frame::unnamed(module.clone(), *offset)
                }
                Place::Native(name) => Frame::native(name),
                Place::Python(name, file, line) => Frame::python(name, file, *line),
                Place::Kernel(name) => Frame { kind: Kind::Kernel, ..Frame::native(name) },
            };
            frames.push(profile.intern(frame));
        }
        let mut stacks: Vec<StackId> = Vec::new();
        for (parent, frame) in &self.stacks {
            let parent = match parent.checked_sub(1) {
                None => None,
                // A parent comes before its children.
                Some(index) => Some(*stacks.get(index as usize).ok_or(Error::Record("stack"))?),
            };
            let frame = frames.get(*frame as usize).ok_or(Error::Record("frame"))?;
            stacks.push(profile.child(parent, *frame));
        }
        let threads: Vec<u32> = self.threads.iter().map(|name| profile.thread_id(name)).collect();
        for &(stack, thread, tag, count) in &self.samples {
            let stack = stacks.get(stack as usize).ok_or(Error::Record("stack"))?;
            let thread = threads.get(thread as usize).ok_or(Error::Record("thread"))?;
            profile.add_weighed(*stack, *thread, Tag(tag), count, count as f64);
        }
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let mut profile = Profile::default();
        let main = profile.intern(Frame::python("main <1>", "a.py", 7));
        let code = profile.intern(Frame::unnamed("/lib/libx.so".into(), 0x40));
        let fault = profile.intern(Frame { kind: Kind::Kernel, ..Frame::native("asm_exc_page_fault") });
        profile.set_build("/lib/libx.so".into(), Build::id(&[1, 0xfe]));
        let (one, two) = (profile.thread_id("python"), profile.thread_id("worker"));
        profile.add([main, code], one, Tag::A, 3);
        profile.add([main, code, fault], one, Tag::B, 2);
        profile.add([code], two, Tag::B, 1);
        profile
    }

    #[test]
    fn what_was_recorded_comes_back() {
        let profile = profile();
        let json = serde_json::to_string(&profile.record()).unwrap();
        let again = serde_json::from_str::<Record>(&json).unwrap().profile().unwrap();
        assert_eq!(again.samples(), profile.samples());
        assert_eq!(again.frames(), profile.frames());
        assert_eq!(again.record(), profile.record());
        assert_eq!(again.build("/lib/libx.so"), Some(&Build::Id("01fe".into())));
        assert_eq!(again.thread(1), "worker");
    }

    #[test]
    fn a_number_that_leads_nowhere_is_an_error() {
        let whole = profile().record();
        let broken = |damage: &dyn Fn(&mut Record)| {
            let mut record = whole.clone();
            damage(&mut record);
            record.profile().is_err()
        };
        assert!(broken(&|record| record.modules.clear()));
        assert!(broken(&|record| record.frames.truncate(1)));
        assert!(broken(&|record| record.stacks.swap(0, 1)));
        assert!(broken(&|record| record.stacks.clear()));
        assert!(broken(&|record| record.threads.clear()));
    }
}
