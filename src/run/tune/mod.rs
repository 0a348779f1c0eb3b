//! `raptors-trace tune`: which backend of the kernel is fastest on this machine, by type, place, threads and size.
//!
//! Measured in this process, without Python. Each candidate runs in its own rounds, in turn with all others. It
//! replaces the shipped choice if the 95 % interval of the ratio shows that it is faster by at least 2 %. Streaming
//! stores must also be no slower for the next reader of the result. The result is the kernel's [`Table`], kept where
//! every later process finds it.

mod measure;

use std::path::PathBuf;

use raptors_kernel::{Backend, Dtype, Place, Row, Stores, Table};
use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::stats;
use crate::machine;
use crate::machine::files;
use crate::machine::interrupt::Interrupt;
use crate::model::comparison::Ci95;
use crate::model::error::Error;
use crate::model::progress::Progress;

/// The `schema` of what `--json` prints.
pub const SCHEMA: &str = "raptors-trace/tune/1";

/// A candidate must surely be faster than the shipped choice by this to replace it.
const WORTH_IT: f64 = 1.02;

/// Bytes of the smallest measured result, and the factor to each next one.
const SMALLEST: usize = 16 << 10;
const STEP: usize = 4;

/// The share of the free memory that source and result of the largest size may use.
const MEMORY_SHARE: u64 = 4;

/// The options.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The action.
    pub action: Action,
    /// Seconds for each type, place, number of threads and size.
    pub time: f64,
    /// The largest result, bytes.
    pub largest: usize,
}

/// The actions of `tune`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Measures, and keeps the table.
    Keep,
    /// Measures only.
    DryRun,
    /// Prints the table in use.
    Show,
}

/// The measurements, and the resulting table.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tuned {
    /// `raptors-trace/tune/1`.
    pub schema: &'static str,
    /// The machine, as the table names it.
    pub machine: String,
    /// The path that the table in use came from, or was written to; `None` if it was only printed.
    pub file: Option<String>,
    /// The reason that the shipped table is in use, if it is and nothing was measured.
    pub shipped_because: Option<String>,
    /// The measurements, in order; empty if the table was only printed.
    pub cases: Vec<Case>,
    /// The table, in the form of the file.
    pub table: String,
}

/// One type, place, number of threads and size.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Case {
    /// `float32` or `float64`.
    pub dtype: &'static str,
    /// `out` or `in`.
    pub place: &'static str,
    /// Threads a call may use.
    pub threads: usize,
    /// Bytes of the result.
    pub bytes: usize,
    /// The index of the chosen candidate.
    pub chosen: usize,
    /// The shipped choice first.
    pub candidates: Vec<Candidate>,
}

/// One backend with one kind of stores.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Candidate {
    /// The backend.
    pub backend: &'static str,
    /// `plain` or `stream`.
    pub stores: &'static str,
    /// Time of one operation, median over the rounds.
    pub ns: f64,
    /// Its 95 % interval.
    pub ns_ci95: Ci95,
    /// Time of one operation and a pass that reads its result; `None` if it decides nothing.
    pub then_read_ns: Option<f64>,
    /// The shipped choice's time ÷ this one's: above 1, this one is faster.
    pub ratio: f64,
    /// Its 95 % interval.
    pub ratio_ci95: Ci95,
    /// The reason that it cannot be used, however fast.
    pub refused: Option<String>,
    #[serde(skip)]
    way: (Backend, Stores),
}

/// Does what is asked for.
///
/// # Errors
/// When the user ends it, or the table cannot be written; nothing is kept then.
pub fn tune(options: &Options, progress: &mut dyn Progress) -> Result<Tuned, Error> {
    if options.action == Action::Show {
        return show();
    }
    let largest = within_memory(options.largest);
    if largest < options.largest {
        let (taken, asked) = (mib(largest), mib(options.largest));
        progress.note(&format!(
            "results of {asked} MiB do not fit into the free memory together with their sources: {taken} MiB is the \
             largest"
        ));
    }
    let plan = plan(largest);
    let cases = measure_all(&plan, options.time, progress)?;
    let rows = rows(&plan, &cases);
    let machine = raptors_kernel::machine();
    let table = Table::new(machine.clone(), rows)
        .map_err(|why| Error::new(format!("the measurements do not form a valid table: {why}")))?;
    let file = match options.action {
        Action::Keep => Some(keep(&table)?),
        Action::DryRun | Action::Show => None,
    };
    Ok(Tuned {
        schema: SCHEMA,
        machine,
        file: file.map(|path| path.display().to_string()),
        shipped_because: None,
        cases,
        table: table.to_string(),
    })
}

/// Measures the candidates of every case of the plan, `seconds` each.
fn measure_all(
    plan: &[(Dtype, Place, usize, usize)],
    seconds: f64,
    progress: &mut dyn Progress,
) -> Result<Vec<Case>, Error> {
    let interrupt = Interrupt::watch();
    let shipped = Table::shipped();
    let mut cases = Vec::with_capacity(plan.len());
    for (done, (dtype, place, threads, bytes)) in plan.iter().copied().enumerate() {
        let (type_name, place_name) = (dtype.name(), place.name());
        let text = format!("{type_name} {place_name}, {threads} threads, {} KiB", bytes >> 10);
        progress.update(done as f64 / plan.len() as f64, &text);
        let usual = shipped.row(dtype, place, threads, bytes);
        let ways = candidates((usual.backend, usual.stores), place, threads);
        let measured = match dtype {
            Dtype::Float32 => measure::case::<f32>(place, threads, bytes, &ways, seconds),
            Dtype::Float64 => measure::case::<f64>(place, threads, bytes, &ways, seconds),
        };
        if interrupt.asked() {
            return Err(Error::new("interrupted: the table is as it was before"));
        }
        cases.push(judge((dtype, place, threads, bytes), &ways, measured?));
    }
    Ok(cases)
}

fn show() -> Result<Tuned, Error> {
    let used = raptors_kernel::used().map_err(|error| {
        Error::new(error.to_string()).help("unset RAPTORS_TABLE, or set it to a file that `raptors-trace tune` wrote")
    })?;
    let (file, shipped_because) = match &used.origin {
        raptors_kernel::Origin::Shipped(why) => (None, Some(why.clone())),
        raptors_kernel::Origin::Measured(path) => (Some(path.display().to_string()), None),
    };
    Ok(Tuned {
        schema: SCHEMA,
        machine: used.table.machine.clone(),
        file,
        shipped_because,
        cases: Vec::new(),
        table: used.table.to_string(),
    })
}

/// Writes the table where the kernel looks for it.
fn keep(table: &Table) -> Result<PathBuf, Error> {
    let path = raptors_kernel::cache_file().ok_or_else(|| {
        Error::new("there is no directory to keep the table in")
            .help("set HOME or XDG_CACHE_HOME, or use --dry-run and name a table file with RAPTORS_TABLE")
    })?;
    let directory = files::directory_of(&path);
    std::fs::create_dir_all(directory)
        .map_err(|error| Error::new(format!("{} cannot be made", directory.display())).caused_by(error))?;
    files::write_whole(&path, table.to_string())?;
    Ok(path)
}

fn mib(bytes: usize) -> usize {
    bytes >> 20
}

/// The largest result for which source, result and the dropped result fit into the free memory.
fn within_memory(asked: usize) -> usize {
    let Some(free) = machine::available_memory() else {
        return asked;
    };
    let most = usize::try_from(free / MEMORY_SHARE).unwrap_or(usize::MAX);
    asked.min(most.max(SMALLEST))
}

/// The measurements, in order.
fn plan(largest: usize) -> Vec<(Dtype, Place, usize, usize)> {
    let sizes = std::iter::successors(Some(SMALLEST), |bytes| Some(bytes * STEP));
    let sizes: Vec<usize> = sizes.take_while(|bytes| *bytes <= largest).collect();
    let all = raptors_kernel::usable_threads();
    // 1, 2, 4 … and all.
    let counts = std::iter::successors(Some(1), |count| Some(count * 2));
    let mut threads: Vec<usize> = counts.take_while(|count| *count < all).collect();
    threads.push(all);
    let mut plan = Vec::new();
    for dtype in [Dtype::Float32, Dtype::Float64] {
        for place in [Place::Out, Place::In] {
            for threads in &threads {
                plan.extend(sizes.iter().map(|bytes| (dtype, place, *threads, *bytes)));
            }
        }
    }
    plan
}

/// What may run, the usual choice first. Of our own loops the vectors of this CPU, and what a system's library has
/// whose results may be NumPy's; with more than one thread also on a pool.
fn candidates(usual: (Backend, Stores), place: Place, threads: usize) -> Vec<(Backend, Stores)> {
    use raptors_kernel::Leaf;
    let mut ways = vec![usual];
    for backend in raptors_kernel::available() {
        let (leaf, shared) = match backend {
            Backend::Whole(leaf) => (leaf, false),
            Backend::Chunked(None) => (Leaf::Simd(None), false),
            Backend::Parallel(leaf) if threads > 1 => (leaf.unwrap_or(Leaf::Simd(None)), true),
            _ => continue,
        };
        let spelled = matches!(leaf, Leaf::Simd(Some(isa)) if isa != raptors_kernel::Isa::Sse2);
        let plain = match leaf {
            Leaf::Simd(None) => true,
            // `simd` is the widest of them already.
            Leaf::Simd(Some(_)) => spelled && !widest(leaf),
            Leaf::Accelerate(routine) => routine.is_some() && !shared || routine.is_none() && shared,
            _ => false,
        };
        if plain && !(shared && backend == Backend::Parallel(Some(Leaf::Simd(None)))) {
            ways.push((backend, Stores::Plain));
            if place == Place::Out && matches!(leaf, Leaf::Simd(_)) && !matches!(backend, Backend::Chunked(_)) {
                ways.push((backend, Stores::Stream));
            }
        }
    }
    let mut seen = Vec::new();
    ways.retain(|way| {
        let new = !seen.contains(way);
        seen.push(*way);
        new
    });
    ways
}

fn widest(leaf: raptors_kernel::Leaf) -> bool {
    let request = raptors_kernel::Request { backend: Some(Backend::SIMD), ..Default::default() };
    raptors_kernel::scaled(&[1.0f32], 1.0, &request).is_ok_and(|(_, choice)| choice.leaf == leaf)
}

/// The chosen candidate.
fn judge(
    (dtype, place, threads, bytes): (Dtype, Place, usize, usize),
    ways: &[(Backend, Stores)],
    measured: Vec<measure::Measured>,
) -> Case {
    let rounds = measured[0].ns.len();
    let placements = vec![0; rounds];
    let mut candidates: Vec<Candidate> = Vec::with_capacity(ways.len());
    for (way, of) in ways.iter().zip(&measured) {
        let ratios: Vec<f64> = measured[0].ns.iter().zip(&of.ns).map(|(usual, own)| usual / own).collect();
        candidates.push(Candidate {
            backend: way.0.name(),
            stores: way.1.name(),
            ns: stats::median(&of.ns),
            ns_ci95: stats::median_ci(&of.ns, &placements),
            then_read_ns: (!of.then_read_ns.is_empty()).then(|| stats::median(&of.then_read_ns)),
            ratio: stats::median(&ratios),
            ratio_ci95: stats::median_ci(&ratios, &placements),
            refused: of.refused.clone(),
            way: *way,
        });
    }
    // The next reader of the result must not pay for the operation's savings.
    let best_read = candidates
        .iter()
        .filter(|other| other.way.1 == Stores::Plain && other.refused.is_none())
        .filter_map(|other| other.then_read_ns)
        .fold(f64::INFINITY, f64::min);
    for candidate in &mut candidates {
        if candidate.way.1 == Stores::Stream
            && candidate.refused.is_none()
            && candidate.then_read_ns.is_some_and(|ns| ns > best_read)
        {
            candidate.refused = Some("slower together with reading its result".into());
        }
    }
    let chosen = choose(&candidates);
    Case { dtype: dtype.name(), place: place.name(), threads, bytes, chosen, candidates }
}

/// The fastest candidate that is surely worth it, else the usual one; if that one is refused, the fastest of all.
fn choose(candidates: &[Candidate]) -> usize {
    let usual_refused = candidates[0].refused.is_some();
    let admitted = candidates.iter().enumerate().filter(|(index, candidate)| {
        let surely = candidate.ratio_ci95[0] > 1.0 && candidate.ratio >= WORTH_IT;
        candidate.refused.is_none() && (usual_refused || *index == 0 || surely)
    });
    let fastest = admitted.min_by(|(_, a), (_, b)| a.ns.total_cmp(&b.ns));
    fastest.map_or(0, |(index, _)| index)
}

/// The table's rows: one for each size at which the choice changes.
fn rows(plan: &[(Dtype, Place, usize, usize)], cases: &[Case]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for ((dtype, place, threads, bytes), case) in plan.iter().copied().zip(cases) {
        let (backend, stores) = case.candidates[case.chosen].way;
        let first = bytes == SMALLEST;
        let same = rows.last().is_some_and(|row| (row.backend, row.stores) == (backend, stores));
        if first || !same {
            let bytes = if first { 0 } else { bytes };
            rows.push(Row { dtype, place, threads, bytes, backend, stores });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(ns: f64, ratio: f64, low: f64, refused: Option<&str>) -> Candidate {
        Candidate {
            backend: "simd",
            stores: "plain",
            ns,
            ns_ci95: [ns, ns],
            then_read_ns: None,
            ratio,
            ratio_ci95: [low, ratio],
            refused: refused.map(Into::into),
            way: (Backend::SIMD, Stores::Plain),
        }
    }

    #[test]
    fn the_usual_choice_stays_unless_another_is_surely_faster() {
        let usual = || candidate(100.0, 1.0, 1.0, None);
        assert_eq!(choose(&[usual(), candidate(80.0, 1.25, 1.2, None)]), 1);
        assert_eq!(choose(&[usual(), candidate(80.0, 1.25, 0.9, None)]), 0);
        assert_eq!(choose(&[usual(), candidate(99.0, 1.01, 1.005, None)]), 0);
        assert_eq!(choose(&[usual(), candidate(50.0, 2.0, 1.9, Some("inexact"))]), 0);
        let refused = candidate(100.0, 1.0, 1.0, Some("slower"));
        assert_eq!(choose(&[refused, candidate(120.0, 0.8, 0.7, None)]), 1);
    }

    #[test]
    fn rows_begin_where_the_choice_changes() {
        let plan: Vec<_> = plan(SMALLEST * STEP * STEP)
            .into_iter()
            .filter(|case| case.0 == Dtype::Float32 && case.1 == Place::Out && case.2 == 1)
            .collect();
        assert_eq!(plan.len(), 3);
        let case = |chosen| Case {
            dtype: "float32",
            place: "out",
            threads: 1,
            bytes: 0,
            chosen,
            candidates: vec![candidate(1.0, 1.0, 1.0, None), {
                let mut other = candidate(1.0, 1.0, 1.0, None);
                other.way = (Backend::SIMD, Stores::Stream);
                other
            }],
        };
        let made = rows(&plan, &[case(0), case(0), case(1)]);
        let told: Vec<_> = made.iter().map(|row| (row.bytes, row.stores)).collect();
        assert_eq!(told, [(0, Stores::Plain), (SMALLEST * STEP * STEP, Stores::Stream)]);
    }

    #[test]
    fn the_usual_choice_is_the_first_candidate_and_no_inexact_library_is_one() {
        for threads in [1, 2] {
            let ways = candidates((Backend::SIMD, Stores::Plain), Place::Out, threads);
            assert_eq!(ways[0], (Backend::SIMD, Stores::Plain));
            assert!(ways.contains(&(Backend::SIMD, Stores::Stream)));
            assert_eq!(ways.iter().any(|way| way.0 == Backend::PARALLEL), threads > 1);
            assert!(!ways.iter().any(|way| way.0.name().contains("openblas")));
        }
        let in_place = candidates((Backend::SIMD, Stores::Plain), Place::In, 1);
        assert!(in_place.iter().all(|way| way.1 == Stores::Plain));
    }
}
