//! The tests of the toolkit from outside, in one program: linking it is most of what a test program costs.
//!
//! Nextest runs each test in a process of its own, `cargo test` all of them in one. So no test here changes what the
//! whole process shares (its environment, its directory); what has to be set is set for the command that a test starts.
//!
//! `BLESS=1 cargo test --test integration MODULE` writes the files anew that a module holds its output against:
//! `golden`,
//! `schema`, `doctor`, `imports`. Read the difference before you commit it.

mod against;
mod analysis;
#[cfg(target_os = "linux")]
mod attach;
mod cli;
mod doctor;
mod earlier;
mod fixtures;
mod floors;
mod golden;
mod house;
mod imports;
mod instruments;
mod named_files;
mod protocol;
mod report;
mod run;
mod schema;
mod scripts;
mod threats;
mod tier;
#[path = "../shared/tiers.rs"]
mod tiers;
