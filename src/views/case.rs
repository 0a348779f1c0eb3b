//! One case: which side is faster, by how much, in which phase, through which calls.

use super::layout::{Cell, Page, Row, Tone, bar, lines_of, span, squeeze, widths_of};
use super::{Part, calls, escape};
use crate::model::comparison::{
    Case, CaseName, Comparison, DriftVerdict, Machine, MemoryLevel, ObserverCost, Results, Rounds, Side, Sides, Verdict,
};
use crate::model::units::{self, TimeUnit};

/// Columns of the bar beside a difference.
const BAR: usize = 8;
/// Below this width there is no room for bars, and calls are in lines below each other.
pub const WIDE: usize = 84;
/// A longer statement gets its own line.
const LONG_STATEMENT: usize = 28;
pub const NOT_MEASURED: &str = "–";

/// Writes the case, or one part of it.
pub fn write(page: &mut Page, comparison: &Comparison, case: &Case, part: Part) {
    if page.width >= WIDE && part != Part::Calls {
        wide(page, comparison, case, part);
    } else {
        narrow(page, comparison, case, part);
    }
    foot(page, comparison, case, part);
}

/// Everything in four columns.
fn wide(page: &mut Page, comparison: &Comparison, case: &Case, part: Part) {
    let head = title(case);
    let mut rows = times(case, page.unicode, true);
    rows.push(threads(case));
    if part == Part::All {
        rows.push(memory(&comparison.machine, case));
        rows.extend(counters(case));
        rows.extend(calls::rows(comparison, case, part).rows());
    }
    let all: Vec<&Row> = head.iter().chain(&rows).collect();
    let widths = widths(&all, page.width);
    table(page, &head, &widths);
    if !fits(case) {
        statements(page, case);
    }
    page.rule(span(&widths));
    table(page, &rows, &widths);
}

/// The verdict on its own lines, times in columns, the rest below each other.
fn narrow(page: &mut Page, comparison: &Comparison, case: &Case, part: Part) {
    let [what, verdict] = heading(case);
    page.wrapped(&what.text, 2, what.tone);
    page.wrapped(&verdict.text, 2, verdict.tone);
    statements(page, case);
    page.rule(page.width);
    if part != Part::Calls {
        let names = [&case.sides.a, &case.sides.b];
        let [a, b] = names.map(|side| Cell::new(escape(&side.name), Tone::Faint));
        let mut rows = times(case, page.unicode, false);
        rows.push(threads(case));
        let widths = widths(&rows.iter().collect::<Vec<_>>(), page.width);
        page.row(&[Cell::default(), a, b, Cell::default()], &widths);
        table(page, &rows, &widths);
    }
    if part == Part::All {
        stacked(page, case, &memory(&comparison.machine, case));
        for row in counters(case) {
            stacked(page, case, &row);
        }
    }
    if part != Part::Phases {
        for (line, tone) in calls::rows(comparison, case, part).stacked() {
            page.wrapped_indented(&line, tone);
        }
    }
}

/// One row as a line per side.
fn stacked(page: &mut Page, case: &Case, [label, a, b, _]: &Row) {
    page.wrapped_indented(&label.text, label.tone);
    for (side, cell) in [(&case.sides.a, a), (&case.sides.b, b)] {
        page.wrapped_indented(&format!("  {}: {}", escape(&side.name), cell.text), cell.tone);
    }
}

/// Writes rows. A note that is wider than the last column continues below itself.
fn table(page: &mut Page, rows: &[Row], widths: &[usize]) {
    for [label, a, b, note] in rows {
        let mut lines = if note.width() <= widths[3] {
            vec![note.text.clone()].into_iter()
        } else {
            lines_of(&note.text, widths[3]).into_iter()
        };
        let first = lines.next().unwrap_or_default();
        page.row(&[label.clone(), a.clone(), b.clone(), Cell::new(first, note.tone)], widths);
        for line in lines {
            let empty = Cell::default;
            page.row(&[empty(), empty(), empty(), Cell::new(line, note.tone)], widths);
        }
    }
}

/// Widths of the four columns: as wide as their cells, reduced from the right if the page is too narrow.
fn widths(rows: &[&Row], page: usize) -> Vec<usize> {
    let mut widths = widths_of(rows);
    squeeze(&mut widths, page, &[(3, 18), (0, 24), (2, 14), (1, 14), (0, 14), (3, 8), (2, 8), (1, 8)]);
    widths
}

/// The subject of the comparison, and the verdict.
fn heading(case: &Case) -> [Cell; 2] {
    let size = size(case);
    let what = if size.is_empty() { kind(case) } else { format!("{size}, {}", kind(case)) };
    let (ratio, interval) = case.ratio.figures();
    let (verdict, tone) = verdict(case);
    [Cell::new(what, Tone::Strong), Cell::new(format!("{verdict}: {ratio} {interval}"), tone)]
}

/// `float32 2048 × 2048 (16 MiB)`; empty if the statements choose their own arrays.
pub fn size(case: &Case) -> String {
    if case.shape.is_empty() {
        return String::new();
    }
    let bytes = case.array_bytes().map(|bytes| format!(" ({})", units::bytes(bytes as f64)));
    let dtype = case.dtype.as_deref().map(|dtype| escape(dtype) + " ");
    format!("{}{}{}", dtype.unwrap_or_default(), case.shape_text(" × "), bytes.unwrap_or_default())
}

/// The pair of statements, with a note if the results are kept.
pub fn kind(case: &Case) -> String {
    let kept = if case.results == Results::Kept { ", results kept" } else { "" };
    let name = if case.name == CaseName::Custom { "two statements" } else { case.name.as_str() };
    format!("{name}{kept}")
}

/// The faster side, if there is a verdict.
pub fn verdict(case: &Case) -> (String, Tone) {
    match case.ratio.verdict {
        Verdict::BFaster => (format!("{} is faster", escape(&case.sides.b.name)), Tone::Good),
        Verdict::AFaster => (format!("{} is faster", escape(&case.sides.a.name)), Tone::Bad),
        Verdict::NoDifferenceShown => ("no difference shown".to_owned(), Tone::Strong),
    }
}

/// The heading over four columns.
fn title(case: &Case) -> Vec<Row> {
    let (verdict, tone) = verdict(case);
    let (ratio, interval) = case.ratio.figures();
    let (first, second) = match size(case) {
        size if size.is_empty() => (kind(case), String::new()),
        size => (size, kind(case)),
    };
    let statement = |side: &Side| {
        let text = if fits(case) { escape(&side.statement) } else { String::new() };
        Cell::plain(text)
    };
    let name = |side: &Side| Cell::new(escape(&side.name), Tone::Strong);
    let Sides { a, b } = &case.sides;
    vec![
        [Cell::new(first, Tone::Strong), name(a), name(b), Cell::new(verdict, tone)],
        [Cell::plain(second), statement(a), statement(b), Cell::new(format!("{ratio} {interval}"), tone)],
    ]
}

/// Whether both statements fit beside each other.
fn fits(case: &Case) -> bool {
    [&case.sides.a, &case.sides.b].iter().all(|side| escape(&side.statement).len() <= LONG_STATEMENT)
}

/// The statements in full.
fn statements(page: &mut Page, case: &Case) {
    for side in [&case.sides.a, &case.sides.b] {
        let line = format!("{}: {}", escape(&side.name), escape(&side.statement));
        page.wrapped(&line, 4, Tone::Plain);
    }
}

/// One line of the time table before it is aligned.
pub struct TimeRow {
    /// Indented for a part of the whole.
    pub label: &'static str,
    /// Nanoseconds of side A; none if not measured.
    pub a: Option<f64>,
    /// Of side B.
    pub b: Option<f64>,
    extra: [String; 2],
    /// Whether it is the time of a whole operation.
    pub whole: bool,
}

impl TimeRow {
    /// B's time minus A's.
    pub fn difference(&self) -> Option<f64> {
        Some(self.b? - self.a?)
    }
}

/// The time of an operation and its phases, without phases that neither side has.
pub fn time_rows(case: &Case, unit: &TimeUnit) -> Vec<TimeRow> {
    let (a, b) = (&case.sides.a, &case.sides.b);
    let whole = TimeRow {
        label: "time per operation",
        a: Some(a.wall_ns.median),
        b: Some(b.wall_ns.median),
        extra: [format!(" {}", unit.name()), format!(" {}", unit.name())],
        whole: true,
    };
    let faults = |side: &Side| side.faults_per_op.map(|n| format!(" ({})", units::count(n))).unwrap_or_default();
    let part = |label, a, b| TimeRow { label, a, b, extra: Default::default(), whole: false };
    let (x, y) = (&a.phases_ns, &b.phases_ns);
    let page_faults =
        TimeRow { extra: [faults(a), faults(b)], ..part("  page faults (per op)", x.page_fault, y.page_fault) };
    let any_fault = [a, b].iter().any(|side| side.faults_per_op.is_some_and(|n| n >= 0.005));
    let zero =
        |value: Option<f64>| value.is_some_and(|ns| unit.number(ns).chars().all(|c| matches!(c, '0' | '.' | ' ')));
    let shown = |row: &TimeRow, always: bool| always || !(zero(row.a) && zero(row.b));
    let rows = [
        (whole, true),
        (part("  kernel", x.kernel, y.kernel), true),
        (part("  allocation", x.allocation, y.allocation), false),
        (page_faults, any_fault),
        (part("  conversion", x.conversion, y.conversion), false),
        (part("  dispatch", x.dispatch, y.dispatch), true),
        (part("  thread wake and join", x.sync, y.sync), false),
        (part("  free", x.free, y.free), false),
        (part("  residual", x.residual, y.residual), true),
    ];
    rows.into_iter().filter(|(row, always)| shown(row, *always)).map(|(row, _)| row).collect()
}

/// The unit of a case's times.
pub fn unit(case: &Case) -> TimeUnit {
    TimeUnit::for_block(shorter(case))
}

fn shorter(case: &Case) -> f64 {
    case.sides.a.wall_ns.median.min(case.sides.b.wall_ns.median)
}

fn times(case: &Case, blocks: bool, bars: bool) -> Vec<Row> {
    let (shorter, unit) = (shorter(case), unit(case));
    let rows = time_rows(case, &unit);
    let number = |value: Option<f64>| value.map_or(NOT_MEASURED.to_owned(), |ns| unit.number(ns));
    let widest =
        |side: fn(&TimeRow) -> Option<f64>| rows.iter().map(|row| number(side(row)).chars().count()).max().unwrap_or(0);
    let (wide_a, wide_b) = (widest(|row| row.a), widest(|row| row.b));
    let differences: Vec<String> =
        rows.iter().map(|row| row.difference().map(|ns| unit.difference(ns)).unwrap_or_default()).collect();
    let wide_d = differences.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let largest =
        rows.iter().filter(|row| !row.whole).filter_map(TimeRow::difference).map(f64::abs).fold(0.0, f64::max);
    let one = |(row, difference): (&TimeRow, &String)| {
        let mut text = format!("{difference:>wide_d$}");
        if row.whole {
            text = format!("{text} {}", unit.name());
        } else if let (true, Some(ns)) = (bars && largest > 0.0, row.difference()) {
            let room = unit.name().chars().count() + 3;
            text = format!("{text}{}{}", " ".repeat(room), bar(ns.abs() / largest, BAR, blocks));
        }
        let cell = |value, wide: usize, extra: &String| {
            Cell::new(format!("{:>wide$}{extra}", number(value)), if row.whole { Tone::Strong } else { Tone::Plain })
        };
        let label = Cell::new(row.label, if row.whole { Tone::Strong } else { Tone::Plain });
        let tone = tone(case, row, shorter);
        [
            label,
            cell(row.a, wide_a, &row.extra[0]),
            cell(row.b, wide_b, &row.extra[1]),
            Cell::new(text.trim_end(), tone),
        ]
    };
    rows.iter().zip(&differences).map(one).collect()
}

/// A difference has a colour if it is significant: the whole by its verdict, a phase from 1 % of the time on.
fn tone(case: &Case, row: &TimeRow, shorter: f64) -> Tone {
    let difference = row.difference().unwrap_or(0.0);
    let said =
        if row.whole { case.ratio.verdict != Verdict::NoDifferenceShown } else { difference.abs() >= 0.01 * shorter };
    match (said, difference < 0.0) {
        (false, _) => Tone::Faint,
        (true, true) => Tone::Good,
        (true, false) => Tone::Bad,
    }
}

fn threads(case: &Case) -> Row {
    let cell = |side: &Side| {
        let threads = side.threads.map_or(NOT_MEASURED.to_owned(), |n| n.to_string());
        let cpu = side.cpu_ns_per_op.map_or(NOT_MEASURED.to_owned(), units::time);
        Cell::plain(format!("{threads} · {cpu}"))
    };
    [Cell::plain("threads · CPU time"), cell(&case.sides.a), cell(&case.sides.b), Cell::default()]
}

fn memory(machine: &Machine, case: &Case) -> Row {
    let sides = [&case.sides.a, &case.sides.b];
    let limits = sides.map(|side| machine.limit_for(side));
    let label = match limits {
        [Some(a), Some(b)] if a == b => format!("memory (limit {} GB/s)", units::gb_s(a)),
        [Some(a), Some(b)] => format!("memory (limits {}, {} GB/s)", units::gb_s(a), units::gb_s(b)),
        [Some(one), None] | [None, Some(one)] => {
            format!("memory (limit {} GB/s)", units::gb_s(one))
        }
        _ => "memory".to_owned(),
    };
    let cell = |side: &Side, limit: Option<f64>| {
        let bytes = side.bytes_per_op.map(units::bytes);
        let speed = side.gb_s.map(|gb_s| format!("{} GB/s", units::gb_s(gb_s)));
        let level = match (side.memory_level, side.gb_s, limit) {
            (Some(MemoryLevel::Memory), Some(gb_s), Some(limit)) if limit > 0.0 => {
                Some(format!("{} %", units::decimal(gb_s / limit * 100.0, 0)))
            }
            (Some(MemoryLevel::Memory), ..) => Some("memory".to_owned()),
            (Some(level), ..) => Some(format!("{level:?}")),
            (None, ..) => None,
        };
        let parts: Vec<String> = [bytes, speed, level].into_iter().flatten().collect();
        Cell::plain(if parts.is_empty() { NOT_MEASURED.to_owned() } else { parts.join(", ") })
    };
    [Cell::plain(label), cell(sides[0], limits[0]), cell(sides[1], limits[1]), Cell::default()]
}

/// Further facts about both sides: threads, memory traffic, hardware counters.
pub fn facts(machine: &Machine, case: &Case) -> Vec<Row> {
    let mut rows = vec![threads(case), memory(machine, case)];
    rows.extend(counters(case));
    rows
}

fn counters(case: &Case) -> Vec<Row> {
    let [a, b] = [&case.sides.a, &case.sides.b].map(|side| side.counters.clone().unwrap_or_default());
    let rows = [
        ("instructions", a.instructions, b.instructions),
        ("cycles", a.cycles, b.cycles),
        ("cache misses", a.cache_misses, b.cache_misses),
        ("TLB misses", a.tlb_misses, b.tlb_misses),
    ];
    let cell = |value: Option<f64>| Cell::plain(value.map_or(NOT_MEASURED.to_owned(), units::large));
    rows.into_iter()
        .filter(|(_, a, b)| a.is_some() || b.is_some())
        .map(|(label, a, b)| [Cell::plain(label), cell(a), cell(b), Cell::default()])
        .collect()
}

/// Facts about the rounds, and the meaning of a dash if one was printed.
fn foot(page: &mut Page, comparison: &Comparison, case: &Case, part: Part) {
    let missing = |side: &Side| side.phases_ns.named().iter().any(|(_, ns)| ns.is_none());
    if part != Part::Calls && (missing(&case.sides.a) || missing(&case.sides.b)) {
        let why = if comparison.warnings.is_empty() { "" } else { ", see the warnings" };
        page.wrapped(&format!("{NOT_MEASURED} not measured{why}"), 2, Tone::Faint);
    }
    let costs = [&case.sides.a, &case.sides.b].map(|side| side.wall_ratio_observed_to_unobserved);
    let cost = costs.into_iter().flatten().max_by(f64::total_cmp);
    let drift = match case.rounds.drift.verdict {
        DriftVerdict::None => "drift none".to_owned(),
        DriftVerdict::A => drifted(&case.sides.a, case.rounds.drift.a),
        DriftVerdict::B => drifted(&case.sides.b, case.rounds.drift.b),
        DriftVerdict::Both => "both sides drift".to_owned(),
        DriftVerdict::TooFewRounds => "too few rounds to see drift".to_owned(),
    };
    let parts = [
        observing(cost, comparison.observer_cost.as_ref()),
        match case.rounds.placements {
            Some(placements) if placements > 1 => {
                format!("{} rounds in {placements} placements", case.rounds.count)
            }
            _ => format!("{} rounds", case.rounds.count),
        },
        drift,
        warmed(&case.rounds),
    ];
    page.parts(&parts, 2, Tone::Faint);
}

/// The cost of observing: of the case's observed rounds, and of one recorded call of the run.
fn observing(ratio: Option<f64>, cost: Option<&ObserverCost>) -> String {
    let a_call = cost.and_then(|cost| cost.ns_per_call);
    let a_call = a_call.map(|ns| format!(", {} a recorded call", units::time(ns.max(0.0))));
    ratio.map_or_else(String::new, |ratio| {
        let change = units::change(ratio - 1.0);
        format!("observed rounds cost {change}{}", a_call.unwrap_or_default())
    })
}

fn warmed(rounds: &Rounds) -> String {
    match rounds.settled {
        Some(false) => format!("not settled after {}", rounds.warmup),
        _ => format!("warm after {}", rounds.warmup),
    }
}

fn drifted(side: &Side, change: Option<f64>) -> String {
    let by = change.map(|change| format!(" by {}", units::change(change))).unwrap_or_default();
    format!("{} drifts{by}", escape(&side.name))
}
