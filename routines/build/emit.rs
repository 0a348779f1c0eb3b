//! Writes the catalogue as Rust source.

use crate::expand::Routine;
use std::fmt::Write;

/// The source of `CATALOGUE`, sorted by name.
pub fn source(routines: &[Routine]) -> String {
    let mut text = String::from("/// Every routine, sorted by name.\npub static CATALOGUE: &[Routine] = &[\n");
    for routine in routines {
        write_routine(&mut text, routine);
    }
    text.push_str("];\n");
    text
}

fn write_routine(text: &mut String, r: &Routine) {
    let Routine { name, family, convention, level, returns, purpose, .. } = r;
    let mut args = String::new();
    for arg in &r.args {
        let _ = write!(args, "Arg {{ name: {:?}, ty: {}, role: {} }}, ", arg.name, arg.ty, arg.role);
    }
    let _ = writeln!(
        text,
        "    Routine {{ name: {name:?}, family: Family::{family}, convention: Convention::{convention}, \
         level: Level::{level}, args: &[{args}], returns: {returns}, purpose: {purpose:?} }},"
    );
}
