//! How calls are seen from outside the process: by bpftrace or DTrace, whose answer is brought into the same shape as
//! that of the observers inside.
//!
//! A tracer is told numbers only: each place to probe has the number of its call site, each round one of its own. No
//! name of a symbol, a statement or a file is ever part of what it prints.

mod armed;
mod bpftrace;
mod dtrace;
mod prepare;
mod watching;

use std::collections::BTreeMap;
use std::path::PathBuf;

use raptors_recording::RoundKind;
use serde::{Deserialize, Serialize};

use crate::model::comparison::CallKind;
use crate::model::error::Error;
use crate::model::tool::Tool;
use crate::tracers::scripts::arguments;

pub use watching::{Watching, start};

/// The first kind of the rounds in which an engine counts; that after it is the one on one element.
const FIRST_KIND: u32 = RoundKind::Traced as u32;
const _: () = assert!(RoundKind::UnitTraced as u32 == FIRST_KIND + 1);

/// A place that can be probed: the entry of a loop or a routine in a file that the process has loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The number of its call site in the run file.
    pub site: u32,
    /// A loop or a routine.
    pub kind: CallKind,
    /// `np.multiply[ff->f]`, `cblas_sgemm`.
    pub name: String,
    /// The function's own name.
    pub symbol: Option<String>,
    /// The file it is in.
    pub module: PathBuf,
    /// Its address in the file's own numbering, where that is known; else it is looked up by `symbol`.
    pub address: Option<u64>,
    /// Strides that say something: one per operand of a plain loop, at most three; core dimensions of a generalised
    /// one.
    pub operands: u32,
    /// A generalised ufunc's loop.
    pub generalised: bool,
    /// Bits of the routine's integers.
    pub width: u32,
}

/// What a tracer is to watch.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The process.
    pub pid: u32,
    /// The file with the Raptors probes.
    pub extension: Option<PathBuf>,
    /// Whether only calls in rounds are counted, which the extension marks; otherwise all calls count as round 0.
    pub in_rounds: bool,
    /// Everything to be counted.
    pub points: Vec<Point>,
}

/// Which round a count belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundKey {
    /// Index of the case; that after the last is the control's.
    pub case: u64,
    /// 0 for side A, 1 for side B.
    pub side: usize,
    /// Whether it was run on one element.
    pub unit: bool,
}

impl RoundKey {
    /// The number that the tracers' programs make of a round, taken apart.
    pub fn from_number(number: u64) -> Self {
        Self { case: number / 4, side: (number / 2 % 2) as usize, unit: number % 2 == 1 }
    }
}

/// What was called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Called {
    /// The loop or routine of this call site.
    Site(u32),
    /// A backend of the kernel.
    Backend(String),
}

/// Calls of one round that were alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// In which round.
    pub round: RoundKey,
    /// What was called.
    pub called: Called,
    /// A loop's length and first three strides (core dimensions of a generalised one); a routine's m, n and k; a
    /// backend's length.
    pub arguments: Vec<i64>,
    /// How often.
    pub calls: u64,
}

/// Time inside the calls of one thing in one round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// In which round.
    pub round: RoundKey,
    /// What was called.
    pub called: Called,
    /// Nanoseconds between entry and return, the tracer's own cost included.
    pub total_ns: u64,
}

/// What is read from a tracer's report.
#[derive(Debug, Default)]
struct Seen {
    counts: Vec<Count>,
    spent: Vec<Spent>,
}

impl Seen {
    /// Adds one entry of the programs' tables: `c` and `b` count the calls of a site and of a backend, `t` and `bt` sum
    /// up their time. Anything else is no entry of theirs.
    fn add(&mut self, table: &str, round: &str, called: &str, arguments: &[&str], value: u64) {
        let called = match table {
            "c" | "t" => called.parse().ok().map(Called::Site),
            "b" | "bt" => Some(Called::Backend(called.to_owned())),
            _ => None,
        };
        let (Some(called), Ok(round)) = (called, round.parse()) else {
            return;
        };
        let round = RoundKey::from_number(round);
        if table.ends_with('t') {
            self.spent.push(Spent { round, called, total_ns: value });
        } else {
            self.counts.push(Count {
                round,
                called,
                arguments: arguments.iter().filter_map(|word| word.parse().ok()).collect(),
                calls: value,
            });
        }
    }
}

/// Everything that one tracer had to say; the document `engine` of a run file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traced {
    /// `bpftrace` or `dtrace`.
    pub engine: String,
    /// What the tool says of itself.
    pub version: String,
    /// Whether it saw anything at all of this process.
    pub armed: bool,
    /// Why not.
    pub why_not: Option<String>,
    /// Probes that were seen in the process's memory.
    pub probes: usize,
    /// How many of the two marks, beginning and end, it saw; outside of rounds only.
    pub marks: usize,
    /// Call sites that were watched.
    pub sites: Vec<u32>,
    /// What was not watched, and why, one sentence for each reason.
    pub left_out: Vec<String>,
    /// What it says that it lost, one sentence for each kind.
    pub warnings: Vec<String>,
    /// Counts.
    pub counts: Vec<Count>,
    /// Times.
    pub spent: Vec<Spent>,
}

impl Traced {
    /// One that could not be armed.
    pub fn refused(tool: Tool, why: &Error) -> Self {
        Self { engine: tool.as_str().to_owned(), why_not: Some(why.in_a_line()), ..Self::default() }
    }

    /// The calls of one round, by what was called and its arguments. Outside of rounds all calls are of round 0.
    pub fn patterns(&self, round: RoundKey) -> Vec<Pattern<'_>> {
        let mut patterns: BTreeMap<(&Called, &[i64]), BTreeMap<i64, u64>> = BTreeMap::new();
        for count in self.counts.iter().filter(|count| count.round == round) {
            let (n, rest) = count.arguments.split_first().map_or((0, &[][..]), |(n, rest)| (*n, rest));
            *patterns.entry((&count.called, rest)).or_default().entry(n).or_default() += count.calls;
        }
        patterns.into_iter().map(|((called, rest), n)| Pattern { called, rest, n }).collect()
    }

    /// Time inside all calls of one thing in one round, nanoseconds; `None` where no return was seen.
    pub fn total_ns(&self, round: RoundKey, called: &Called) -> Option<u64> {
        self.spent.iter().find(|spent| spent.round == round && spent.called == *called).map(|spent| spent.total_ns)
    }
}

/// Calls of one thing with the same arguments, the first aside: a length varies freely inside a pattern.
#[derive(Debug)]
pub struct Pattern<'a> {
    /// What was called.
    pub called: &'a Called,
    /// The arguments after the first.
    pub rest: &'a [i64],
    /// Calls by the first argument, 0 where there is none.
    pub n: BTreeMap<i64, u64>,
}

impl Pattern<'_> {
    /// How often.
    pub fn calls(&self) -> u64 {
        self.n.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_differ_in_their_length_are_one_pattern() {
        let (here, there) = (RoundKey::from_number(0), RoundKey::from_number(2));
        let count = |round, site, arguments: &[i64], calls| Count {
            round,
            called: Called::Site(site),
            arguments: arguments.to_vec(),
            calls,
        };
        let counts = vec![
            count(here, 1, &[64, 4, 4], 2),
            count(here, 1, &[128, 4, 4], 3),
            count(here, 1, &[64, 8, 4], 5),
            count(there, 1, &[64, 4, 4], 7),
            count(here, 2, &[], 11),
        ];
        let spent = vec![Spent { round: here, called: Called::Site(1), total_ns: 13 }];
        let traced = Traced { counts, spent, ..Traced::default() };
        let patterns = traced.patterns(here);
        let told: Vec<_> = patterns.iter().map(|pattern| (pattern.rest, pattern.calls())).collect();
        assert_eq!(told, [(&[4, 4][..], 5), (&[8, 4], 5), (&[], 11)]);
        assert_eq!(patterns[0].n, BTreeMap::from([(64, 2), (128, 3)]));
        assert_eq!([here, there].map(|round| traced.total_ns(round, &Called::Site(1))), [Some(13), None]);
    }

    #[test]
    fn why_a_tracer_could_not_be_armed_is_told_with_its_cause_and_fix() {
        let error = Error::new("it ended").caused_by(Error::new("it said so"));
        let refused = Traced::refused(Tool::Dtrace, &error.help("ask again"));
        assert_eq!(refused.why_not.unwrap(), "it ended: it said so (ask again)");
        assert_eq!((refused.engine.as_str(), refused.armed), ("dtrace", false));
    }

    #[test]
    fn a_rounds_number_and_the_round_are_one_to_one() {
        let rounds: Vec<RoundKey> = (0..12).map(RoundKey::from_number).collect();
        let expected = RoundKey { case: 2, side: 1, unit: true };
        assert_eq!(rounds[11], expected);
        assert!(rounds.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
