//! Maps a probe's static strings to a site: a lock-free table by address.

use crate::sites;
use raptors_probes::Text;
use raptors_recording::{Site, SiteKind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The places in the table. Backends and reasons are a few dozen; with a full table, each name is looked up in the
/// registry.
const PLACES: usize = 256;

struct Place {
    /// The kind of site and the addresses of its strings, mixed; 0 = free.
    key: AtomicUsize,
    /// 0 while another thread registers it.
    site: AtomicU32,
}

/// Sites by the addresses of their names, which are static and so never change their meaning.
pub(super) struct Names([Place; PLACES]);

impl Names {
    pub(super) const fn new() -> Self {
        Names([const { Place { key: AtomicUsize::new(0), site: AtomicU32::new(0) } }; PLACES])
    }

    /// The site of `kind` with this name and detail; the first call registers it. Later calls neither allocate nor
    /// lock.
    #[inline]
    pub(super) fn site(&self, kind: SiteKind, name: Text, detail: Option<Text>) -> u32 {
        let key = mix(kind, name, detail);
        for step in 0..PLACES {
            let place = &self.0[((key >> 1).wrapping_add(step)) % PLACES];
            let found = place.key.load(Ordering::Acquire);
            if found == key {
                return place.site.load(Ordering::Acquire);
            }
            if found == 0 {
                return self.register(place, key, kind, name, detail);
            }
        }
        0
    }

    #[cold]
    fn register(&self, place: &Place, key: usize, kind: SiteKind, name: Text, detail: Option<Text>) -> u32 {
        if place.key.compare_exchange(0, key, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // Another thread took the place, with this key or another one.
            return self.site(kind, name, detail);
        }
        let text = |text: Text| text.to_c_str().to_string_lossy().into_owned();
        let site = sites::add(Site { kind, name: text(name), reason: detail.map(text), ..Site::default() });
        place.site.store(site, Ordering::Release);
        // If the run file takes no more documents, the name is lost, not the record.
        let _ = sites::publish();
        site
    }
}

/// One number for the kind and the two addresses; never 0.
#[inline]
fn mix(kind: SiteKind, name: Text, detail: Option<Text>) -> usize {
    let detail = detail.map_or(0, |d| d.as_ptr() as usize);
    let parts = [kind as usize, name.as_ptr() as usize, detail];
    let hash = parts
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_usize, |h, part| (h ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    hash | 1
}
