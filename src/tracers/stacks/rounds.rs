//! The command's part in rounds that perf samples: it starts perf when the driver is ready, and gives each sample to the
//! round in which it was taken, for the run file.

use raptors_flamegraphs::Tag;
use serde_json::{Value, json};

use super::perf::{Recording, Seen};
use crate::model::error::Error;
use crate::model::tool::{Engine, Tool};

/// A round as the driver saw it: when it began and ended in nanoseconds of the monotonic clock, and its side.
pub type Block = (u64, u64, u8);

/// perf in the rounds of one run.
pub struct Sampling {
    frequency: u32,
    /// The one at work, or why there is none.
    current: Option<Result<Recording, Error>>,
}

impl Sampling {
    /// Not at work yet.
    ///
    /// `frequency` is in samples for each second of CPU time.
    pub fn new(frequency: u32) -> Self {
        Self { frequency, current: None }
    }

    /// The driver, process `pid`, is ready to be sampled: starts perf, and gives the line to answer with, which has the
    /// pipes by which the driver switches it. `interrupted` tells whether the user has asked to end the run.
    pub fn ready(&mut self, pid: u32, interrupted: &dyn Fn() -> bool) -> String {
        let started = Recording::start(pid, self.frequency, interrupted);
        let answer = match started.as_ref().map(Recording::pipes) {
            Ok((control, acknowledged)) => {
                json!({ "go": true, "control": control, "acknowledged": acknowledged })
            }
            Err(_) => json!({ "go": false }),
        };
        self.current = Some(started);
        format!("{answer}\n")
    }

    /// The driver has run these rounds: ends perf, and gives the line with what it saw.
    pub fn sampled(&mut self, blocks: &[Block]) -> String {
        let read = match self.current.take() {
            Some(Ok(recording)) => finish(recording, blocks),
            Some(Err(refused)) => Err(refused),
            None => Err(Error::new("perf was not started")),
        };
        let document = read.unwrap_or_else(|error| json!({ "why_not": error.in_a_line() }));
        format!("{}\n", json!({ "document": document }))
    }
}

/// Ends perf; the document `samples` of a run file.
fn finish(recording: Recording, blocks: &[Block]) -> Result<Value, Error> {
    // While the process lives.
    let mapped = recording.mapped();
    let Seen { script, warnings } = recording.read(&|time| side_at(blocks, time), &mapped)?;
    let tags = script.profile.tags();
    let sides = [Tag::A, Tag::B].map(|tag| {
        json!({
            "side": tag.0,
            "samples": tags.get(&tag).map_or(0, |(count, _)| *count),
            "dropped": 0,
            // Of a clock, the period is nanoseconds.
            "cpu_ns": script.periods.get(&tag).copied().unwrap_or(0),
        })
    });
    Ok(json!({
        "engine": Engine::Outside(Tool::Perf),
        "outside": script.outside,
        "troubles": warnings,
        "sides": sides,
        "record": script.profile.record(),
    }))
}

/// The side whose round a time falls in. Blocks are in the order of their times.
fn side_at(blocks: &[Block], time: u64) -> Option<Tag> {
    let next = blocks.partition_point(|&(begin, ..)| begin <= time);
    let &(_, end, side) = blocks.get(next.checked_sub(1)?)?;
    (time <= end).then_some(Tag(side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_belongs_to_the_round_it_falls_in() {
        let blocks = [(10, 20, 0), (30, 40, 1), (50, 60, 0)];
        let sides = [5, 10, 20, 25, 35, 41, 60, 61].map(|time| side_at(&blocks, time));
        let (a, b) = (Some(Tag::A), Some(Tag::B));
        assert_eq!(sides, [None, a, a, None, b, None, a, None]);
        assert_eq!(side_at(&[], 1), None);
    }
}
