//! `raptors-trace imports` on real wheels, on libraries that gcc makes, and on what nobody should give it.
//!
//! The wheels are downloaded by pip, once. `BLESS=1 cargo test --test imports` writes the schema and the golden
//! tables anew.

#[path = "imports/support.rs"]
mod support;

#[path = "imports/cli.rs"]
mod cli;
#[path = "imports/damage.rs"]
mod damage;
#[path = "imports/elf.rs"]
mod elf;
#[path = "imports/looks.rs"]
mod looks;
#[path = "imports/wheels.rs"]
mod wheels;
