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
mod error;
mod export;
mod folded;
pub mod names;
mod page;
mod perf;
pub mod profile;
mod role;
mod roles;
mod tree;
mod xctrace;

pub use draw::{Facts, Picture, draw, draw_tree};
pub use error::Error;
pub use export::{Format, export};
pub use folded::Folded;
pub use page::{Page, Phase};
pub use perf::PerfScript;
pub use profile::{Frame, Kind, Profile, Scale, Tag};
pub use role::Role;
pub use roles::Roles;
pub use tree::{Node, Side, Tree, View};
