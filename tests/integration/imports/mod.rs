//! `raptors-trace imports` on real wheels, on libraries that gcc makes, and on what nobody should give it.
//!
//! The wheels are downloaded by pip, once.

mod cli;
mod damage;
mod elf;
mod looks;
mod support;
mod wheels;
