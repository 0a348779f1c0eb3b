//! Tools by their names on the command line: each option takes a part of the one list of tools.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::model::tool::{Engine, Engines, Tool};

/// What has no other name than these, and what it does.
type Names = &'static [(&'static str, &'static str)];

fn names(names: Names) -> PossibleValuesParser {
    PossibleValuesParser::new(names.iter().map(|(name, help)| PossibleValue::new(*name).help(*help)))
}

/// Who sees calls: one engine, or `all`.
pub fn engines() -> impl TypedValueParser<Value = Engines> {
    const NAMES: Names = &[
        ("inprocess", "By the observers in the process itself; no root"),
        ("bpftrace", "By bpftrace"),
        ("dtrace", "By DTrace"),
        ("all", "By all of them, beside each other"),
    ];
    names(NAMES).try_map(|name| match name.as_str() {
        "all" => Ok(Engines::ALL),
        name => name.parse().map(Engines::one),
    })
}

/// Who samples stacks.
pub fn samplers() -> impl TypedValueParser<Value = Engine> {
    const NAMES: Names = &[
        ("inprocess", "A sampler in the process itself"),
        ("perf", "perf (Linux)"),
        ("dtrace", "DTrace, with --pid"),
        ("sample", "`sample` (macOS), with --pid"),
    ];
    names(NAMES).try_map(|name| name.parse::<Engine>())
}

/// What `attach` can run.
pub fn attached() -> impl TypedValueParser<Value = Tool> {
    const NAMES: Names = &[
        ("bpftrace", "Calls of loops and routines"),
        ("dtrace", "Calls of loops and routines"),
        ("perf", "Sampled stacks, kernel frames included (Linux)"),
        ("instruments", "Apple's Instruments (macOS)"),
    ];
    names(NAMES).try_map(|name| {
        let engine: Engine = name.parse()?;
        engine.tool().ok_or_else(|| format!("{name} is no tool"))
    })
}
