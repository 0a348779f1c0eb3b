//! Names for frames with an address only.
//!
//! The name comes from the first of these that has the address: the module's own symbols, debug information in it or
//! beside it, the caller's [`Table`]. Otherwise the name is the module and the offset of the function. So no frame is
//! ever dropped.

mod debug;
mod demangle;
mod module;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use crate::profile::{Frame, FrameId, Named, Profile, file_name};
pub(crate) use demangle::demangle;
use module::Module;
pub use table::Table;

/// The directory in which distributions put debug information.
const DEBUG_ROOT: &str = "/usr/lib/debug";

/// Names frames, reading each module once.
pub struct Names {
    debug_root: PathBuf,
    table: Table,
    modules: HashMap<Arc<str>, Module>,
}

impl Default for Names {
    fn default() -> Names {
        Names { debug_root: DEBUG_ROOT.into(), table: Table::default(), modules: HashMap::new() }
    }
}

impl Names {
    /// With names that the caller knows.
    pub fn with_table(table: Table) -> Names {
        Names { table, ..Names::default() }
    }

    /// Looks for separate debug information under this directory instead of `/usr/lib/debug`.
    #[must_use]
    pub fn debug_root(mut self, directory: impl Into<PathBuf>) -> Names {
        self.debug_root = directory.into();
        self
    }

    /// The same samples with every frame named, inlined functions as frames of their own. Frames that
    /// came with a name keep it.
    pub fn name(&mut self, profile: &Profile) -> Profile {
        let mut named = Profile::default();
        let frames: Vec<Vec<FrameId>> = profile
            .frames()
            .iter()
            .map(|frame| self.frame(frame).into_iter().map(|frame| named.intern(frame)).collect())
            .collect();
        // A stack's parent comes before it, so the parent's frames are known.
        let mut stacks = Vec::new();
        for (parent, FrameId(frame)) in profile.stacks() {
            let parent = parent.map(|parent| stacks[parent.0 as usize]);
            let stack = frames[frame as usize].iter().fold(parent, |parent, &frame| Some(named.child(parent, frame)));
            stacks.push(stack.expect("a frame becomes at least one frame"));
        }
        for sample in profile.samples() {
            let thread = named.thread_id(profile.thread(sample.thread));
            let stack = stacks[sample.stack.0 as usize];
            named.add_weighed(stack, thread, sample.tag, sample.count, sample.weight);
        }
        named.set_unit(profile.unit());
        named
    }

    /// The frames that replace a frame, outermost first; at least one.
    fn frame(&mut self, frame: &Frame) -> Vec<Frame> {
        let (Named::Not, Some(offset)) = (frame.named, frame.offset) else {
            return vec![frame.clone()];
        };
        let module = self
            .modules
            .entry(frame.module.clone())
            .or_insert_with_key(|path| Module::read((**path).as_ref(), &self.debug_root));
        let function = module.function(offset);
        let found = module.find(offset);
        if found.is_empty() {
            let (name, named) = match self.table.find(&frame.module, offset, function.as_ref()) {
                Some(name) => (name, Named::Table),
                None => {
                    let start = function.map_or(offset, |function| function.start);
                    (format!("{}+{start:#x}", file_name(&frame.module)), Named::Offset)
                }
            };
            return vec![Frame { name: name.into(), named, ..frame.clone() }];
        }
        let inlined = |index: usize| index > 0;
        found
            .into_iter()
            .enumerate()
            .map(|(index, found)| Frame {
                name: found.name.into(),
                file: found.file,
                line: found.line,
                inlined: inlined(index),
                named: found.named,
                ..frame.clone()
            })
            .collect()
    }
}

impl Profile {
    /// The sources of the names of its native frames, and the number of different frames from each.
    pub fn named(&self) -> BTreeMap<Named, usize> {
        let mut named = BTreeMap::new();
        for frame in self.frames() {
            *named.entry(frame.named).or_default() += 1;
        }
        named
    }
}
