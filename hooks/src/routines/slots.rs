//! The slots of loaded objects: finding, redirecting to wrappers, restoring.

use super::libraries::Libraries;
use super::{dlsym, instances};
use crate::platform::{self, Hold, Image, Import};
use crate::report::{Object, Report};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The observed objects.
pub(super) struct Slots {
    objects: Vec<Armed>,
    /// Objects, by path and address, without a slot of interest.
    empty: Option<HashSet<(String, usize)>>,
    generation: u64,
    /// The result of [`Slots::count`] at the last loading or unloading of an object.
    summary: Option<Report>,
}

/// An object with slots of ours, held loaded.
struct Armed {
    image: Image,
    slots: Vec<Slot>,
    _hold: Hold,
}

/// One slot that holds, or held, our pointer.
struct Slot {
    name: String,
    address: usize,
    original: usize,
    ours: usize,
    library: String,
}

impl Slot {
    fn cell(&self) -> &AtomicUsize {
        // SAFETY: `Image::imports` returns aligned addresses inside an object, which is held loaded as long as its
        // slots are known. The loader and other patchers write slots with single stores.
        unsafe { &*(self.address as *const AtomicUsize) }
    }
}

impl Slots {
    pub(super) const fn new() -> Self {
        Slots { objects: Vec::new(), empty: None, generation: 0, summary: None }
    }

    /// Patches new objects, and known slots that the loader has reset to their original. Looks for new objects if `all`
    /// is set or an object was loaded or unloaded.
    pub(super) fn scan(&mut self, all: bool, report: &mut Report) {
        self.help();
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

    /// Another thread was resolving a lazy slot while it was patched, so it holds its original now.
    fn help(&mut self) {
        for object in &self.objects {
            let lost = |s: &&Slot| s.cell().load(Ordering::Relaxed) == s.original;
            if object.slots.iter().any(|s| lost(&s)) {
                let _ = platform::unprotected(&object.image, || {
                    for slot in object.slots.iter().filter(lost) {
                        slot.exchange(slot.original, slot.ours);
                    }
                });
            }
        }
    }

    fn scan_objects(&mut self, report: &mut Report) {
        let images = platform::images();
        let libraries = Libraries::new(&images);
        let present: HashSet<_> = images.iter().map(|i| (i.path.clone(), i.bias)).collect();
        let mut empty = self.empty.take().unwrap_or_default();
        empty.retain(|key| present.contains(key));
        for image in images {
            let key = (image.path.clone(), image.bias);
            let known = self.objects.iter().any(|o| o.image.path == key.0 && o.image.bias == key.1);
            if known || empty.contains(&key) {
                continue;
            }
            match Armed::new(image, &libraries, report) {
                Some(armed) => self.objects.push(armed),
                None => _ = empty.insert(key),
            }
        }
        self.empty = Some(empty);
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

    /// Restores every slot that still holds our pointer, and releases the objects.
    pub(super) fn restore(&mut self, report: &mut Report) {
        for object in self.objects.drain(..) {
            let outcome = platform::unprotected(&object.image, || {
                object.slots.iter().filter(|s| !s.exchange(s.ours, s.original)).collect::<Vec<_>>()
            });
            match outcome {
                Ok(changed) => {
                    report.restored += object.slots.len() - changed.len();
                    for slot in changed {
                        report.refuse(
                            format!("{} in {}", slot.name, object.image.path),
                            "somebody else changed the slot meanwhile; it was left as it is",
                        );
                    }
                }
                Err(error) => {
                    report.refuse(&object.image.path, format!("cannot be made writable: {error}"));
                    // The object still holds our pointers, and the wrappers behind them pass calls on.
                    std::mem::forget(object);
                }
            }
        }
        (self.empty, self.summary) = (None, None);
    }
}

impl Slot {
    fn exchange(&self, from: usize, to: usize) -> bool {
        self.cell().compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl Armed {
    /// Patches an object; `None` if it has nothing to patch.
    fn new(image: Image, libraries: &Libraries, report: &mut Report) -> Option<Self> {
        let hold = image.hold()?;
        let wanted = |name: &str| name == dlsym::NAME || instances::is_routine(name);
        let imports = image.imports(&wanted);
        // By address: some linkers list a slot in two tables.
        let mut slots: HashMap<usize, Planned> = HashMap::new();
        for import in imports {
            match plan(&image, &hold, &import, libraries) {
                Ok(Some(planned)) => _ = slots.insert(import.slot, planned),
                Ok(None) => {}
                Err(why) => report.refuse(format!("{} in {}", import.name, image.path), why),
            }
        }
        if slots.is_empty() {
            return None;
        }
        let patched = platform::unprotected(&image, || patch(slots.into_values()));
        match patched {
            Ok(slots) => Some(Armed { image, slots, _hold: hold }),
            Err(error) => {
                report.refuse(&image.path, format!("its slots cannot be made writable: {error}"));
                None
            }
        }
    }
}

/// A slot before it is patched.
struct Planned {
    slot: Slot,
    /// The present value: the original, or the object's own stub.
    now: usize,
}

/// The plan for one import: nothing (`None`), or the reason that it cannot be observed.
fn plan(image: &Image, hold: &Hold, import: &Import, libraries: &Libraries) -> Result<Option<Planned>, String> {
    if let Some(why) = import.closed {
        return Err(why.into());
    }
    let mut slot =
        Slot { name: import.name.clone(), address: import.slot, original: 0, ours: 0, library: String::new() };
    let now = slot.cell().load(Ordering::Acquire);
    slot.original = if import.lazy && image.contains(now) {
        // If the stub were taken for the original, the loader would overwrite our pointer at the first call.
        let name = CString::new(import.name.as_str()).map_err(|e| e.to_string())?;
        platform::resolve(hold, &name, dlsym::real())
            .ok_or("it is bound at its first call, and no loaded library has it yet")?
    } else {
        now
    };
    if slot.original == 0 || instances::is_wrapper(slot.original) {
        return Ok(None);
    }
    if import.name == dlsym::NAME {
        if slot.original != dlsym::real() as usize {
            return Err("its dlsym is not the loader's own; symbols looked up through it are not seen".into());
        }
        slot.ours = dlsym::hook();
    } else {
        slot.library = libraries.of(slot.original);
        slot.ours = instances::wrapper(&import.name, slot.original, &slot.library)?;
    }
    Ok((now != slot.ours).then_some(Planned { slot, now }))
}

/// Stores our pointers; returns the changed slots.
fn patch(planned: impl Iterator<Item = Planned>) -> Vec<Slot> {
    planned.filter(|p| p.slot.exchange(p.now, p.slot.ours)).map(|p| p.slot).collect()
}
