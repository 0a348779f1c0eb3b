//! The sampled stacks of a run, by case, with the names that the run itself can give.

use raptors_flamegraphs::names::{Names, Stored, Table};
use raptors_flamegraphs::{Profile, Record};
use raptors_recording::RoundKind;

use super::documents::{Documents, NAMES};
use super::marks::Round;
use super::{Run, stats};
use crate::model::comparison::Ci95;
use crate::model::error::{Error, Exit};
use crate::model::protocol::{CaseSpec, Samples};
use crate::model::tool::Engine;
use raptors_recording::{Site, SiteKind};

/// The samples of one case.
#[derive(Clone, Debug)]
pub struct CaseSamples {
    /// The case's number in the run, counted from 1.
    pub number: u64,
    /// The subject.
    pub case: CaseSpec,
    /// The sampler.
    pub engine: Engine,
    /// Samples between the rounds, which belong to no side.
    pub outside: u64,
    /// Warnings that limit the trust in them.
    pub troubles: Vec<String>,
    /// Stacks of both sides, with names; the weights are still counts.
    pub profile: Profile,
    /// Side A and side B.
    pub sides: [SideSamples; 2],
    /// The reason that the stacks have no Python functions.
    pub why_no_python: Option<String>,
    /// Why functions of the run have no names.
    pub why_no_names: Vec<String>,
}

/// The sampling of one side.
#[derive(Clone, Copy, Debug, Default)]
pub struct SideSamples {
    /// Samples in the profile.
    pub samples: u64,
    /// Samples that were given up.
    pub dropped: u64,
    /// CPU time of all threads while it was sampled, nanoseconds.
    pub cpu_ns: u64,
    /// Wall time of the rounds of sampling: the sampled ones, and those beside them that show its cost.
    pub wall_ns: u64,
    /// Operations that ran during sampling.
    pub operations: u64,
    /// Time of an operation with the sampler ÷ the time without, with its interval.
    pub cost: Option<(f64, Ci95)>,
}

impl SideSamples {
    /// Samples for each second of CPU time.
    pub fn rate(&self) -> f64 {
        self.samples as f64 / (self.cpu_ns as f64 / 1e9)
    }
}

/// The samples of a run, of every case that has some.
///
/// # Errors
/// A damaged document; a run without any sample, with the reason if it is known.
pub fn samples(run: &Run) -> Result<Vec<CaseSamples>, Error> {
    let cases = run.documents.spec.as_ref().map_or(&[][..], |spec| &spec.cases);
    let mut why_not = None;
    let mut taken = Vec::new();
    for document in &run.documents.samples {
        let sampler = &document.sampler;
        let Some(record) = &sampler.record else {
            why_not = sampler.why_not.clone();
            continue;
        };
        if let Some(case) = usize::try_from(document.case).ok().and_then(|case| cases.get(case)) {
            taken.push((document, case, record.profile().map_err(damaged)?));
        }
    }
    let mut names = names(&run.documents)?.recorded(run.started);
    // Of all cases at once, so that each module is read once.
    names.look_up(taken.iter().map(|(.., profile)| profile));
    let found: Vec<CaseSamples> = taken
        .iter()
        .map(|(document, case, profile)| CaseSamples {
            number: document.case + 1,
            case: (*case).clone(),
            engine: document.sampler.engine,
            outside: document.sampler.outside,
            troubles: document.sampler.troubles.clone(),
            profile: names.name(profile),
            sides: [0, 1].map(|side| run.side_samples(document, side)),
            why_no_python: document.sampler.why_no_python.clone(),
            why_no_names: names.warnings(),
        })
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let error = Error::new("there are no samples in this run").exit(Exit::NothingObserved);
    Err(match why_not {
        Some(why) => error.caused_by(Error::new(why)),
        None => error.help("make a new run with raptors-trace flamegraph; other commands do not sample"),
    })
}

/// The names of all sampled positions, to be kept in the run; `None` if it has no positions without a name.
///
/// # Errors
/// A damaged document.
pub fn looked_up(documents: &Documents) -> Result<Option<Stored>, Error> {
    let records = documents.samples.iter().filter_map(|document| document.sampler.record.as_ref());
    let profiles = records.map(Record::profile).collect::<Result<Vec<_>, _>>().map_err(damaged)?;
    let mut names = names(documents)?;
    names.look_up(&profiles);
    let stored = names.stored();
    Ok((!stored.is_empty()).then_some(stored))
}

fn names(documents: &Documents) -> Result<Names, Error> {
    let names = Names::with_table(table(documents));
    match &documents.names {
        Some(stored) => names.with_stored(stored).map_err(|error| in_document(NAMES, error)),
        None => Ok(names),
    }
}

fn damaged(error: raptors_flamegraphs::Error) -> Error {
    in_document("samples", error)
}

fn in_document(key: &str, error: raptors_flamegraphs::Error) -> Error {
    Error::new(format!("its document `{key}` is damaged")).caused_by(error)
}

/// NumPy's loops by the address of their code: a stripped NumPy has no other names for them.
fn table(documents: &Documents) -> Table {
    let mut table = Table::default();
    let mut sites: Vec<&Site> = documents.sites.values().collect();
    sites.sort_by_key(|site| site.id);
    for site in sites.into_iter().filter(|site| site.kind == SiteKind::Loop) {
        if let (Some(module), Some(offset)) = (&site.module, site.offset) {
            table.insert(module, offset, &site.name);
        }
    }
    table
}

impl Run {
    fn side_samples(&self, document: &Samples, side: usize) -> SideSamples {
        let of = |kind| self.of(document.case, side, kind);
        let (sampled, unsampled) = (of(RoundKind::Sampled), of(RoundKind::Unsampled));
        let took = sampled.iter().chain(&unsampled);
        let told = document.sampler.sides.iter().find(|told| told.side == side);
        let told = told.copied().unwrap_or_default();
        SideSamples {
            samples: told.samples,
            dropped: told.dropped,
            cpu_ns: told.cpu_ns,
            wall_ns: took.map(|&round| self.rounds[round].wall_ns).sum(),
            operations: sampled.iter().map(|&round| self.rounds[round].ops).sum(),
            cost: self.cost(&sampled, &unsampled),
        }
    }

    /// The effect of sampling on the time of an operation.
    fn cost(&self, sampled: &[usize], unsampled: &[usize]) -> Option<(f64, Ci95)> {
        let time = |index: usize| {
            let round: &Round = &self.rounds[index];
            round.per_op(round.wall_ns as f64)
        };
        // An unsampled round represents the sampled ones right before it.
        let pairs: Vec<f64> = unsampled
            .iter()
            .filter_map(|&after| {
                let before = sampled.iter().rev().find(|&&before| before < after)?;
                Some(time(*before) / time(after))
            })
            .collect();
        if pairs.len() < 3 {
            return None;
        }
        Some((stats::median(&pairs), stats::median_ci(&pairs, &vec![0; pairs.len()])))
    }
}
