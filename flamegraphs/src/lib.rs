//! From samples to flamegraphs: fold, name, assign roles, diff and draw.
//!
//! What is here so far: [`Folded`], stacks and how often each was seen, read from and written to the
//! folded text that every flamegraph tool speaks; [`Profile`] and [`Interval`], samples and signposts of
//! Apple's Instruments; [`Role`], what a frame is there for; [`draw`], an
//! SVG of folded stacks; and with the feature `capture` a sampler of the running process.
//!
//! ```
//! use raptors_flamegraphs::{Folded, Picture, draw};
//!
//! let folded = Folded::parse("main;scale 30\nmain;malloc 12\n")?;
//! let svg = draw(&folded, &Picture { title: "a * 2.5", ..Picture::default() })?;
//! assert!(svg.contains("scale"));
//! # Ok::<(), raptors_flamegraphs::Error>(())
//! ```

#[cfg(feature = "capture")]
pub mod capture;
mod draw;
mod folded;
mod role;
mod xctrace;

pub use draw::{Picture, draw};
pub use folded::Folded;
pub use role::Role;
pub use xctrace::{Interval, Profile, Sample};

/// What can go wrong between samples and a picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line of folded text is not `frame;frame;… count`.
    #[error("line {line} of the folded stacks is not `frame;frame count`: {why} in {text:?}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
        /// Its beginning, at most 80 characters.
        text: String,
    },
    /// The counts add up to more than 64 bits hold; their sum would be wrong in every percentage.
    #[error("the sample counts add up to more than {}", u64::MAX)]
    TooManySamples,
    /// There is nothing to draw, and an empty picture would say that nothing ran.
    #[error("there are no samples, so there is no flamegraph to draw")]
    NoSamples,
    /// A file is not the table of a recording that it should be.
    #[error("the export of xctrace cannot be read: {why}")]
    Xctrace {
        /// What is wrong with it.
        why: String,
    },
    /// The drawing library gave up.
    #[error("the flamegraph could not be drawn")]
    Draw(#[source] std::io::Error),
    /// The sampler could not be started or read.
    #[cfg(feature = "capture")]
    #[error("this process could not be sampled")]
    Capture(#[from] pprof::Error),
}
