//! One loaded object's slots: what each should hold, and the change.

use super::libraries::Libraries;
use super::{dlsym, instances};
use crate::platform::{self, Hold, Image, Import, Scopes};
use crate::report::Report;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An object with slots of ours, or with some that may become ours, held loaded.
pub(super) struct Armed {
    pub image: Image,
    pub slots: Vec<Slot>,
    /// Imports that the loader binds at their first call, and to what is not certain before.
    waiting: Vec<Import>,
    _hold: Hold,
}

/// One slot that holds, or held, our pointer.
#[derive(Clone)]
pub(super) struct Slot {
    pub name: String,
    pub library: String,
    address: usize,
    /// The value before ours: the original, or the object's own stub, which asks the loader.
    before: usize,
    original: usize,
    ours: usize,
}

fn cell(address: usize) -> &'static AtomicUsize {
    // SAFETY: `Image::imports` returns aligned addresses inside an object, which is held loaded as long as its imports
    // are known. The loader and other patchers write slots with single stores.
    unsafe { &*(address as *const AtomicUsize) }
}

impl Slot {
    fn value(&self) -> usize {
        cell(self.address).load(Ordering::Acquire)
    }

    fn exchange(&self, from: usize, to: usize) -> bool {
        cell(self.address).compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Whether the slot holds what it would hold without us again. Where the loader bound it meanwhile, it does.
    fn restore(&self) -> bool {
        self.exchange(self.ours, self.before) || [self.original, self.before].contains(&self.value())
    }
}

/// A slot before it is patched.
struct Planned {
    slot: Slot,
    now: usize,
    import: Import,
}

/// The reason that an import is not observed.
enum Refused {
    /// It may be after its first call.
    Unbound(Import, String),
    Never(Import, String),
}

impl Armed {
    /// Patches an object; `None` if it has nothing to patch. `left` are slots that could not be restored, of any
    /// object.
    pub(super) fn new(image: Image, libraries: &Libraries, left: &[Slot], report: &mut Report) -> Option<Self> {
        let hold = image.hold()?;
        let wanted = |name: &str| name == dlsym::NAME || instances::is_routine(name);
        let imports = image.imports(&wanted);
        let mut object = Armed { image, slots: Vec::new(), waiting: Vec::new(), _hold: hold };
        object.add(imports, libraries, left, report);
        (!object.slots.is_empty() || !object.waiting.is_empty()).then_some(object)
    }

    /// Whether this is the object at this place.
    pub(super) fn is(&self, image: &Image) -> bool {
        self.image.path == image.path && self.image.bias == image.bias
    }

    /// Patches what can be patched of these imports.
    fn add(&mut self, imports: Vec<Import>, libraries: &Libraries, left: &[Slot], report: &mut Report) {
        let planner = Planner { image: &self.image, libraries, left, scopes: OnceCell::new() };
        // By address: some linkers list a slot in two tables.
        let mut planned: HashMap<usize, Planned> = HashMap::new();
        for import in imports {
            match planner.plan(import) {
                Ok(Some(new)) => _ = planned.insert(new.slot.address, new),
                Ok(None) => {}
                Err(refused) => self.waiting.extend(refused.report(&self.image, report)),
            }
        }
        if planned.is_empty() {
            return;
        }
        match platform::unprotected(&self.image, || patch(planned.into_values())) {
            Ok((slots, missed)) => {
                self.slots.extend(slots);
                self.waiting.extend(missed);
            }
            Err(error) => report.refuse(&self.image.path, format!("its slots cannot be made writable: {error}")),
        }
    }

    /// Whether a slot is no longer as it was left: the loader has bound it.
    pub(super) fn has_changed(&self) -> bool {
        self.slots.iter().any(|s| s.value() == s.original) || self.waiting.iter().any(|i| !is_unbound(&self.image, i))
    }

    /// Observes slots that the loader has bound: in the middle of our patching, or at a first call that was waited for.
    pub(super) fn catch_up(&mut self, libraries: &Libraries, left: &[Slot], report: &mut Report) {
        // An object that cannot be made writable any more is as it is; the next attempt may succeed.
        let _ = platform::unprotected(&self.image, || {
            for slot in self.slots.iter_mut().filter(|s| s.value() == s.original) {
                slot.before = slot.original;
                slot.exchange(slot.original, slot.ours);
            }
        });
        let (unbound, bound) = self.waiting.drain(..).partition(|import| is_unbound(&self.image, import));
        self.waiting = unbound;
        self.add(bound, libraries, left, report);
    }

    /// Restores every slot that still holds our pointer; afterwards the slots are those that somebody else changed.
    pub(super) fn restore(&mut self, report: &mut Report) -> Restored {
        let outcome = platform::unprotected(&self.image, || {
            let slots = self.slots.iter().filter(|s| !s.restore());
            slots.cloned().collect::<Vec<_>>()
        });
        match outcome {
            Ok(changed) => {
                report.restored += self.slots.len() - changed.len();
                for slot in &changed {
                    let what = format!("{} in {}", slot.name, self.image.path);
                    report.refuse(what, "somebody else changed the slot meanwhile; it was left as it is");
                }
                (self.slots, self.waiting) = (changed, Vec::new());
                if self.slots.is_empty() { Restored::All } else { Restored::ExceptLeft }
            }
            Err(error) => {
                report.refuse(&self.image.path, format!("cannot be made writable: {error}"));
                Restored::None
            }
        }
    }

    /// Forgets slots that another list has.
    pub(super) fn forget(&mut self, slots: &[Slot]) {
        self.slots.retain(|own| slots.iter().all(|other| other.address != own.address));
    }
}

/// Whether a slot still holds the object's own stub.
fn is_unbound(image: &Image, import: &Import) -> bool {
    import.lazy && image.contains(cell(import.slot).load(Ordering::Acquire))
}

impl Refused {
    /// Adds it to the report; returns an import to look at again later.
    fn report(self, image: &Image, report: &mut Report) -> Option<Import> {
        let (import, why, waits) = match self {
            Refused::Unbound(import, why) => (import, why, true),
            Refused::Never(import, why) => (import, why, false),
        };
        report.refuse(format!("{} in {}", import.name, image.path), why);
        waits.then_some(import)
    }
}

/// How much of an object was restored.
pub(super) enum Restored {
    All,
    /// All but what somebody else changed.
    ExceptLeft,
    /// Its slots cannot be written.
    None,
}

/// Decides what the slots of one object should hold.
struct Planner<'a> {
    image: &'a Image,
    libraries: &'a Libraries,
    left: &'a [Slot],
    /// Made for the first slot that the loader has not bound yet; most objects have none.
    scopes: OnceCell<Scopes>,
}

impl Planner<'_> {
    /// The plan for one import: nothing (`None`), or the reason that it cannot be observed.
    fn plan(&self, import: Import) -> Result<Option<Planned>, Refused> {
        if let Some(why) = import.closed {
            return Err(Refused::Never(import, why.into()));
        }
        let now = cell(import.slot).load(Ordering::Acquire);
        if let Some(left) = self.left.iter().find(|slot| slot.address == import.slot) {
            if now == left.ours {
                return Ok(Some(Planned { slot: left.clone(), now, import }));
            }
            if now != left.original && now != left.before {
                let why = "somebody else changed the slot while it was observed, and may call our wrapper; it is left \
                           as it is";
                return Err(Refused::Never(import, why.into()));
            }
        }
        let original = if is_unbound(self.image, &import) {
            // If the stub were taken for the original, the loader would overwrite our pointer at the first call.
            let scopes = self.scopes.get_or_init(|| Scopes::of(self.image));
            match scopes.resolve(&import, dlsym::real()) {
                Ok(original) => original,
                Err(why) => return Err(Refused::Unbound(import, why)),
            }
        } else {
            now
        };
        if original == 0 || instances::is_wrapper(original) {
            return Ok(None);
        }
        match self.ours(&import.name, original) {
            Ok((_, ours)) if ours == now => Ok(None),
            Ok((library, ours)) => {
                let name = import.name.clone();
                let slot = Slot { name, library, address: import.slot, before: now, original, ours };
                Ok(Some(Planned { slot, now, import }))
            }
            Err(why) => Err(Refused::Never(import, why)),
        }
    }

    /// The library of an original, and our function for it.
    fn ours(&self, name: &str, original: usize) -> Result<(String, usize), String> {
        if name != dlsym::NAME {
            let library = self.libraries.of(original);
            let ours = instances::wrapper(name, original, &library)?;
            return Ok((library, ours));
        }
        if original != dlsym::real() as usize {
            return Err("its dlsym is not the loader's own; symbols looked up through it are not seen".into());
        }
        Ok((String::new(), dlsym::hook()))
    }
}

/// Stores our pointers; returns the changed slots, and the imports whose slots changed meanwhile.
fn patch(planned: impl Iterator<Item = Planned>) -> (Vec<Slot>, Vec<Import>) {
    let (mut slots, mut missed) = (Vec::new(), Vec::new());
    for Planned { slot, now, import } in planned {
        if slot.exchange(now, slot.ours) {
            slots.push(slot);
        } else {
            missed.push(import);
        }
    }
    (slots, missed)
}
