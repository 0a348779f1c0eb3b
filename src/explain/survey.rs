//! The facts about both sides before any cause is tried: from the comparison, and from a short examination.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lab::{self, Arm, Lab, Setting};
use super::sweep::{self, Point};
use super::switch::Switches;
use crate::model::budget::experiments::{SWEEP, SWEEP_LEAST};
use crate::model::comparison::{self, CallKind, Case, Machine, Software};
use crate::model::error::Error;
use crate::model::protocol::{Seen, Side};
use crate::model::switches::{Switch, Tells};

/// Faults and CPU time need no rounds of full length, and a check of a switch's changes needs none.
const SHORT: Duration = Duration::from_millis(4);
/// Blocks of rounds for faults and CPU time.
const BLOCKS: usize = 5;

/// The effect of a switch on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The changes on side A and on side B, in words; nothing on either if it does not apply.
    Changed([Vec<String>; 2]),
    /// It cannot be applied, with the reason.
    Refused(String),
}

/// Why a switch changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// It does not apply to either side.
    Nothing,
    /// It cannot be applied, with the reason.
    Refused(String),
}

/// The known facts.
pub struct Survey<'a> {
    /// The case from the comparison.
    pub case: &'a Case,
    /// The machine.
    pub machine: &'a Machine,
    /// The software.
    pub software: &'a Software,
    /// The control of the observers of calls, if one was run.
    pub control: Option<&'a comparison::Control>,
    /// The facts about each side.
    pub seen: [Seen; 2],
    /// Page faults per operation of each side, settled.
    pub faults: [f64; 2],
    /// CPU time ÷ wall time of each side.
    pub busy: [f64; 2],
    /// Whether both setups make their arrays from `shape` or `size`.
    pub sized: bool,
    /// The effects of the code and data switches.
    tried: BTreeMap<Switch, Tried>,
    /// Both sides' times at smaller sizes, the smallest first; empty if their arrays have one size.
    pub sweep: Vec<Point>,
}

impl<'a> Survey<'a> {
    /// Examines both sides, in about a tenth of `time`.
    ///
    /// # Errors
    /// A side cannot run at all.
    pub fn of(
        case: &'a Case,
        comparison: &'a comparison::Comparison,
        setting: &'a Setting<'a>,
        time: Duration,
    ) -> Result<Self, Error> {
        let (mut lab, sized) = plain(setting)?;
        let mut rounds = [Vec::new(), Vec::new()];
        for _ in 0..BLOCKS {
            for (side, rounds) in rounds.iter_mut().enumerate() {
                rounds.extend(lab.rounds(&[side]).map_err(|error| crashed(error, setting, side))?);
            }
        }
        let last = |side: usize| rounds[side].last().copied().unwrap_or_default();
        // Threads that were woken last still run in the next round: the least of several values belongs to the side
        // itself.
        let busy = |side: usize| {
            let all = rounds[side].iter();
            all.map(|round| round.cpu_ns / round.ns.max(1.0)).fold(f64::INFINITY, f64::min)
        };
        let mut survey = |side| lab.survey(side).map_err(|error| crashed(error, setting, side));
        let seen = [survey(0)?, survey(1)?];
        let mut tried = BTreeMap::new();
        // Those that tell what they change, as that is what is looked at. What adds passes is known to change the code.
        let telling = |switch: &Switch| switch.tells() != Tells::Nothing && *switch != Switch::MorePasses;
        for switch in Switch::ALL.into_iter().filter(telling) {
            let effect = match try_on_both(&mut lab, switch) {
                Ok(effect) => effect,
                // It costs this switch alone.
                Err(error) => {
                    let why = lab::not_possible(&error).ok_or(error)?;
                    lab = plain(setting)?.0;
                    Tried::Refused(why)
                }
            };
            tried.insert(switch, effect);
        }
        let sized = sized && !case.shape.is_empty();
        let sweep =
            if sized { sweep::of(&mut lab, &case.shape, time.mul_f64(SWEEP).max(SWEEP_LEAST))? } else { Vec::new() };
        Ok(Self {
            case,
            machine: &comparison.machine,
            software: &comparison.software,
            control: comparison.controls.first(),
            seen,
            faults: [last(0).faults, last(1).faults],
            busy: [busy(0), busy(1)],
            sized,
            tried,
            sweep,
        })
    }

    /// The names of both sides.
    pub fn names(&self) -> [&str; 2] {
        [&self.case.sides.a.name, &self.case.sides.b.name]
    }

    /// Both sides.
    pub fn sides(&self) -> [&comparison::Side; 2] {
        [&self.case.sides.a, &self.case.sides.b]
    }

    /// The name of the slower side.
    pub fn slower(&self) -> &str {
        self.names()[usize::from(self.case.gap_ns() > 0.0)]
    }

    /// The name of the faster side.
    pub fn faster(&self) -> &str {
        self.names()[usize::from(self.case.gap_ns() <= 0.0)]
    }

    /// Calls per operation of side 0 or 1 of one kind.
    pub fn calls(&self, side: usize, kind: CallKind) -> f64 {
        let calls = self.sides()[side].calls.iter();
        calls.filter(|call| call.kind == kind && call.depth == 0).map(|call| call.calls_per_op).sum()
    }

    /// The number of passes of side 0 or 1 over all elements per operation, by loops and backends; calls per operation
    /// if the number of elements is unknown.
    pub fn passes(&self, side: usize) -> f64 {
        let elements: u64 = self.case.shape.iter().product();
        let calls = self.sides()[side].calls.iter();
        calls
            .filter(|call| call.depth == 0 && call.kind != CallKind::Routine)
            .map(|call| {
                if elements == 0 || self.case.shape.is_empty() || call.n.is_empty() {
                    return call.calls_per_op;
                }
                let done: f64 = call.n.iter().map(|(n, calls)| *n as f64 * calls).sum();
                done / elements as f64
            })
            .sum()
    }

    /// Whether a side calls the Raptors kernel.
    pub fn uses_kernel(&self) -> bool {
        (0..2).any(|side| self.calls(side, CallKind::Backend) > 0.0)
    }

    /// What a code or data switch changes, as a sentence.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn changed(&self, switch: Switch) -> Result<String, Unchanged> {
        match self.tried.get(&switch) {
            Some(Tried::Changed([a, b])) if a.is_empty() && b.is_empty() => Err(Unchanged::Nothing),
            Some(Tried::Changed(both)) => {
                let said = both.iter().zip(self.names());
                let said: Vec<String> = said
                    .filter(|(changed, _)| !changed.is_empty())
                    .map(|(changed, name)| format!("{name}: {}", changed.join(", ")))
                    .collect();
                Ok(said.join("; "))
            }
            Some(Tried::Refused(why)) => Err(Unchanged::Refused(why.clone())),
            None => Err(Unchanged::Refused("it tells nothing of what it changes".into())),
        }
    }
}

/// A process with both sides set up without a switch, as arms 0 and 1; whether both make their arrays from a size.
fn plain<'a>(setting: &'a Setting<'a>) -> Result<(Lab<'a>, bool), Error> {
    let switches = Switches::default();
    let mut lab = Lab::start(setting, &switches)?;
    let mut sized = true;
    for side in Side::BOTH {
        let number = side as usize;
        let arms = [Arm { number, side, switches: &switches }];
        let armed = lab.set_up(&arms, 0, SHORT).map_err(|error| crashed(error, setting, number))?;
        sized &= armed.iter().all(|armed| armed.sized);
    }
    Ok((lab, sized))
}

fn crashed(error: Error, setting: &Setting<'_>, side: usize) -> Error {
    let case = setting.case;
    lab::without_experiment(error, [&case.a.name, &case.b.name][side])
}

/// Applies one switch on both sides; the statement's value has to stay the same.
fn try_on_both(lab: &mut Lab<'_>, switch: Switch) -> Result<Tried, Error> {
    let switches = Switches::of(switch);
    let mut both = [Vec::new(), Vec::new()];
    for side in Side::BOTH {
        let arm = 2 + side as usize;
        // A statement that cannot run this way is an answer; a process that died or an interrupt is not.
        let mut armed = match lab.set_up(&[Arm { number: arm, side, switches: &switches }], 0, Duration::ZERO) {
            Ok(armed) => armed,
            Err(error) if lab.runs() => {
                return Ok(Tried::Refused(format!("with it switched, {error}")));
            }
            Err(error) => return Err(error),
        };
        let changed: Vec<String> = armed.remove(0).changed.into_values().flatten().collect();
        if !changed.is_empty() {
            let refused = match lab.difference(side as usize, arm) {
                Ok(None) => None,
                Ok(Some(difference)) => Some(format!("it would change the statement's result: {difference}")),
                Err(error) if lab.runs() => Some(format!("with it switched, {error}")),
                Err(error) => return Err(error),
            };
            if let Some(why) = refused {
                lab.drop_arms(&[arm])?;
                return Ok(Tried::Refused(why));
            }
        }
        both[side as usize] = changed;
        lab.drop_arms(&[arm])?;
    }
    Ok(Tried::Changed(both))
}
