//! What this machine's arithmetic can do at most, measured once and kept per machine.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cache::{self, Measured};
use super::{compute, together};
use crate::machine::platform;
use crate::model::comparison::{Machine, PeakDetail};

/// How long one of the measurements may take after its first run.
const BUDGET: Duration = Duration::from_millis(60);
/// Steps of one run, a few milliseconds.
const STEPS: u64 = 1_000_000;
const ELEMENTS: [&str; 2] = ["float32", "float64"];

/// The peak of this machine, from the cache or, where it is not there or `fresh` is set, measured (about a quarter of a
/// second).
pub fn peak(machine: &Machine, fresh: bool) -> Measured<PeakDetail> {
    let dir = platform::cache_dir();
    cache::kept_or_measured(dir.as_deref(), machine, fresh, || measure(machine.cores, STEPS))
}

/// The most by element type and number of threads, in the form of [`Machine::peak_gflop_s`].
pub fn most(details: &[PeakDetail], cores: u32) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut most = BTreeMap::new();
    for element in ELEMENTS {
        let of = details.iter().filter(|detail| detail.dtype == element);
        let by_threads = cache::most(of.map(|detail| (detail.threads, detail.gflop_s)), cores);
        if !by_threads.is_empty() {
            most.insert(element.to_owned(), by_threads);
        }
    }
    most
}

impl cache::Detail for PeakDetail {
    const FILE: &'static str = "compute-peak";
    const WHAT: &'static str = "the compute peak";

    fn value(&self) -> f64 {
        self.gflop_s
    }
}

/// Both element types with one thread and, where there are more, with `threads`.
fn measure(threads: u32, steps: u64) -> Vec<PeakDetail> {
    let way = compute::widest();
    let counts = if threads > 1 { vec![1, threads] } else { vec![1] };
    let mut details = Vec::new();
    for (element, dtype) in ELEMENTS.into_iter().enumerate() {
        for &threads in &counts {
            let work = move || {
                way.run(element, steps);
            };
            let works = (0..threads).map(|_| work).collect();
            // A time that could not be taken is no peak.
            let Some(seconds) = together::fastest(works, BUDGET) else {
                continue;
            };
            let operations = way.operations(element, steps) as f64 * f64::from(threads);
            details.push(PeakDetail {
                dtype: dtype.to_owned(),
                vectors: way.name.to_owned(),
                threads,
                gflop_s: operations / seconds / 1e9,
            });
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_types_are_measured_on_one_thread_and_on_all() {
        let details = measure(3, 2_000);
        let kinds: Vec<(&str, u32)> = details.iter().map(|detail| (&*detail.dtype, detail.threads)).collect();
        assert_eq!(kinds, [("float32", 1), ("float32", 3), ("float64", 1), ("float64", 3)]);
        for detail in &details {
            assert!(detail.gflop_s.is_finite() && detail.gflop_s > 0.0, "{detail:?}");
        }
        let most = most(&details, 3);
        assert_eq!(most["float64"]["all"], details[3].gflop_s);
        assert!(super::most(&[], 3).is_empty(), "nothing measured is no zero");
    }
}
