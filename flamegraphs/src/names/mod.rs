//! Names for frames with an address only.
//!
//! The name comes from the first of these that has the address: the module's own symbols, debug information in it or
//! beside it, the caller's [`Table`]. Otherwise the name is the module and the offset of the function. So no frame is
//! ever dropped.
//!
//! A path in a recording is not trusted: only regular files of a bounded length are read. A file of another [`Build`]
//! than the sampled one gives no names, because they would be wrong.

mod build;
mod debug;
mod demangle;
mod file;
mod lines;
mod module;
mod stored;
mod table;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::Error;
use crate::profile::{Frame, FrameId, Named, Profile, file_name};
pub use build::Build;
pub(crate) use demangle::demangle;
use file::Refusal;
use module::{Function, Module, with_module};
pub use stored::Stored;
pub use table::Table;

/// The directory in which distributions put debug information.
const DEBUG_ROOT: &str = "/usr/lib/debug";

/// The functions at the offsets of each module, outermost first, at least one.
type Known = BTreeMap<Arc<str>, BTreeMap<u64, Vec<Function>>>;

/// Names frames, reading each module once for each profile.
pub struct Names {
    debug_root: PathBuf,
    table: Table,
    /// The time of the run, if the files may be later ones.
    recorded: Option<SystemTime>,
    known: Known,
    refused: BTreeMap<Arc<str>, Refusal>,
    warnings: Vec<String>,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            debug_root: DEBUG_ROOT.into(),
            table: Table::default(),
            recorded: None,
            known: Known::default(),
            refused: BTreeMap::new(),
            warnings: Vec::new(),
        }
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

    /// For samples of a run that began at this time: a file that changed later gives no names, unless the profile has
    /// its [`Build`].
    #[must_use]
    pub fn recorded(mut self, began: SystemTime) -> Names {
        self.recorded = Some(began);
        self
    }

    /// With the names that were looked up when the run ended.
    ///
    /// # Errors
    /// [`Error::Record`] if an index in the document is invalid.
    pub fn with_stored(mut self, stored: &Stored) -> Result<Names, Error> {
        self.known = stored.known()?;
        self.warnings = stored.warnings.clone();
        Ok(self)
    }

    /// All names that were looked up, to be kept with the samples.
    pub fn stored(&self) -> Stored {
        Stored::of(&self.known, self.warnings())
    }

    /// Why some functions have an offset instead of a name: a sentence for each reason.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.clone();
        warnings.extend(warnings::sentences(&self.refused));
        warnings
    }

    /// Looks up the names of all frames in these profiles.
    pub fn look_up<'a>(&mut self, profiles: impl IntoIterator<Item = &'a Profile>) {
        let mut wanted: BTreeMap<Arc<str>, (BTreeSet<u64>, Option<Build>)> = BTreeMap::new();
        for profile in profiles {
            for (module, offset) in profile.frames().iter().filter_map(unnamed) {
                let known = self.known.get(module).is_some_and(|known| known.contains_key(&offset));
                if !known {
                    let new = || (BTreeSet::new(), profile.build(module).cloned());
                    wanted.entry(module.clone()).or_insert_with(new).0.insert(offset);
                }
            }
        }
        for (module, (offsets, build)) in wanted {
            let functions = self.of_module(&module, &offsets, build.as_ref());
            self.known.entry(module).or_default().extend(offsets.into_iter().zip(functions));
        }
    }

    /// The functions at each of the offsets.
    fn of_module(&mut self, path: &Arc<str>, offsets: &BTreeSet<u64>, build: Option<&Build>) -> Vec<Vec<Function>> {
        let all = |module: &Module<'_>, table: &Table| -> Vec<Vec<Function>> {
            offsets.iter().map(|&offset| functions(module, table, path, offset)).collect()
        };
        let file = Path::new(&**path);
        // Relative to which directory? Parts of a process without a file have such names, too: `[vdso]`.
        if !file.is_absolute() {
            return all(&Module::empty(), &self.table);
        }
        let recorded = self.recorded;
        let is_right = |file: Option<&object::File<'_>>, about: &std::fs::Metadata| match (build, file, recorded) {
            (Some(build), Some(file), _) => build.is(file, about),
            (Some(_), None, _) => false,
            (None, _, Some(began)) => build::changed(about).is_none_or(|changed| changed <= began),
            (None, _, None) => true,
        };
        match with_module(file, &self.debug_root, is_right, |module| all(module, &self.table)) {
            Ok(functions) => functions,
            Err(refusal) => {
                // On macOS, libraries of the system have no file.
                let had_none = build.is_none() && (recorded.is_none() || cfg!(target_os = "macos"));
                if refusal != Refusal::Gone || !had_none {
                    self.refused.insert(path.clone(), refusal);
                }
                all(&Module::empty(), &self.table)
            }
        }
    }

    /// The same samples with every frame named, inlined functions as frames of their own. Frames that
    /// came with a name keep it.
    pub fn name(&mut self, profile: &Profile) -> Profile {
        self.look_up([profile]);
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
    fn frame(&self, frame: &Frame) -> Vec<Frame> {
        let functions = unnamed(frame).and_then(|(module, offset)| self.known.get(module)?.get(&offset));
        let Some(functions) = functions else {
            return vec![frame.clone()];
        };
        functions
            .iter()
            .enumerate()
            .map(|(index, function)| Frame {
                name: function.name.clone(),
                file: function.file.clone(),
                line: function.line,
                inlined: index > 0,
                named: function.named,
                ..frame.clone()
            })
            .collect()
    }
}

/// The position of a frame without a name.
fn unnamed(frame: &Frame) -> Option<(&Arc<str>, u64)> {
    match (frame.named, frame.offset) {
        (Named::Not, Some(offset)) => Some((&frame.module, offset)),
        _ => None,
    }
}

/// The functions at an offset, outermost first; at least one.
fn functions(module: &Module<'_>, table: &Table, path: &str, offset: u64) -> Vec<Function> {
    let found = module.find(offset);
    if !found.is_empty() {
        return found;
    }
    let function = module.function(offset);
    let (name, named) = match table.find(path, offset, function.as_ref()) {
        Some(name) => (name, Named::Table),
        None => {
            let start = function.map_or(offset, |function| function.start);
            (format!("{}+{start:#x}", file_name(path)), Named::Offset)
        }
    };
    vec![Function { name: name.into(), file: None, line: None, named }]
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
