//! The calls of a running process, as text.

use super::layout::{Cell, Page, Tone, span, widths_of};
use super::{TextOptions, escape};
use crate::model::comparison::CallKind;
use crate::model::units;
use crate::tracers::calls::{Live, LiveCall};

/// The whole text.
pub fn text(live: &Live, options: &TextOptions) -> String {
    let mut page = Page::new(options.width, options.color, options.unicode);
    let command = live.command_line.as_deref().map_or(String::new(), |line| format!(": {}", escape(line)));
    page.row(&[Cell::new(format!("process {}{command}", live.pid), Tone::Strong)], &[]);
    let ended = if live.ended { ", until it ended" } else { "" };
    let head = [
        format!("{:.1} s watched by {}{ended}", live.seconds, escape(&live.version)),
        format!("{} probes seen in its memory", live.probes),
    ];
    page.parts(&head, 2, Tone::Faint);
    page.gap();
    let heads = ["", "calls", "per second", "n, strides or sizes", "mean", "in all", "code"];
    let mut rows = vec![heads.map(|head| Cell::new(head, Tone::Strong)).to_vec()];
    rows.extend(live.calls.iter().map(|call| row(call, live)));
    let (rows, widths) = fit(rows, page.width);
    page.table(&rows, &widths, &[0]);
    page.gap();
    let times = "times are from entry to return and include the tracer's cost; a time covers all calls of its code, \
        of all sizes";
    page.wrapped(times, 2, Tone::Faint);
    for left in &live.left_out {
        page.wrapped(&format!("not watched: {}", escape(left)), 2, Tone::Plain);
    }
    for warning in &live.warnings {
        page.wrapped(&format!("warning: {}", escape(warning)), 9, Tone::Alarm);
    }
    page.into_text()
}

/// The rows without the columns that have no room, and the widths of those that have.
fn fit(rows: Vec<Vec<Cell>>, room: usize) -> (Vec<Vec<Cell>>, Vec<usize>) {
    let mut widths = widths_of(&rows);
    // Name and code can be cut to this width; a number is shown completely or not at all. The code goes first.
    for (column, least) in [(6, Some(8)), (2, None), (0, Some(16)), (5, None)] {
        let over = span(&widths).saturating_sub(room);
        if over == 0 {
            break;
        }
        let left = widths[column].saturating_sub(over);
        widths[column] = match least {
            Some(least) if left >= least => left,
            Some(least) if column == 0 => least,
            _ => 0,
        };
    }
    let kept: Vec<usize> = (0..widths.len()).filter(|&column| widths[column] > 0).collect();
    let widths: Vec<usize> = kept.iter().map(|&column| widths[column]).collect();
    let rows = rows.into_iter().map(|row| kept.iter().map(|&column| row[column].clone()).collect()).collect();
    (rows, widths)
}

fn row(call: &LiveCall, live: &Live) -> Vec<Cell> {
    let of_code: u64 = live
        .calls
        .iter()
        .filter(|other| (&other.name, &other.symbol) == (&call.name, &call.symbol))
        .map(|other| other.calls)
        .sum();
    let time = |ns: Option<f64>| ns.map_or("–".to_owned(), units::time);
    let total = call.total_ns.map(|ns| ns as f64);
    let cells = [
        escape(&call.name),
        units::large(call.calls as f64),
        units::large(call.calls as f64 / live.seconds.max(1e-9)),
        pattern(call),
        time(total.map(|ns| ns / of_code.max(1) as f64)),
        time(total),
        escape(call.symbol.as_deref().unwrap_or("")),
    ];
    cells.into_iter().map(Cell::plain).collect()
}

fn pattern(call: &LiveCall) -> String {
    let lengths: Vec<i64> = call.n.keys().copied().collect();
    let n = match lengths.as_slice() {
        [] => String::new(),
        [n] => n.to_string(),
        [least, .., most] => format!("{least}…{most}"),
    };
    let rest: Vec<String> = call.strides.iter().map(i64::to_string).collect();
    match (call.kind, rest.is_empty()) {
        (_, true) => format!("n={n}"),
        (CallKind::Routine, false) => format!("{n} × {}", rest.join(" × ")),
        (_, false) => format!("n={n} ({})", rest.join(",")),
    }
}
