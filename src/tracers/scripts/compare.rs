//! compare_call_patterns: the calls of both sides in two columns.
//!
//! One process: Raptors is what happens inside its operations, NumPy all else. Two processes: one side each.

use super::d::Unread;
use super::probes::Spelling;
use super::text::{fill_with, keep, literal};
use super::watch::{self, ArmedLoop, Request, Watched};
use super::write::{Parts, Values, asked_for, begin, condition, filter, raptors_clauses};
use super::{Script, bt, d, manual};

/// The two processes, where there are two.
fn pair(request: &Request) -> Option<(u32, u32)> {
    match request.filled()?.processes.as_slice() {
        [a, b, ..] => Some((*a, *b)),
        _ => None,
    }
}

/// What the manual says of the sides, and what the columns are called.
fn sides(request: &Request) -> [(&'static str, String); 3] {
    let one = "The right column is what happens inside an operation of Raptors, between its probes scale-entry and \
        scale-return and in the pieces its threads run; the left one is all else in the process, NumPy above all.";
    match pair(request) {
        Some((a, b)) => {
            let told = format!("The left column is process {a}, the right one process {b}.");
            [("SIDES", told), ("A", format!("pid {a}")), ("B", format!("pid {b}"))]
        }
        None => {
            let told = manual::lines(one, 1);
            let told = told.strip_prefix(" * ").unwrap_or(&told).to_owned();
            [("SIDES", told), ("A", "NumPy".into()), ("B", "Raptors".into())]
        }
    }
}

/// For DTrace.
pub fn dtrace(request: &Request, watched: &Watched) -> Parts {
    let mut clauses = dtrace_clauses(request, watched);
    let mut raptors = dtrace_raptors(request, "$target");
    let mut loops = watched.loops.clone();
    let mut routines = watched.routines.clone();
    let mut begin =
        "Process %d: routines, loops and the probes of Raptors are armed, as far as it has loaded them.\\n".to_owned();
    if let Some((_, b)) = pair(request) {
        let other = watch::dtrace(Script::CompareCallPatterns, request, &format!("pid{b}"));
        clauses += &dtrace_clauses(request, &other);
        routines.extend_from_slice(&other.routines);
        loops.extend_from_slice(&other.loops);
        raptors += &dtrace_raptors(request, &b.to_string());
        begin = format!("Processes %d and {b}: routines, loops and the probes of Raptors are armed.\\n");
    }
    let mut values: Values = vec![
        ("ROUTINES", asked_for(request)),
        ("ARMED", manual::armed_d(request, Script::CompareCallPatterns, watched)),
        ("BEGIN", begin),
        ("CLAUSES", clauses),
        ("UNREAD", d::unread_rows(&routines, &loops, &unread_row)),
        ("RAPTORS", raptors),
    ];
    values.extend(sides(request));
    let template = include_str!("templates/compare_call_patterns.d").to_owned();
    Parts { template, values }
}

fn dtrace_clauses(request: &Request, watched: &Watched) -> String {
    let side = match pair(request) {
        Some((_, b)) => format!("pid == {b}"),
        None => "self->scale > 0".to_owned(),
    };
    let counted = |key: &str| {
        format!(
            "seen = 1;\n\tthis->b = {side} ? 1 : 0;\n\t@a[probefunc] = sum(1 - this->b);\n\t@b[probefunc] = sum(this->b);\n\
             \t@a_shapes[{key}] = sum(1 - this->b);\n\t@b_shapes[{key}] = sum(this->b);"
        )
    };
    let unread = |what: Unread, key: &str| {
        let name = if what == Unread::Scalar { "scalar" } else { "shape" };
        format!("@a_no_{name}[{key}] = sum(1 - this->b);\n\t@b_no_{name}[{key}] = sum(this->b);")
    };
    let of_loop = |armed: &ArmedLoop| {
        let key = format!("probefunc,\n\t    {}", d::loop_values(armed).join(",\n\t    "));
        format!("{}\n{{\n\t{}\n}}\n\n", d::probes(armed.places.iter(), "entry"), d::attempt(&counted(&key)))
    };
    let loops: String = watched.loops.iter().map(of_loop).collect();
    let places = watched.loops.iter().flat_map(|armed| &armed.places);
    let unread_loops = d::unread_clause(places, &unread(Unread::Shape, "probefunc"));
    d::shape_clauses(&watched.routines, &counted, &unread) + &loops + &unread_loops
}

/// A row of the table of shapes with dashes for what could not be read.
fn unread_row(what: Unread) -> String {
    let dashes = format!("{:>11} %@9d %@9d\\n", "-");
    match what {
        Unread::Scalar => format!("printa(\"%-32s %8d{} {dashes}\", @a_no_scalar, @b_no_scalar);", " %7d".repeat(5)),
        Unread::Shape => {
            format!("printa(\"%-32s {:>8}{} {dashes}\", @a_no_shape, @b_no_shape);", "-", "       -".repeat(5))
        }
    }
}

fn dtrace_raptors(request: &Request, process: &str) -> String {
    // With one process a scale is Raptors'.
    let side = pair(request).map_or("1".to_owned(), |(_, b)| format!("pid == {b} ? 1 : 0"));
    let spelling = Spelling::D(process.to_owned());
    let template = include_str!("templates/compare_raptors.d");
    fill_with(template, &[("SIDE", &side)], &|probe| spelling.spell(probe))
}

/// How a bpftrace script tells the processes and the sides.
struct Sides {
    /// The predicate of every clause, with a line break.
    filter: String,
    /// Whether a call is the right column's.
    right: String,
    /// Whether a scale is.
    scale: String,
}

impl Sides {
    fn of(request: &Request) -> Self {
        let (condition, right, scale) = match (request.filled(), pair(request)) {
            (None, _) => (
                "$1 == 0 || pid == $1 || ($5 != 0 && pid == $5)".to_owned(),
                "($5 != 0 && pid == $5) || ($5 == 0 && @in_raptors[tid] > 0)".to_owned(),
                "$5 == 0 || pid == $5".to_owned(),
            ),
            (Some(_), Some((_, b))) => (condition(request), format!("pid == {b}"), format!("pid == {b}")),
            (Some(_), None) => (condition(request), "@in_raptors[tid] > 0".to_owned(), "1 == 1".to_owned()),
        };
        Self { filter: filter(&condition), right, scale }
    }
}

/// For bpftrace.
pub fn bpftrace(request: &Request, watched: &Watched) -> Parts {
    let raptors = watched.extensions.is_some();
    let parts = [("raptors", raptors), ("no_raptors", !raptors)];
    let table = Table::of(watched);
    let clauses = bpftrace_clauses(&Sides::of(request), watched, &table);
    let says = "routines, loops and the probes of Raptors are armed, as far as the files have them.";
    let mut values: Values = vec![
        ("ARMED", manual::armed_bt(request, Script::CompareCallPatterns, watched)),
        ("BEGIN", begin(request, says)),
        ("CLAUSES", clauses),
        ("SLOTS", table.slots().to_string()),
        ("ROWS", table.report()),
    ];
    values.extend(sides(request));
    let template = keep(include_str!("templates/compare_call_patterns.bt"), &parts);
    Parts { template, values }
}

fn bpftrace_clauses(sides: &Sides, watched: &Watched, table: &Table) -> String {
    let Sides { filter, right, scale } = sides;
    let routines = watched.routines.iter().map(|armed| {
        let places = bt::probes(armed.places.iter(), "uprobe");
        table.clause(&places, filter, right, armed.label, &bt::shape_key(armed))
    });
    let loops = watched.loops.iter().map(|armed| {
        let [n, steps @ ..] = bt::loop_values(armed);
        let key = format!("{}, {n}, 0, 0, {}, 0", bt::label(&armed.label), steps.join(", "));
        let places = bt::probes(armed.places.iter(), "uprobe");
        table.clause(&places, filter, right, &armed.label, &key)
    });
    let clauses: String = routines.chain(loops).collect();
    let Some(paths) = &watched.extensions else {
        return clauses;
    };
    let spelling = Spelling::Bpftrace(paths.clone());
    let (n, bits) = (spelling.spell("scale__entry.n"), spelling.spell("scale__entry.factor_bits"));
    let key = format!("{}, {n}, 0, 0, 0, 0, 0, {bits}", bt::label(SCALE));
    let counted = table.clause(&spelling.spell("scale__entry"), filter, scale, SCALE, &key);
    let others = include_str!("templates/compare_raptors.bt");
    clauses + &counted + &raptors_clauses(others, watched, filter, &[])
}

/// What Raptors' operation is called in the table.
const SCALE: &str = "raptors scale";
/// Counts of the right column stand above those of the left one in the same number.
const RIGHT: u64 = 1 << 32;
/// Look-ups that one program may do: the kernel's verifier follows 8192 open branches, two for each.
const MOST_LOOKUPS: usize = 3072;

/// The rows of the table: bpftrace 0.17 cannot print two maps side by side, nor read what `count()` counts, so each row
/// is counted for each processor on its own and summed up by hand.
struct Table(Vec<String>);

impl Table {
    fn of(watched: &Watched) -> Self {
        let mut rows: Vec<String> = Vec::new();
        let routines = watched.routines.iter().map(|armed| armed.label);
        let loops = watched.loops.iter().map(|armed| armed.label.as_str());
        for label in routines.chain(loops).chain([SCALE]) {
            if !rows.iter().any(|row| row == label) {
                rows.push(label.to_owned());
            }
        }
        Self(rows)
    }

    /// A clause that counts in the row of a label.
    fn clause(&self, probes: &str, filter: &str, side: &str, label: &str, key: &str) -> String {
        let row = self.0.iter().position(|row| row == label).unwrap_or_default();
        let hit = format!("@hits[{row}, (int64)(cpu & {})]", self.slots() - 1);
        format!(
            "{probes}\n{filter}{{\n\t@seen = 1;\n\tif ({side}) {{\n\t\t{hit} += {RIGHT};\n\t\t@b[{key}] = count();\n\
             \t}} else {{\n\t\t{hit} += 1;\n\t\t@a[{key}] = count();\n\t}}\n}}\n\n"
        )
    }

    /// For how many processors counts are kept, a power of two: as many as the verifier lets pass.
    fn slots(&self) -> usize {
        let most = (MOST_LOOKUPS / self.0.len().max(1)).clamp(1, 64);
        if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
    }

    fn report(&self) -> String {
        let slots = self.slots();
        let row = |(number, label): (usize, &String)| {
            format!(
                "\t\t$sum = (uint64)0; $cpu = 0;\n\
                 \t\twhile ($cpu < {slots}) {{ $sum += @hits[{number}, $cpu]; $cpu++; }}\n\
                 \t\tif ($sum > 0) {{ printf(\"%-40s %12d %12d\\n\", \"{}\", $sum & 0xffffffff, $sum >> 32); }}\n",
                literal(label)
            )
        };
        self.0.iter().enumerate().map(row).collect()
    }
}
