//! From samples to flamegraphs: fold, name, assign roles, diff and draw.
//!
//! Samples come from a sampler of the running process (`capture`, a feature), from `perf script` ([`PerfScript`]), from
//! DTrace ([`DtraceStacks`]), from macOS's `sample` ([`read_sample`]), from Instruments or from folded text
//! ([`Folded`]). They become a [`Profile`]. Frames with an address only get their names ([`names`]), and every frame
//! gets its role in an operation ([`Roles`]). Weighed as time per operation, the stacks of one side or of two become a
//! [`Tree`], which is drawn ([`draw_tree`]) and put on a page ([`Page`]). A profile can also be written for other tools
//! ([`export()`]).
//!
//! ```
//! use raptors_flamegraphs::{
//!     Folded, Picture, Profile, Roles, Scale, Side, Tag, Tree, View, draw_tree,
//! };
//!
//! let roles = Roles::default();
//! let [a, b] = ["py;array_multiply;FLOAT_multiply 540\n", "py;scale 410\npy;scale;malloc 90\n"];
//! let weighed = |text: &str| {
//!     let mut profile = Profile::from(&Folded::parse(text)?);
//!     let scale = Scale { seconds_per_sample: 0.004, operations: 4000.0 };
//!     profile.weigh(Tag::A, &scale)?;
//!     Ok::<_, raptors_flamegraphs::Error>(profile)
//! };
//! let (a, b) = (weighed(a)?, weighed(b)?);
//! let (a, b) = (Side::new(&a, Tag::A), Side::new(&b, Tag::A));
//! let tree = Tree::compare(a, b, View::Roles, &roles)?;
//! let svg = draw_tree(&tree, &Picture { title: "a * 2.5", ..Picture::default() })?;
//! assert!(svg.contains("malloc (A 0 ns, B 90.0 µs, difference +90.0 µs, allocation)"));
//! # Ok::<(), raptors_flamegraphs::Error>(())
//! ```

#[cfg(feature = "capture")]
pub mod capture;
mod derive;
mod draw;
mod dtrace;
mod error;
mod export;
mod folded;
pub mod names;
mod page;
mod perf;
pub mod profile;
mod record;
mod regular;
mod role;
mod roles;
mod sample;
mod text;
mod tree;
pub mod xctrace;

pub use draw::{Facts, NARROWEST, Picture, draw, draw_tree};
pub use dtrace::{DtraceStacks, Loaded, Place};
pub use error::Error;
pub use export::{Format, export};
pub use folded::Folded;
pub use page::{Page, Phase, frame};
pub use perf::{Context, PerfScript};
pub use profile::{Frame, Kind, Named, Profile, Scale, Tag};
pub use record::Record;
pub use regular::open_regular;
pub use role::Role;
pub use roles::Roles;
pub use sample::{is_sample, read_sample};
pub use text::is_hidden;
pub use tree::{Node, Side, Tree, View};
