//! From samples to flamegraphs: fold, name, assign roles, diff and draw.
//!
//! What is here so far: [`Folded`], stacks and how often each was seen, read from and written to the
//! folded text that every flamegraph tool speaks; [`Role`], what a frame is there for; [`draw`], an
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
mod derive;
mod draw;
mod export;
mod folded;
pub mod names;
mod page;
pub mod profile;
mod record;
mod role;
mod roles;
mod tree;
mod xctrace;

pub use draw::{Facts, Picture, draw, draw_tree};
pub use export::{Format, export};
pub use folded::Folded;
pub use page::{Page, Phase};
pub use profile::{Frame, Kind, Named, Profile, Scale, Tag};
pub use record::Record;
pub use role::Role;
pub use roles::Roles;
pub use tree::{Node, Side, Tree, View};

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
    /// Weights need an amount of time and of work.
    #[error("{0:?} is no scale: seconds per sample and operations have to be above 0")]
    Scale(Scale),
    /// Time and counts cannot be set against each other.
    #[error("the samples are not weighed as time per operation yet: weigh each side first")]
    Unweighed,
    /// A document of samples refers to something that is not in it.
    #[error("the recorded samples are damaged: one refers to a {0} that is not there")]
    Record(&'static str),
    /// What `xctrace export` printed is not what it prints of a time profile.
    #[error("the export of xctrace cannot be read as a time profile")]
    Xctrace(#[source] std::io::Error),
    /// The drawing library gave up.
    #[error("the flamegraph could not be drawn")]
    Draw(#[source] std::io::Error),
    /// No file format has this name.
    #[error("{0:?} is no format; there are folded, pprof, speedscope, firefox and chrome")]
    Format(String),
    /// The file could not be put together.
    #[error("the samples could not be written for another tool")]
    Export(#[source] std::io::Error),
    /// What was given as a picture has no `<svg` with a height.
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
    /// There are eight tags.
    #[cfg(feature = "capture")]
    #[error("{0:?} is above 7, the last tag that samples can carry")]
    Tag(Tag),
    /// The operating system refused the signal or the clock.
    #[cfg(feature = "capture")]
    #[error("the signal handler or the CPU clock of this process could not be set up")]
    Signal(#[source] std::io::Error),
}
