//! The slots of all loaded objects: finding, redirecting to wrappers, restoring.

use super::dlsym;
use super::libraries::Libraries;
use super::object::{Armed, Restored, Slot};
use crate::platform;
use crate::report::{Object, Report};
use std::collections::{BTreeMap, HashSet};

/// The observed objects.
pub(super) struct Slots {
    objects: Vec<Armed>,
    /// Slots that somebody else changed while they were observed. Whoever did may call our wrapper, so a second wrapper
    /// around theirs would be one call counted twice.
    left: Vec<Armed>,
    /// Objects, by path and address, without a slot of interest.
    empty: Option<HashSet<(String, usize)>>,
    generation: u64,
    /// The result of [`Slots::count`] at the last change.
    summary: Option<Report>,
}

impl Slots {
    pub(super) const fn new() -> Self {
        Slots { objects: Vec::new(), left: Vec::new(), empty: None, generation: 0, summary: None }
    }

    /// Patches new objects, and known slots that the loader has bound meanwhile. Looks for new objects if `all` is set
    /// or an object was loaded or unloaded.
    pub(super) fn scan(&mut self, all: bool, report: &mut Report) {
        self.catch_up(report);
        let generation = platform::generation();
        if all || generation != self.generation {
            self.generation = generation;
            self.scan_objects(report);
            self.summary = Some(self.count());
        }
        if let Some(summary) = &self.summary {
            report.armed = summary.armed;
            report.symbols.clone_from(&summary.symbols);
            report.objects.clone_from(&summary.objects);
        }
    }

    fn catch_up(&mut self, report: &mut Report) {
        if !self.objects.iter().any(Armed::has_changed) {
            return;
        }
        let libraries = Libraries::new(&platform::images());
        let left = self.left_slots();
        for object in self.objects.iter_mut().filter(|object| object.has_changed()) {
            object.catch_up(&libraries, &left, report);
        }
        self.summary = Some(self.count());
    }

    fn left_slots(&self) -> Vec<Slot> {
        self.left.iter().flat_map(|object| &object.slots).cloned().collect()
    }

    fn scan_objects(&mut self, report: &mut Report) {
        let images = platform::images();
        let libraries = Libraries::new(&images);
        let present: HashSet<_> = images.iter().map(|i| (i.path.clone(), i.bias)).collect();
        let mut empty = self.empty.take().unwrap_or_default();
        empty.retain(|key| present.contains(key));
        let left = self.left_slots();
        for image in images {
            let key = (image.path.clone(), image.bias);
            if empty.contains(&key) || self.objects.iter().any(|object| object.is(&image)) {
                continue;
            }
            match Armed::new(image, &libraries, &left, report) {
                Some(armed) => self.objects.push(armed),
                None => _ = empty.insert(key),
            }
        }
        self.empty = Some(empty);
        for object in &mut self.left {
            self.objects.iter().for_each(|armed| object.forget(&armed.slots));
        }
        self.left.retain(|object| !object.slots.is_empty());
    }

    fn count(&self) -> Report {
        let mut summary = Report::new("routines");
        let mut symbols: BTreeMap<&str, usize> = BTreeMap::new();
        let mut between: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for object in &self.objects {
            for slot in object.slots.iter().filter(|s| s.name != dlsym::NAME) {
                *symbols.entry(&slot.name).or_default() += 1;
                *between.entry((&object.image.path, &slot.library)).or_default() += 1;
                summary.armed += 1;
            }
        }
        summary.symbols = symbols.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        let object = |((object, library), slots): ((&str, &str), usize)| Object {
            object: object.to_owned(),
            library: library.to_owned(),
            slots,
        };
        summary.objects = between.into_iter().map(object).collect();
        summary
    }

    /// Restores every slot that still holds our pointer, and releases the objects. Those that could not be made
    /// writable still hold our pointers; they stay known, and the next call tries again.
    pub(super) fn restore(&mut self, report: &mut Report) {
        for mut object in std::mem::take(&mut self.objects) {
            match object.restore(report) {
                Restored::All => {}
                Restored::ExceptLeft => self.left.push(object),
                Restored::None => self.objects.push(object),
            }
        }
        (self.empty, self.summary) = (None, None);
    }
}
