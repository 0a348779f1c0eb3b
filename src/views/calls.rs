//! The calls of an operation, on either side, with the control that proves a zero.

use std::collections::BTreeMap;

use super::layout::{Cell, Row, Tone};
use super::{Part, escape, header::short_file};
use crate::model::comparison::{Call, CallKind, Case, Comparison, Control, Scalar, Side};
use crate::model::units;

/// Further patterns are shown by `calls` and `--json` only.
const MOST: usize = 12;

/// The call patterns of a case, A's and B's of the same name side by side.
pub struct Table {
    names: [String; 2],
    pairs: Vec<Pair>,
    left_out: usize,
    blas: [String; 2],
    control: (String, Tone),
    details: bool,
}

struct Pair {
    label: String,
    cells: [String; 2],
    note: String,
    details: [Option<String>; 2],
    indent: usize,
}

/// Collects the table.
pub fn rows(comparison: &Comparison, case: &Case, part: Part) -> Table {
    let (a, b) = (&case.sides.a, &case.sides.b);
    let mut others: Vec<&Call> = b.calls.iter().collect();
    let mut pairs = Vec::new();
    for call in &a.calls {
        let same = |other: &&Call| other.kind == call.kind && other.name == call.name;
        let alike = others.iter().position(|other| same(other) && other.strides == call.strides);
        let found = alike.or_else(|| others.iter().position(same));
        let other = found.map(|at| others.remove(at));
        pairs.push(pair(case, Some(call), other));
    }
    pairs.extend(others.into_iter().map(|call| pair(case, None, Some(call))));
    let most = if part == Part::Calls { usize::MAX } else { MOST };
    let left_out = pairs.len().saturating_sub(most);
    pairs.truncate(most);
    let blas = |side: &Side| side.blas_calls_per_op.map_or("–".to_owned(), units::count);
    Table {
        names: [escape(&a.name), escape(&b.name)],
        pairs,
        left_out,
        blas: [blas(a), blas(b)],
        control: control(&comparison.controls),
        details: part == Part::Calls,
    }
}

fn pair(case: &Case, a: Option<&Call>, b: Option<&Call>) -> Pair {
    let first = a.or(b);
    let indent = first.map_or(0, |call| call.depth as usize);
    let name = first.map_or(String::new(), |call| escape(&call.name));
    let inside = if indent > 0 { "└ " } else { "" };
    let notes: Vec<String> = [(a, &case.sides.a), (b, &case.sides.b)]
        .into_iter()
        .filter_map(|(call, side)| Some(note(call?, side)))
        .collect();
    let note = match notes.as_slice() {
        [a, b] if a != b => format!("{a} | {b}"),
        [one, ..] => one.clone(),
        [] => String::new(),
    };
    let details = [a, b].map(|call| call.map(detail));
    Pair {
        label: format!("  {}{inside}{name}", "  ".repeat(indent)),
        cells: [a, b].map(|call| call.map_or("–".to_owned(), pattern)),
        note,
        details,
        indent: indent * 2,
    }
}

/// `1 × n=4194304 (4,0,4)`: count, length, strides.
fn pattern(call: &Call) -> String {
    format!("{}{}", units::count(call.calls_per_op), arguments(call))
}

/// ` × n=4194304 (4,0,4)`: length, strides; empty if neither is known.
pub fn arguments(call: &Call) -> String {
    let lengths: Vec<u64> = call.n.keys().copied().collect();
    let n = match lengths.as_slice() {
        [] => String::new(),
        [n] => format!(" × n={n}"),
        [least, .., most] => format!(" × n={least}…{most}"),
    };
    let n = match &call.sizes {
        Some(sizes) if call.kind == CallKind::Loop && lengths != [1] => {
            format!("{n} × {}", dimensions(sizes))
        }
        Some(sizes) => format!(" × {}", dimensions(sizes)),
        None => n,
    };
    let strides = call.strides.as_ref().map(|strides| {
        let strides: Vec<String> = strides.iter().map(|stride| units::decimal(*stride as f64, 0)).collect();
        format!(" ({})", strides.join(","))
    });
    format!("{n}{}", strides.unwrap_or_default())
}

/// `m=64 n=64 k=64`: the usual three in their usual order, others in any order.
fn dimensions(sizes: &BTreeMap<String, u64>) -> String {
    let usual = ["m", "n", "k"];
    let others = sizes.keys().map(String::as_str);
    let others = others.filter(|name| !usual.contains(name));
    let named = usual.into_iter().chain(others);
    let each = named.filter_map(|name| Some(format!("{}={}", escape(name), sizes.get(name)?)));
    each.collect::<Vec<_>>().join(" ")
}

/// The code that ran; for the kernel's own backends the branch with its reason.
pub fn note(call: &Call, side: &Side) -> String {
    let symbol = call.symbol.as_deref().map(escape).unwrap_or_default();
    if call.kind != CallKind::Backend {
        return symbol;
    }
    let reason = side.dispatch_reason.as_deref().map(escape).unwrap_or_default();
    match (symbol.is_empty(), reason.is_empty()) {
        (_, true) => symbol,
        (false, false) if !reason.contains(&symbol) => format!("{symbol}, {reason}"),
        _ => reason,
    }
}

/// The remaining facts about a pattern.
fn detail(call: &Call) -> String {
    let time = call
        .time_ns
        .as_ref()
        .map(|time| format!("{} a call, {} an operation", units::time(time.median), units::time(time.total_per_op)));
    let parts = [time, Some(rest(call)).filter(|rest| !rest.is_empty())];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The facts about a pattern in addition to count, sizes and time.
pub fn rest(call: &Call) -> String {
    let list = |values: &[u64]| values.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let scalar = call.scalar.as_ref().map(|scalar| match scalar {
        Scalar::Number(value) => format!("scalar {value}"),
        Scalar::Text(text) => format!("scalar {}", escape(text)),
    });
    let threads = call.threads.map(|n| if n == 1 { "1 thread".to_owned() } else { format!("{n} threads") });
    let lengths = (call.n.len() > 1).then(|| {
        let each: Vec<String> = call.n.iter().map(|(n, times)| format!("{} × {n}", units::count(*times))).collect();
        format!("n: {}", each.join(", "))
    });
    let parts = [
        lengths,
        call.alignment.as_ref().map(|bytes| format!("aligned to {} B", list(bytes))),
        call.aliasing.as_deref().map(|aliasing| format!("aliasing {}", escape(aliasing))),
        scalar,
        threads,
        call.module.as_deref().map(short_file),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The result of the positive controls. Without one, a zero is not proved, and the text says so.
pub fn control(controls: &[Control]) -> (String, Tone) {
    if controls.is_empty() {
        return ("no control was run".to_owned(), Tone::Alarm);
    }
    if let Some(failed) = controls.iter().find(|control| !control.ok) {
        return (format!("control {} FAILED", escape(&failed.name)), Tone::Alarm);
    }
    let seen = |control: &Control| {
        let routine = control.routine.as_deref().map(short_routine).unwrap_or_else(|| "call".to_owned());
        format!("control {}: {} {routine} seen", escape(&control.name), control.seen)
    };
    (controls.iter().map(seen).collect::<Vec<_>>().join("; "), Tone::Faint)
}

/// `sgemm` for `scipy_cblas_sgemm64_` and similar names.
fn short_routine(symbol: &str) -> String {
    let name = symbol.split_once("cblas_").map_or(symbol, |(_, name)| name);
    let name = name.split('$').next().unwrap_or(name);
    escape(name.trim_end_matches("64_").trim_end_matches('_'))
}

impl Table {
    /// The table as rows of the case's block.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![[Cell::plain("calls per operation"), Cell::default(), Cell::default(), Cell::default()]];
        for pair in &self.pairs {
            let [a, b] = pair.cells.clone().map(Cell::plain);
            rows.push([Cell::plain(&pair.label), a, b, Cell::new(&pair.note, Tone::Faint)]);
        }
        if self.left_out > 0 {
            let more = Cell::new(self.more(), Tone::Faint);
            rows.push([more, Cell::default(), Cell::default(), Cell::default()]);
        }
        let [a, b] = self.blas.clone().map(Cell::plain);
        rows.push([Cell::plain("  BLAS / Accelerate"), a, b, Cell::new(&self.control.0, self.control.1)]);
        rows
    }

    fn more(&self) -> String {
        format!("  and {} more", self.left_out)
    }

    /// The table in lines below each other, for narrow pages and for full detail.
    pub fn stacked(&self) -> Vec<(String, Tone)> {
        let mut lines = vec![("calls per operation".to_owned(), Tone::Plain)];
        for pair in &self.pairs {
            let indent = " ".repeat(pair.indent + 4);
            lines.push((pair.label.clone(), Tone::Strong));
            for (i, cell) in pair.cells.iter().enumerate() {
                let detail = pair.details[i].as_ref().filter(|detail| self.details && !detail.is_empty());
                let detail = detail.map(|detail| format!(" · {detail}")).unwrap_or_default();
                lines.push((format!("{indent}{}: {cell}{detail}", self.names[i]), Tone::Plain));
            }
            if !pair.note.is_empty() {
                lines.push((format!("{indent}{}", pair.note), Tone::Faint));
            }
        }
        if self.left_out > 0 {
            lines.push((self.more(), Tone::Faint));
        }
        let [a, b] = &self.blas;
        lines.push((format!("  BLAS / Accelerate: {} {a}, {} {b}", self.names[0], self.names[1]), Tone::Plain));
        lines.push((format!("    {}", self.control.0), self.control.1));
        lines
    }
}
