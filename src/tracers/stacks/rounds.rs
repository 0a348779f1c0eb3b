//! The command's part in rounds that perf samples: it starts perf when the driver is ready, and gives each sample to
//! the round in which it was taken, for the run file.

use raptors_flamegraphs::Tag;

use super::perf::{Recording, Seen};
use crate::model::error::Error;
use crate::model::protocol::{Block, PerfEnded, PerfStarted, Pipes, SampledSide, Sampler};
use crate::model::tool::{Engine, Tool};

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

    /// The driver, process `pid`, is ready to be sampled: starts perf, and gives the answer, which has the pipes by
    /// which the driver switches it. `interrupted` tells whether the user has asked to end the run.
    pub fn ready(&mut self, pid: u32, interrupted: &dyn Fn() -> bool) -> PerfStarted {
        let started = Recording::start(pid, self.frequency, interrupted);
        let pipes = started.as_ref().ok().map(Recording::pipes).map(|(control, acknowledged)| Pipes {
            control: control.display().to_string(),
            acknowledged: acknowledged.display().to_string(),
        });
        self.current = Some(started);
        PerfStarted { pipes }
    }

    /// The driver has run these rounds: ends perf, and gives what it saw.
    pub fn sampled(&mut self, blocks: &[Block]) -> PerfEnded {
        let read = match self.current.take() {
            Some(Ok(recording)) => finish(recording, blocks),
            Some(Err(refused)) => Err(refused),
            None => Err(Error::new("perf was not started")),
        };
        let sampler = read.unwrap_or_else(|error| Sampler {
            engine: Engine::Outside(Tool::Perf),
            why_not: Some(error.in_a_line()),
            ..Sampler::default()
        });
        PerfEnded { sampler }
    }
}

/// Ends perf, and gives its samples to the rounds.
fn finish(recording: Recording, blocks: &[Block]) -> Result<Sampler, Error> {
    // While the process lives.
    let mapped = recording.mapped();
    let Seen { script, warnings } = recording.read(&|time| side_at(blocks, time), &mapped)?;
    let tags = script.profile.tags();
    let sides = [Tag::A, Tag::B].map(|tag| SampledSide {
        side: tag.0.into(),
        samples: tags.get(&tag).map_or(0, |(count, _)| *count),
        dropped: 0,
        // Of a clock, the period is nanoseconds.
        cpu_ns: script.periods.get(&tag).copied().unwrap_or(0),
    });
    Ok(Sampler {
        engine: Engine::Outside(Tool::Perf),
        outside: script.outside,
        troubles: warnings,
        sides: sides.to_vec(),
        record: Some(script.profile.record()),
        ..Sampler::default()
    })
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
