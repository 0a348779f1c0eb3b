//! The errors of this crate.

use crate::Scale;
#[cfg(feature = "capture")]
use crate::Tag;

/// The longest part of a bad line that is shown.
const SHOWN: usize = 80;

/// The beginning of a line.
pub(crate) fn shown(line: &str) -> String {
    line.chars().take(SHOWN).collect()
}

/// An error between samples and a picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line of folded text is not `frame;frame;… count`.
    #[error("line {line} of the folded stacks is not `frame;frame count`: {why} in {text:?}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The reason.
        why: &'static str,
        /// Its beginning, at most 80 characters.
        text: String,
    },
    /// The sum of the counts exceeds 64 bits; every percentage would be wrong.
    #[error("the sample counts add up to more than {}", u64::MAX)]
    TooManySamples,
    /// There are no samples, and an empty picture would suggest that nothing ran.
    #[error("there are no samples, so there is no flamegraph to draw")]
    NoSamples,
    /// Weights need an amount of time and of work.
    #[error("{0:?} is no scale: seconds per sample and operations have to be above 0")]
    Scale(Scale),
    /// Time and counts cannot be compared.
    #[error("the samples are not weighed as time per operation yet: weigh each side first")]
    Unweighed,
    /// A line is not in the format of `perf script`.
    #[error("line {line} of the output of perf script cannot be read: {why}: {text:?}")]
    Perf {
        /// Its number, from 1.
        line: usize,
        /// The reason.
        why: &'static str,
        /// Its beginning, at most 80 characters.
        text: String,
    },
    /// perf ends every sample with an empty line.
    #[error("the output of perf script is cut off inside a sample; let perf finish and read it again")]
    CutOff,
    /// A line is not in DTrace's format of stacks.
    #[error("line {line} of the stacks of DTrace cannot be read: {why}: {text:?}")]
    Dtrace {
        /// Its number, from 1.
        line: usize,
        /// The reason.
        why: &'static str,
        /// Its beginning, at most 80 characters.
        text: String,
    },
    /// The number below a stack is its end.
    #[error("the stacks of DTrace are cut off inside one; let DTrace finish and read them again")]
    DtraceCutOff,
    /// A line is not in the format of `sample`.
    #[error("line {line} of the report of sample cannot be read: {why}: {text:?}")]
    Sample {
        /// Its number, from 1.
        line: usize,
        /// The reason.
        why: &'static str,
        /// Its beginning, at most 80 characters.
        text: String,
    },
    /// Other sections follow the call graph.
    #[error("the report of sample has no call graph, or is cut off inside it")]
    SampleCutOff,
    /// The input could not be read.
    #[error("the samples could not be read")]
    Read(#[source] std::io::Error),
    /// A document of samples refers to an element that it does not have.
    #[error("the recorded samples are damaged: one refers to a {0} that is not there")]
    Record(&'static str),
    /// A file is not the expected table of a recording.
    #[error("the export of xctrace cannot be read: {why}")]
    Xctrace {
        /// The reason.
        why: String,
    },
    /// The drawing library failed.
    #[error("the flamegraph could not be drawn")]
    Draw(#[source] std::io::Error),
    /// No file format has this name.
    #[error("{0:?} is no format; there are folded, pprof, speedscope, firefox and chrome")]
    Format(String),
    /// The file could not be written.
    #[error("the samples could not be written for another tool")]
    Export(#[source] std::io::Error),
    /// The given picture has no `<svg` with a height.
    #[error("a picture for the page is no SVG document")]
    Page,
    /// The sampler could not be started or read.
    #[cfg(feature = "capture")]
    #[error("this process could not be sampled")]
    Capture(#[from] pprof::Error),
    /// Only one sampler can use the signal.
    #[cfg(feature = "capture")]
    #[error("this process is being sampled already (it has a handler for SIGPROF); end that first")]
    Busy,
    /// Every sample went to another handler.
    #[cfg(feature = "capture")]
    #[error(
        "there are no samples: the program set its own handler or timer of SIGPROF while it was sampled; \
         sample it from outside with perf, or without its own profiler"
    )]
    Taken,
    /// The tag is not one of the eight.
    #[cfg(feature = "capture")]
    #[error("{0:?} is above 7, the last tag that samples can carry")]
    Tag(Tag),
    /// The operating system refused the signal or the clock.
    #[cfg(feature = "capture")]
    #[error("the signal handler or the CPU clock of this process could not be set up")]
    Signal(#[source] std::io::Error),
}
