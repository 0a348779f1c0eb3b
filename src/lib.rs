//! raptors-trace shows why one array library is slower than another.
pub mod analysis;
pub mod attach;
pub mod cli;
mod command;
pub mod comparison;
pub mod doctor;
pub mod elf;
pub mod engines;
pub mod error;
pub mod imports;
pub mod interpreter;
mod interrupt;
pub mod live;
pub mod machine;
mod platform;
pub mod report;
pub mod run;
pub mod scripts;
