//! The page: tables in Markdown, between two marks of docs/performance.md.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Case, Measured, Options, Run};

const BEGIN: &str = "<!-- measured by cargo xtask bench: what stands here is replaced -->\n";
const END: &str = "<!-- end of what is measured -->\n";

/// Replaces the text between the marks of the page; the rest stays.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let page = std::fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("{path:?} has no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{path:?} has no line {END:?}"))?;
    std::fs::write(path, format!("{before}{BEGIN}{text}{END}{after}")).with_context(|| format!("cannot write {path:?}"))
}

/// All measurements.
pub fn text(
    machine: &Value,
    software: &Value,
    measured: &[Measured],
    one: &Run,
    memory: Option<&str>,
    options: &Options,
) -> String {
    let mut text = String::new();
    head(&mut text, machine, software, options);
    for dtype in &options.dtype {
        _ = writeln!(text, "### {dtype}: the other's time ÷ Raptors' (above 1 Raptors is faster)\n");
        table(&mut text, measured, dtype, options, |case| {
            let [low, high] = case.ratio.ci95;
            format!("{:.2} [{low:.2}, {high:.2}]", case.ratio.median)
        });
        _ = writeln!(
            text,
            "### {dtype}: one operation, the other's → Raptors' time (Raptors' CPU time; GB/s of its operands)\n"
        );
        table(&mut text, measured, dtype, options, |case| {
            let (a, b) = (&case.sides.a, &case.sides.b);
            let cpu = b.cpu_ns_per_op.map_or("?".into(), time);
            let speed = b.gb_s.map_or("?".into(), |gb_s| format!("{gb_s:.0}"));
            format!("{} → {} ({cpu}; {speed})", time(a.wall_ns.median), time(b.wall_ns.median))
        });
    }
    for case in one.cases.iter().filter(|case| case.name != "round trip" && case.results == "dropped") {
        let [a, b] =
            [&case.sides.a, &case.sides.b].map(|side| format!("`{}` {}", side.statement, time(side.wall_ns.median)));
        _ = writeln!(text, "One element: {a}, {b} (median, float32, in a loop).\n");
    }
    if let Some(memory) = memory {
        _ = writeln!(text, "Memory: {memory}.\n");
    }
    text
}

fn head(text: &mut String, machine: &Value, software: &Value, options: &Options) {
    let mib = |name: &str| machine[name].as_u64().unwrap_or(0) as f64 / f64::from(1 << 20);
    let limit = |threads: &str| machine["limit_gb_s"][threads].as_f64().unwrap_or(f64::NAN);
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    _ = writeln!(
        text,
        "Machine: {}, {} cores, L2 {:.0} MiB, L3 {:.0} MiB, {}, huge pages `{}`. NumPy {}, Python {}, {}. {} seconds \
         a cell, both sides together, in one process and interleaved rounds after a warm-up.\n\n\
         Measured limit of the memory: {:.1} GB/s with one thread, {:.1} GB/s with all, best kind of stores.\n",
        word(&machine["cpu"]),
        machine["cores"],
        mib("l2"),
        mib("l3"),
        word(&machine["kernel"]),
        word(&machine["thp"]),
        word(&software["numpy"]),
        word(&software["python"]),
        word(&software["allocator"]),
        options.time,
        limit("1"),
        limit("all"),
    );
}

fn table(text: &mut String, measured: &[Measured], dtype: &str, options: &Options, cell: impl Fn(&Case) -> String) {
    let head: Vec<String> = options.size.iter().map(|size| format!("{size}²")).collect();
    _ = writeln!(text, "| | {} |", head.join(" | "));
    _ = writeln!(text, "|---|{}", "---|".repeat(head.len()));
    for row in measured {
        let cells: Vec<String> = options
            .size
            .iter()
            .map(|size| {
                let size = u64::from(*size);
                let fits =
                    |case: &&Case| case.dtype.as_deref() == Some(dtype) && case.shape.as_deref() == Some(&[size, size]);
                row.cases.iter().find(fits).map_or("–".into(), &cell)
            })
            .collect();
        _ = writeln!(text, "| {} | {} |", row.row.title, cells.join(" | "));
    }
    text.push('\n');
}

/// Nanoseconds in a readable unit.
fn time(ns: f64) -> String {
    match ns {
        _ if ns < 1e3 => format!("{ns:.0} ns"),
        _ if ns < 1e5 => format!("{:.1} µs", ns / 1e3),
        _ if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("page.md");
        std::fs::write(&path, format!("before\n{BEGIN}old\n{END}after\n")).unwrap();
        replace(&path, "new\n").unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        assert_eq!(page, format!("before\n{BEGIN}new\n{END}after\n"));
        std::fs::write(&path, "no marks").unwrap();
        assert!(replace(&path, "new").is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "no marks");
    }

    #[test]
    fn times_have_the_unit_one_reads() {
        assert_eq!(time(159.4), "159 ns");
        assert_eq!(time(23_710.0), "23.7 µs");
        assert_eq!(time(424_400.0), "424 µs");
        assert_eq!(time(2_408_000.0), "2.41 ms");
    }
}
