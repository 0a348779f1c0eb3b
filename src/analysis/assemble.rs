//! The comparison from a run: medians, intervals, verdicts and warnings.

use std::time::UNIX_EPOCH;

use raptors_recording::RoundKind;

use super::Run;
use super::engines;
use super::phases::Parts;
use super::stats::{self, median, median_ci};
use super::timing::Timing;
use super::troubles::Troubles;
use crate::model::comparison::*;
use crate::model::error::{Error, Exit};
use crate::model::protocol::{CaseSpec, SideSpec, Spec};

/// A drift below this is not reported.
const DRIFT: f64 = 0.03;

/// Reduces a run to its comparison and the rounds behind each of its cases.
pub fn comparison(run: &Run) -> Result<(Comparison, Vec<Timing>), Error> {
    let spec = run
        .documents
        .spec
        .as_ref()
        .ok_or_else(|| nothing("the run file has no comparison: it was cut off before the first round"))?;
    let mut comparison = Comparison {
        schema: SCHEMA.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: spec.command.clone(),
        started_unix_s: Some(run.started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())),
        machine: spec.machine.clone(),
        software: software(run),
        controls: vec![control(run, spec)?],
        warnings: run.documents.warnings.clone(),
        lost_records: run.lost,
        complete: run.complete,
        ..Comparison::default()
    };
    let timings = add_cases(run, spec, &mut comparison)?;
    comparison.observer_cost = Some(observer_cost(run, &comparison));
    engines::add(run, &mut comparison)?;
    if run.lost > 0 {
        comparison.complete = false;
        comparison.warnings.push(format!(
            "{} records did not fit into the run file, so calls per operation and phases are too low",
            run.lost
        ));
    } else if !comparison.complete {
        comparison.cut_short();
    }
    if let Some(inquiry) = &run.documents.inquiry {
        inquiry.clone().add_to(&mut comparison);
    }
    Ok((comparison, timings))
}

/// Adds every case that was run, and the warnings about them; the rounds behind each.
fn add_cases(run: &Run, spec: &Spec, comparison: &mut Comparison) -> Result<Vec<Timing>, Error> {
    let mut troubles = Troubles::default();
    let mut timings = Vec::new();
    for (index, case) in spec.cases.iter().enumerate() {
        let end = run.documents.cases.get(&(index as u64));
        if end.is_some_and(|end| end.skipped.is_some()) {
            continue;
        }
        match CaseBuilder::new(run, spec, index as u64, case).build(&mut troubles) {
            Some((built, timing)) => {
                comparison.cases.push(built);
                timings.push(timing);
            }
            None => troubles.others.push(format!("{} was not run", case.label())),
        }
        if end.is_none() && !comparison.cases.is_empty() {
            comparison.complete = false;
        }
    }
    if comparison.cases.is_empty() {
        return Err(nothing("the run file has no complete round of either side"));
    }
    comparison.warnings.extend(troubles.into_sentences());
    Ok(timings)
}

/// A phase: ns per operation, with its interval.
type Row = (f64, Ci95);

/// The wall time that no phase has.
fn unattributed(wall: &Wall, phases: impl Iterator<Item = Row>) -> Row {
    // In the worst case half-widths add up; this is the conservative outer bound for a difference of medians.
    let width = |[low, high]: Ci95| (high - low) / 2.0;
    let (sum, half) = phases.fold((0.0, width(wall.ci95)), |(sum, half), (ns, ci95)| (sum + ns, half + width(ci95)));
    let residual = wall.median - sum;
    (residual, [residual - half, residual + half])
}

/// Dispatch, conversion, allocation, page faults, kernel, sync, free and the residual, by their names.
fn named(rows: [Option<Row>; 8]) -> (Phases, PhaseIntervals) {
    let [dispatch, conversion, allocation, page_fault, kernel, sync, free, residual] =
        rows.map(|row| row.map(|(ns, _)| ns));
    let phases = Phases { dispatch, conversion, allocation, page_fault, kernel, sync, free, residual };
    let [dispatch, conversion, allocation, page_fault, kernel, sync, free, residual] =
        rows.map(|row| row.map(|(_, ci95)| ci95));
    (phases, PhaseIntervals { dispatch, conversion, allocation, page_fault, kernel, sync, free, residual })
}

fn nothing(sentence: &str) -> Error {
    Error::new(sentence).exit(Exit::NothingObserved)
}

fn software(run: &Run) -> Software {
    let facts = &run.documents.facts;
    let blas = facts.blas.iter().flat_map(|library| {
        library.linked_by.iter().map(|extension| Blas {
            library: library.library.clone(),
            file: library.file.clone(),
            linked_by: extension.clone(),
            threads: library.threads,
        })
    });
    Software {
        python: facts.python.clone(),
        python_path: facts.python_path.clone(),
        numpy: facts.numpy.clone(),
        numpy_cpu_targets: facts.numpy_cpu_targets.clone(),
        blas: blas.collect(),
        raptors: facts.raptors.clone(),
        allocator: facts.allocator.clone(),
    }
}

/// The positive control: the observers must have seen `a @ a` as calls of a gemm.
fn control(run: &Run, spec: &Spec) -> Result<Control, Error> {
    let index = spec.cases.len() as u64;
    let expected: u64 = run.of(index, 0, RoundKind::Control).iter().map(|&i| run.rounds[i].ops).sum();
    let calls = run.control.calls(&run.documents.sites, 1.0);
    let gemm = |call: &&Call| call.kind == CallKind::Routine && call.name.contains("gemm");
    let seen = calls.iter().filter(gemm).map(|call| call.calls_per_op).sum::<f64>() as u64;
    let control = Control {
        engine: "inprocess".into(),
        name: "a @ a".into(),
        routine: calls.iter().find(gemm).map(|call| call.name.clone()),
        expected,
        seen,
        ok: expected > 0 && seen == expected,
    };
    if control.ok {
        return Ok(control);
    }
    Err(nothing(&format!(
        "the control was not seen: {expected} operations `a @ a` gave {seen} BLAS calls, so a count of zero would \
         prove nothing"
    ))
    .help(
        "use a NumPy whose BLAS is a shared library (`python -m pip install numpy`); a BLAS that is linked statically \
         or missing cannot be observed in process",
    ))
}

/// The cost of a recorded call, from the size where it weighs most: one element, observed and not.
fn observer_cost(run: &Run, comparison: &Comparison) -> ObserverCost {
    let mut costs = Vec::new();
    for case in 0..run.documents.spec.as_ref().map_or(0, |s| s.cases.len()) as u64 {
        for side in 0..2 {
            costs.extend(cost_of(run, case, side));
        }
    }
    let worst = comparison
        .cases
        .iter()
        .flat_map(|case| [&case.sides.a, &case.sides.b])
        .filter_map(|side| side.wall_ratio_observed_to_unobserved)
        .fold(f64::NAN, f64::max);
    ObserverCost {
        engine: "inprocess".into(),
        ns_per_call: (!costs.is_empty()).then(|| median(&costs)),
        ns_per_call_ci95: (costs.len() > 1).then(|| median_ci(&costs, &vec![0; costs.len()])),
        wall_ratio_observed_to_unobserved: worst.is_finite().then_some(worst),
    }
}

fn cost_of(run: &Run, case: u64, side: usize) -> Option<f64> {
    let timed = run.of(case, side, RoundKind::UnitTimed);
    let observed = run.of(case, side, RoundKind::UnitObserved);
    let wall = |rounds: &[usize]| median(&walls(run, rounds));
    let records: f64 = observed.iter().map(|&i| run.parts[i].records).sum();
    let operations: f64 = observed.iter().map(|&i| run.rounds[i].ops as f64).sum();
    let per_op = records / operations;
    let cost = (wall(&observed) - wall(&timed)) / per_op;
    (cost.is_finite() && per_op >= 1.0).then_some(cost)
}

/// Wall nanoseconds per operation of each round.
fn walls(run: &Run, rounds: &[usize]) -> Vec<f64> {
    rounds.iter().map(|&i| run.rounds[i].per_op(run.rounds[i].wall_ns as f64)).collect()
}

/// Builds one case.
struct CaseBuilder<'a> {
    run: &'a Run,
    spec: &'a Spec,
    index: u64,
    case: &'a CaseSpec,
}

impl<'a> CaseBuilder<'a> {
    fn new(run: &'a Run, spec: &'a Spec, index: u64, case: &'a CaseSpec) -> Self {
        Self { run, spec, index, case }
    }

    fn rounds(&self, side: usize, kind: RoundKind) -> Vec<usize> {
        self.run.of(self.index, side, kind)
    }

    /// `None` if a side has no timed round.
    fn build(&self, troubles: &mut Troubles) -> Option<(Case, Timing)> {
        let timed = [self.rounds(0, RoundKind::Timed), self.rounds(1, RoundKind::Timed)];
        let [a, b] = [walls(self.run, &timed[0]), walls(self.run, &timed[1])];
        if a.is_empty() || b.is_empty() {
            return None;
        }
        let rounds = self.rounds_of(&timed, &a, &b);
        let timing = Timing {
            a,
            b,
            placements: self.placements(&timed[0]),
            setups: [&self.case.a, &self.case.b].map(|side| side.setup.clone()),
        };
        let sides = Sides {
            a: self.side(0, &self.case.a, &mut troubles.others),
            b: self.side(1, &self.case.b, &mut troubles.others),
        };
        let case = Case {
            name: self.case.name,
            results: self.case.results,
            dtype: (!self.case.shape.is_empty()).then(|| self.case.dtype.clone()),
            shape: self.case.shape.clone(),
            in_place: self.case.in_place,
            sides,
            ratio: timing.ratio(),
            rounds,
        };
        self.note(&case, troubles);
        Some((case, timing))
    }

    fn rounds_of(&self, timed: &[Vec<usize>; 2], a: &[f64], b: &[f64]) -> Rounds {
        let ops = |side: usize| timed[side].last().map_or(0, |&i| self.run.rounds[i].ops);
        let warmup = self.run.documents.warmups.get(&self.index);
        Rounds {
            count: a.len().min(b.len()) as u64,
            observed: self.rounds(0, RoundKind::Observed).len() as u64,
            warmup: warmup.map_or(0, |warmup| warmup.rounds),
            settled: warmup.map(|warmup| warmup.settled),
            placements: warmup.map(|warmup| warmup.placements),
            ops_per_round: OpsPerRound { a: ops(0), b: ops(1) },
            drift: drift(a, b),
        }
    }

    fn side(&self, side: usize, given: &SideSpec, warnings: &mut Vec<String>) -> Side {
        let timed = self.rounds(side, RoundKind::Timed);
        let observed = self.rounds(side, RoundKind::Observed);
        let wall = wall(&walls(self.run, &timed), &self.placements(&timed));
        let faults = median(&self.each(&timed, |i| self.run.rounds[i].faults as f64));
        let (phases_ns, phases_ns_ci95) = self.phases(side, &wall, faults, warnings);
        let operations: f64 = observed.iter().map(|&i| self.run.rounds[i].ops as f64).sum();
        let patterns = self.run.patterns.get(&(self.index, side));
        let calls = patterns.map_or_else(Vec::new, |p| p.calls(&self.run.documents.sites, operations));
        let bytes_per_op = patterns.and_then(|p| p.bytes()).map(|bytes| bytes / operations);
        let kernel = phases_ns.kernel.filter(|ns| *ns > 0.0);
        let counters = self.counters(side);
        Side {
            name: given.name.clone(),
            statement: given.statement.clone(),
            faults_per_op: Some(faults),
            threads: self.threads(&observed, patterns.map_or(0, |p| p.threads())),
            cpu_ns_per_op: Some(median(&self.each(&timed, |i| self.run.rounds[i].cpu_ns as f64))),
            bytes_per_op,
            gb_s: bytes_per_op.zip(kernel).map(|(bytes, ns)| bytes / ns),
            memory_level: bytes_per_op
                .zip(patterns)
                .and_then(|(bytes, patterns)| self.level(bytes / patterns.passes())),
            blas_calls_per_op: (!observed.is_empty()).then(|| {
                let routine = |call: &&Call| call.kind == CallKind::Routine;
                calls.iter().filter(routine).map(|call| call.calls_per_op).sum()
            }),
            calls,
            dispatch_reason: self.dispatch_reason(side),
            counters_why_not: counters.is_none().then(|| self.run.documents.facts.counters_why_not.clone()).flatten(),
            counters,
            wall_ratio_observed_to_unobserved: (!observed.is_empty())
                .then(|| median(&walls(self.run, &observed)) / wall.median),
            wall_ns: wall,
            phases_ns,
            phases_ns_ci95,
        }
    }

    fn each(&self, rounds: &[usize], value: impl Fn(usize) -> f64) -> Vec<f64> {
        rounds.iter().map(|&i| self.run.rounds[i].per_op(value(i))).collect()
    }

    /// The placement of the arrays in each round.
    fn placements(&self, rounds: &[usize]) -> Vec<u64> {
        rounds.iter().map(|&i| self.run.rounds[i].placement).collect()
    }

    fn counters(&self, side: usize) -> Option<Counters> {
        let counted = &self.run.documents.counters;
        counted.iter().find(|c| c.case == self.index && c.side == side).map(|c| c.per_op.clone())
    }

    fn threads(&self, observed: &[usize], calling: usize) -> Option<u32> {
        let active: Vec<f64> = observed.iter().map(|&i| f64::from(self.run.rounds[i].active_threads)).collect();
        let active = median(&active);
        let active = if active.is_nan() { 0 } else { active.round() as u32 };
        let threads = active.max(u32::try_from(calling).unwrap_or(0));
        (threads > 0).then_some(threads)
    }

    /// The smallest cache that holds the memory of one operation.
    fn level(&self, bytes: f64) -> Option<MemoryLevel> {
        let machine = &self.spec.machine;
        let fits = |size: Option<u64>| size.is_some_and(|size| bytes <= size as f64);
        machine.l1d.or(machine.l2).or(machine.l3)?;
        Some(if fits(machine.l1d) {
            MemoryLevel::L1
        } else if fits(machine.l2) {
            MemoryLevel::L2
        } else if fits(machine.l3) {
            MemoryLevel::L3
        } else {
            MemoryLevel::Memory
        })
    }

    fn dispatch_reason(&self, side: usize) -> Option<String> {
        let dispatches = self.run.dispatches.get(&(self.index, side))?;
        let most = dispatches.iter().max_by_key(|(site, count)| (**count, **site))?;
        let site = self.run.documents.sites.get(most.0)?;
        let mut text = site.name.clone();
        if let Some(reason) = &site.reason {
            text = format!("{text}: {reason}");
        }
        if dispatches.len() > 1 {
            text.push_str(" (others in some calls)");
        }
        Some(text)
    }

    /// Phases from observed rounds, dispatch from one element, the residual from the unobserved wall.
    fn phases(&self, side: usize, wall: &Wall, faults: f64, warnings: &mut Vec<String>) -> (Phases, PhaseIntervals) {
        let touched = self.rounds(side, RoundKind::Touched);
        let faulting = faults >= 1.0 && !touched.is_empty();
        let rounds = if faulting { touched } else { self.rounds(side, RoundKind::Observed) };
        if rounds.is_empty() {
            return Default::default();
        }
        let placements = self.placements(&rounds);
        let part = |value: fn(&Parts) -> f64| {
            let values = self.each(&rounds, |i| value(&self.run.parts[i]));
            (median(&values), median_ci(&values, &placements))
        };
        if faulting {
            self.warn_untouched(side, &rounds, faults, warnings);
        }
        let dispatch = self.dispatch(side);
        let page_fault = if faulting { self.first_touch(side, &rounds) } else { (0.0, [0.0; 2]) };
        let elsewhere = part(|p| p.elsewhere).0;
        if elsewhere > 0.0 {
            warnings.push(self.calls_elsewhere(side, elsewhere));
        }
        let [conversion, allocation, kernel] = [part(|p| p.conversion), part(|p| p.allocation), part(|p| p.kernel)];
        let [sync, free] = [part(|p| p.sync), part(|p| p.free)];
        let all = [conversion, allocation, page_fault, kernel, sync, free];
        let residual = unattributed(wall, all.into_iter().chain(dispatch));
        // Without a time of its own if all calls ran elsewhere: not measured, which differs from zero.
        let kernel = (kernel.0 > 0.0 || elsewhere == 0.0).then_some(kernel);
        let [conversion, allocation, page_fault] = [conversion, allocation, page_fault].map(Some);
        named([dispatch, conversion, allocation, page_fault, kernel, Some(sync), Some(free), Some(residual)])
    }

    fn calls_elsewhere(&self, side: usize, calls: f64) -> String {
        format!(
            "{}, side {}: {calls:.2} calls per operation ran on other threads; no phase has their time, so the \
             residual includes the time in which the operation waited for them",
            self.case.label(),
            ["A", "B"][side]
        )
    }

    /// The cost of first touch: the time inside calls that meet fresh pages, minus the same with pages that were
    /// touched before. The touching itself is not the measure, because touching page by page costs more.
    fn first_touch(&self, side: usize, touched: &[usize]) -> (f64, Ci95) {
        let inside = |rounds: &[usize]| {
            let values = self.each(rounds, |i| self.run.parts[i].inside());
            (median(&values), median_ci(&values, &self.placements(rounds)))
        };
        let (warm, [warm_low, warm_high]) = inside(touched);
        let (cold, [cold_low, cold_high]) = inside(&self.rounds(side, RoundKind::Observed));
        let clamp = |ns: f64| ns.max(0.0);
        (clamp(cold - warm), [clamp(cold_low - warm_high), clamp(cold_high - warm_low)])
    }

    /// Wall time of the same statement on one element, minus the time of its own calls there.
    fn dispatch(&self, side: usize) -> Option<(f64, Ci95)> {
        let rounds = self.rounds(side, RoundKind::UnitTimed);
        let timed = walls(self.run, &rounds);
        let observed = self.each(&self.rounds(side, RoundKind::UnitObserved), |i| self.run.parts[i].inside());
        if timed.is_empty() || observed.is_empty() {
            return None;
        }
        let inside = median(&observed);
        let net = |wall: f64| (wall - inside).max(0.0);
        let [low, high] = median_ci(&timed, &self.placements(&rounds));
        Some((net(median(&timed)), [net(low), net(high)]))
    }

    /// Warns of page faults in memory that could not be touched before: their time is then in other phases.
    fn warn_untouched(&self, side: usize, rounds: &[usize], faults: f64, warnings: &mut Vec<String>) {
        let touched = median(&self.each(rounds, |i| self.run.parts[i].faults_touched));
        if touched < 0.9 * faults - 2.0 {
            warnings.push(format!(
                "{}, side {}: {touched:.0} of {faults:.0} page faults per operation were timed separately; the \
                 others are part of the phases in which they occurred",
                self.case.label(),
                ["A", "B"][side]
            ));
        }
    }

    fn note(&self, case: &Case, troubles: &mut Troubles) {
        troubles.limit(case, &self.spec.machine);
        let warmup = self.run.documents.warmups.get(&self.index);
        troubles.take(case, warmup.is_none_or(|warmup| warmup.settled));
        let end = self.run.documents.cases.get(&self.index);
        troubles.others.extend(end.and_then(|end| end.no_unit.clone()));
        for (number, side) in [&case.sides.a, &case.sides.b].into_iter().enumerate() {
            let observed = !self.rounds(number, RoundKind::Observed).is_empty();
            if observed && side.calls.is_empty() {
                let seen =
                    format!("{}: {} called no NumPy loop, math routine or kernel backend", case.label(), side.name);
                troubles.others.push(seen + &self.run.documents.blind_spots());
            }
        }
    }
}

fn wall(values: &[f64], placements: &[u64]) -> Wall {
    Wall {
        median: median(values),
        ci95: median_ci(values, placements),
        samples: values.len() as u64,
        quantiles: Some(Quantiles {
            p05: stats::quantile(values, 0.05),
            p25: stats::quantile(values, 0.25),
            p75: stats::quantile(values, 0.75),
            p95: stats::quantile(values, 0.95),
        }),
    }
}

fn drift(a: &[f64], b: &[f64]) -> Drift {
    let ratios: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / b).collect();
    let [of_a, of_b, of_ratio] = [a, b, &ratios].map(stats::drift);
    let moved = |change: Option<(f64, Ci95)>| {
        change.is_some_and(|(by, [low, high])| by.abs() > DRIFT && (low > 0.0 || high < 0.0))
    };
    Drift {
        a: of_a.map(|(by, _)| by),
        b: of_b.map(|(by, _)| by),
        ratio: of_ratio.map(|(by, _)| by),
        verdict: match (of_a.is_some() && of_b.is_some(), moved(of_a), moved(of_b)) {
            (false, ..) => DriftVerdict::TooFewRounds,
            (_, false, false) => DriftVerdict::None,
            (_, true, false) => DriftVerdict::A,
            (_, false, true) => DriftVerdict::B,
            (_, true, true) => DriftVerdict::Both,
        },
    }
}
