//! Converts the results of tracers to the form of the in-process observers, and compares the two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use raptors_recording::{RoundKind, Site, SiteKind};

use super::Run;
use super::stats::median;
use crate::model::comparison::{
    Call, CallKind, CallTime, Case, Comparison, Control, Engine, EngineCount, ObserverCost,
};
use crate::model::error::{Error, Exit};
use crate::tracers::engines::{Called, Count, Pattern, Plan, Point, RoundKey, Traced};

/// The engine of every run.
const INPROCESS: &str = "inprocess";

/// See [`super::plan`].
pub fn plan(run: &Run, pid: u32) -> Result<Plan, Error> {
    let documents = &run.documents;
    let extension = documents
        .facts
        .extension
        .clone()
        .ok_or_else(|| Error::new("the driver has not reported the path of its extension yet"))?;
    let seen: BTreeSet<u32> =
        run.patterns.values().chain([&run.control]).flat_map(|patterns| patterns.sites()).collect();
    let mut sites: Vec<&Site> = documents
        .sites
        .values()
        .filter(|site| site.kind == SiteKind::Routine || (site.kind == SiteKind::Loop && seen.contains(&site.id)))
        .collect();
    // Observed code comes first, in case a tracer cannot watch all of it.
    sites.sort_by_key(|site| (!seen.contains(&site.id), site.id));
    Ok(Plan {
        pid,
        extension: Some(PathBuf::from(extension)),
        in_rounds: true,
        points: sites.into_iter().filter_map(point).collect(),
    })
}

fn point(site: &Site) -> Option<Point> {
    let kind = kind_of(site);
    let generalised = site.core_signature.is_some();
    Some(Point {
        site: site.id,
        kind,
        name: site.name.clone(),
        symbol: site.symbol.clone(),
        module: PathBuf::from(site.module.clone()?),
        address: site.offset,
        operands: if generalised { 3 } else { (site.nin + site.nout) as u32 },
        generalised,
        width: site.width.unwrap_or(64),
    })
}

fn kind_of(site: &Site) -> CallKind {
    match site.kind {
        SiteKind::Routine => CallKind::Routine,
        SiteKind::Backend => CallKind::Backend,
        _ => CallKind::Loop,
    }
}

/// Adds the results of a run's tracers to its comparison: a single engine replaces the in-process observers, several
/// are shown side by side.
///
/// # Errors
/// A single requested engine that could not be armed, or did not see its control.
pub fn add(run: &Run, comparison: &mut Comparison) -> Result<(), Error> {
    let asked = run.documents.spec.as_ref().map_or(&[][..], |spec| &spec.engines);
    let views: Vec<View> = run
        .documents
        .traced
        .iter()
        .enumerate()
        .map(|(number, traced)| View { run, traced, number: number as u64 })
        .collect();
    comparison.warnings.extend(views.iter().flat_map(|view| view.traced.warnings.clone()));
    match (asked, views.as_slice()) {
        ([only], [view]) if only != INPROCESS => view.replace(comparison),
        (_, []) => Ok(()),
        (_, views) => {
            beside(views, comparison);
            Ok(())
        }
    }
}

/// All engines with their counts, and a warning for each difference.
fn beside(views: &[View], comparison: &mut Comparison) {
    let inprocess = Engine {
        cost: comparison.observer_cost.clone().unwrap_or_default(),
        armed: true,
        counts: comparison.cases.iter().flat_map(counted_inside).collect(),
        ..Engine::default()
    };
    for view in views {
        let mut engine = view.engine(comparison);
        if engine.armed {
            let control = view.control();
            if !control.ok {
                engine.armed = false;
                engine.why_not = Some(unseen(&control));
                engine.counts.clear();
            }
            comparison.controls.push(control);
        }
        engine.differences = view.differences(&inprocess.counts, &engine.counts);
        comparison.warnings.extend(engine.differences.clone());
        comparison.engines.push(engine);
    }
    comparison.engines.insert(0, inprocess);
}

fn unseen(control: &Control) -> String {
    format!(
        "its control was not seen: {} of {} calls of {}",
        control.seen,
        control.expected,
        control.routine.as_deref().unwrap_or("a routine")
    )
}

fn counted_inside(case: &Case) -> Vec<EngineCount> {
    let mut sums: BTreeMap<(&str, CallKind, &str), f64> = BTreeMap::new();
    for (side, name) in [(&case.sides.a, "a"), (&case.sides.b, "b")] {
        for call in &side.calls {
            *sums.entry((name, call.kind, &call.name)).or_default() += call.calls_per_op;
        }
    }
    let label = case.label();
    sums.into_iter()
        .map(|((side, kind, name), calls_per_op)| EngineCount {
            case: label.clone(),
            side: side.to_owned(),
            kind,
            name: name.to_owned(),
            calls_per_op,
        })
        .collect()
}

/// One tracer's results, with their meaning in this run.
struct View<'a> {
    run: &'a Run,
    traced: &'a Traced,
    number: u64,
}

impl View<'_> {
    /// The number of operations that this tracer watched in one round.
    fn operations(&self, key: RoundKey) -> u64 {
        let kind = if key.unit { RoundKind::UnitTraced } else { RoundKind::Traced };
        self.run
            .of(key.case, key.side, kind)
            .iter()
            .map(|&i| &self.run.rounds[i])
            .filter(|round| round.placement == self.number)
            .map(|round| round.ops)
            .sum()
    }

    fn round(&self, case: usize, side: usize) -> RoundKey {
        RoundKey { case: case as u64, side, unit: false }
    }

    /// `a @ a`, through the routine if the tracer can watch it, else through the loop around it.
    fn control(&self) -> Control {
        let cases = self.run.documents.spec.as_ref().map_or(0, |spec| spec.cases.len());
        let key = self.round(cases, 0);
        let watched = |site: &&Site| self.traced.sites.contains(&site.id);
        let sites = || self.run.documents.sites.values().filter(watched);
        let seen_inside: BTreeSet<u32> = self.run.control.sites().collect();
        let gemm = sites().find(|site| {
            kind_of(site) == CallKind::Routine && site.name.contains("gemm") && seen_inside.contains(&site.id)
        });
        let matmul = sites().find(|site| seen_inside.contains(&site.id));
        let chosen = gemm.or(matmul);
        let calls = |site: &Site| -> u64 {
            let same = |count: &&Count| count.round == key && count.called == Called::Site(site.id);
            self.traced.counts.iter().filter(same).map(|count| count.calls).sum()
        };
        let (expected, seen) = (self.operations(key), chosen.map_or(0, calls));
        Control {
            engine: self.traced.engine.clone(),
            name: "a @ a".into(),
            routine: chosen.map(|site| site.name.clone()),
            expected,
            seen,
            ok: expected > 0 && seen == expected,
        }
    }

    /// The call patterns of one side of a case.
    fn calls(&self, case: usize, side: usize, inside: &[Call]) -> Vec<Call> {
        let key = self.round(case, side);
        let operations = self.operations(key) as f64;
        self.traced.patterns(key).iter().map(|pattern| self.call(key, pattern, operations, inside)).collect()
    }

    fn call(&self, key: RoundKey, pattern: &Pattern<'_>, operations: f64, inside: &[Call]) -> Call {
        let (kind, name, symbol, module) = self.named(pattern.called);
        let twin = inside.iter().find(|call| call.kind == kind && call.name == name);
        let mut n: BTreeMap<u64, f64> = BTreeMap::new();
        for (length, calls) in &pattern.n {
            *n.entry((*length).max(0) as u64).or_default() += *calls as f64 / operations;
        }
        Call {
            kind,
            name,
            symbol,
            module,
            calls_per_op: pattern.calls() as f64 / operations,
            n,
            sizes: twin.and_then(|twin| twin.sizes.clone()),
            strides: self.strides(pattern),
            alignment: None,
            aliasing: None,
            scalar: None,
            threads: None,
            // A tracer from outside does not show the nesting of calls.
            depth: twin.map_or(0, |twin| twin.depth),
            time_ns: self.time(key, pattern.called, operations),
        }
    }

    /// Kind, name, symbol and file of the called code.
    fn named(&self, called: &Called) -> (CallKind, String, Option<String>, Option<String>) {
        match called {
            Called::Backend(name) => (CallKind::Backend, "raptors scale".into(), Some(name.clone()), None),
            Called::Site(id) => match self.run.documents.sites.get(id) {
                Some(site) => (kind_of(site), site.name.clone(), site.symbol.clone(), site.module.clone()),
                None => (CallKind::Loop, format!("call site {id}"), None, None),
            },
        }
    }

    fn strides(&self, pattern: &Pattern<'_>) -> Option<Vec<i64>> {
        let Called::Site(id) = pattern.called else {
            return None;
        };
        let site = self.run.documents.sites.get(id)?;
        let plain = kind_of(site) == CallKind::Loop && site.core_signature.is_none();
        let operands = (site.nin + site.nout).min(3);
        plain.then(|| pattern.rest.iter().take(operands).copied().collect())
    }

    /// From entry to return, the tracer's own cost included; the mean, because a tracer only sums up.
    fn time(&self, key: RoundKey, called: &Called, operations: f64) -> Option<CallTime> {
        let all: u64 = self
            .traced
            .counts
            .iter()
            .filter(|count| count.round == key && count.called == *called)
            .map(|count| count.calls)
            .sum();
        let total = self.traced.total_ns(key, called)? as f64;
        Some(CallTime { median: total / all.max(1) as f64, total_per_op: total / operations })
    }

    fn engine(&self, comparison: &Comparison) -> Engine {
        Engine {
            cost: self.cost(comparison),
            armed: self.traced.armed,
            why_not: self.traced.why_not.clone(),
            version: Some(self.traced.version.clone()).filter(|version| !version.is_empty()),
            left_out: self.traced.left_out.clone(),
            differences: Vec::new(),
            counts: self.counts(comparison),
        }
    }

    /// Counts by name, of the cases that were traced.
    fn counts(&self, comparison: &Comparison) -> Vec<EngineCount> {
        let mut counts = Vec::new();
        for (index, case) in self.traced_cases(comparison) {
            for (side, name) in [(0, "a"), (1, "b")] {
                let mut sums: BTreeMap<(CallKind, String), f64> = BTreeMap::new();
                for call in self.calls(index, side, &[]) {
                    *sums.entry((call.kind, call.name)).or_default() += call.calls_per_op;
                }
                counts.extend(sums.into_iter().map(|((kind, call), calls_per_op)| EngineCount {
                    case: case.label(),
                    side: name.into(),
                    kind,
                    name: call,
                    calls_per_op,
                }));
            }
        }
        counts
    }

    /// Cases that this tracer watched, with their numbers in the run.
    fn traced_cases<'c>(&self, comparison: &'c Comparison) -> Vec<(usize, &'c Case)> {
        let specs = self.run.documents.spec.iter().flat_map(|spec| &spec.cases);
        let watched =
            specs.enumerate().filter(|(index, _)| (0..2).any(|side| self.operations(self.round(*index, side)) > 0));
        watched
            .filter_map(|(index, spec)| {
                let case = comparison.cases.iter().find(|case| case.label() == spec.label())?;
                Some((index, case))
            })
            .collect()
    }

    /// The cost of a call under this tracer, from the rounds on one element with and without it.
    fn cost(&self, comparison: &Comparison) -> ObserverCost {
        let mut costs = Vec::new();
        let mut worst = f64::NAN;
        for (index, case) in self.traced_cases(comparison) {
            for (side, measured) in [(0, &case.sides.a), (1, &case.sides.b)] {
                costs.extend(self.cost_of(index as u64, side));
                let traced = self.wall(index as u64, side, RoundKind::Traced, Some(self.number));
                worst = f64::max(worst, traced / measured.wall_ns.median);
            }
        }
        ObserverCost {
            engine: self.traced.engine.clone(),
            ns_per_call: (!costs.is_empty()).then(|| median(&costs)),
            ns_per_call_ci95: None,
            wall_ratio_observed_to_unobserved: worst.is_finite().then_some(worst),
        }
    }

    fn cost_of(&self, case: u64, side: usize) -> Option<f64> {
        let key = RoundKey { case, side, unit: true };
        let calls: u64 = self.traced.counts.iter().filter(|count| count.round == key).map(|count| count.calls).sum();
        let per_op = calls as f64 / self.operations(key) as f64;
        let traced = self.wall(case, side, RoundKind::UnitTraced, Some(self.number));
        let untraced = self.wall(case, side, RoundKind::UnitTimed, None);
        let cost = (traced - untraced) / per_op;
        (cost.is_finite() && per_op >= 1.0).then_some(cost)
    }

    /// Median wall nanoseconds per operation of rounds of a kind, by this tracer's number if one is given.
    fn wall(&self, case: u64, side: usize, kind: RoundKind, number: Option<u64>) -> f64 {
        let rounds = self.run.of(case, side, kind);
        let rounds = rounds.iter().map(|&i| &self.run.rounds[i]);
        let walls: Vec<f64> = rounds
            .filter(|round| number.is_none_or(|number| round.placement == number))
            .map(|round| round.per_op(round.wall_ns as f64))
            .collect();
        median(&walls)
    }

    /// Sentences about counts that differ between the two engines.
    fn differences(&self, inside: &[EngineCount], outside: &[EngineCount]) -> Vec<String> {
        if outside.is_empty() {
            return Vec::new();
        }
        let same = |a: &EngineCount, b: &EngineCount| {
            (&a.case, &a.side, a.kind, &a.name) == (&b.case, &b.side, b.kind, &b.name)
        };
        let count = |counts: &[EngineCount], of: &EngineCount| {
            counts.iter().find(|count| same(count, of)).map_or(0.0, |count| count.calls_per_op)
        };
        let watched: BTreeSet<&str> =
            self.traced.sites.iter().filter_map(|id| Some(self.run.documents.sites.get(id)?.name.as_str())).collect();
        let comparable = |of: &EngineCount| of.kind == CallKind::Backend || watched.contains(of.name.as_str());
        let traced_case = |of: &EngineCount| outside.iter().any(|other| other.case == of.case);
        let missing = inside.iter().filter(|of| comparable(of) && traced_case(of));
        let extra = outside.iter().filter(|of| !inside.iter().any(|known| same(known, of)));
        missing
            .chain(extra)
            .filter(|of| (count(inside, of) - count(outside, of)).abs() > 1e-9)
            .map(|of| {
                format!(
                    "{}, side {}: {} counts {} calls of {} per operation, the in-process observers {}",
                    of.case,
                    of.side.to_uppercase(),
                    self.traced.engine,
                    count(outside, of),
                    of.name,
                    count(inside, of)
                )
            })
            .collect()
    }

    /// Replaces the results of the in-process observers by this tracer's.
    fn replace(&self, comparison: &mut Comparison) -> Result<(), Error> {
        let engine = &self.traced.engine;
        if let Some(why) = &self.traced.why_not {
            let sentence = format!("{engine} could not be armed: {why}");
            return Err(Error::new(sentence).exit(Exit::NothingObserved));
        }
        let control = self.control();
        if !control.ok {
            let sentence = format!(
                "{engine} did not see its control, so a count of zero would prove nothing: {}",
                unseen(&control)
            );
            return Err(Error::new(sentence).exit(Exit::NothingObserved));
        }
        let cost = self.cost(comparison);
        let summary = self.engine(comparison);
        let traced: Vec<(usize, String)> =
            self.traced_cases(comparison).into_iter().map(|(index, case)| (index, case.label())).collect();
        let routines_watched = self.routines_watched();
        for case in &mut comparison.cases {
            let index = traced.iter().find(|(_, label)| *label == case.label());
            for (number, side) in [&mut case.sides.a, &mut case.sides.b].into_iter().enumerate() {
                let calls = index.map(|(index, _)| self.calls(*index, number, &side.calls));
                let routine = |call: &&Call| call.kind == CallKind::Routine;
                side.blas_calls_per_op = calls
                    .as_ref()
                    .filter(|_| routines_watched)
                    .map(|calls| calls.iter().filter(routine).map(|call| call.calls_per_op).sum());
                side.calls = calls.unwrap_or_default();
            }
        }
        comparison.controls = vec![control];
        comparison.observer_cost = Some(cost);
        comparison.engines = vec![summary];
        Ok(())
    }

    /// Whether every callable routine was watched: only then is a zero of routines proved.
    fn routines_watched(&self) -> bool {
        let routines = self.run.documents.sites.values().filter(|site| site.kind == SiteKind::Routine);
        routines.into_iter().all(|site| self.traced.sites.contains(&site.id))
    }
}
