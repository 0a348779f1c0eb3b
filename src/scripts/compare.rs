//! compare_call_patterns: the calls of both sides in two columns.
//!
//! One process: Raptors is what happens inside its operations, NumPy all else. Two processes: one side each.

use super::target::LeftOut;
use super::text::literal;
use super::watch::{self, Request};
use super::write::{asked_for, begin, extensions, filter_of};
use super::{Script, bt, d, manual, probes};

type Values = Vec<(&'static str, String)>;

/// The two processes, where there are two.
fn pair(request: &Request) -> Option<(u32, u32)> {
    match request.filled()?.processes.as_slice() {
        [a, b, ..] => Some((*a, *b)),
        _ => None,
    }
}

/// What the manual says of the sides, and what the columns are called.
fn sides(request: &Request, generic_pair: bool) -> [(&'static str, String); 3] {
    let one = "The right column is what happens inside an operation of Raptors, between its probes scale-entry and \
        scale-return and in the pieces its threads run; the left one is all else in the process, NumPy above all.";
    match pair(request) {
        Some((a, b)) => [
            (
                "SIDES",
                format!("The left column is process {a}, the right one process {b}."),
            ),
            ("A", format!("pid {a}")),
            ("B", format!("pid {b}")),
        ],
        None => {
            let also = " With PID_B the left column is PID_A, the right one PID_B.";
            let told = format!("{one}{}", if generic_pair { also } else { "" });
            let told = manual::lines(&told, 1);
            let told = told.strip_prefix(" * ").unwrap_or(&told).to_owned();
            [
                ("SIDES", told),
                ("A", "NumPy".into()),
                ("B", "Raptors".into()),
            ]
        }
    }
}

/// For DTrace.
pub fn dtrace(request: &Request, left_out: &mut Vec<LeftOut>) -> (String, Values) {
    let mut providers = vec!["$target".to_owned()];
    let side = match pair(request) {
        Some((_, b)) => {
            providers.push(b.to_string());
            format!("pid == {b}")
        }
        None => "self->scale > 0".to_owned(),
    };
    let counted = |key: &str| {
        format!(
            "seen = 1;\n\tthis->b = {side} ? 1 : 0;\n\t@a[probefunc] = sum(1 - this->b);\n\t@b[probefunc] = sum(this->b);\n\
             \t@a_shapes[{key}] = sum(1 - this->b);\n\t@b_shapes[{key}] = sum(this->b);"
        )
    };
    let (mut clauses, mut raptors) = (String::new(), String::new());
    for (number, process) in providers.iter().enumerate() {
        let provider = format!("pid{process}");
        let (armed, left) = watch::dtrace_routines(request, &provider);
        let (loops, left_loops) = watch::dtrace_loops(request, &provider);
        if number == 0 {
            left_out.extend(left.into_iter().chain(left_loops));
        }
        clauses += &d::shape_clauses(&armed, "", &counted);
        for armed in &loops {
            let key = format!(
                "probefunc,\n\t    {}",
                d::loop_values(armed).join(",\n\t    ")
            );
            clauses += &format!(
                "{}\n{{\n\t{}\n}}\n\n",
                d::probes(armed.places.iter(), "entry"),
                counted(&key)
            );
        }
        let template =
            include_str!("templates/compare_raptors.d").replace("@SIDE@", &side_in_scale(request));
        raptors += &probes::fill_d(&template, process);
    }
    let begin = match pair(request) {
        Some((_, b)) => format!("Processes %d and {b}: routines, loops and the probes of Raptors are armed.\\n"),
        None => "Process %d: routines, loops and the probes of Raptors are armed, as far as it has loaded them.\\n".into(),
    };
    let mut values: Values = vec![
        ("ROUTINES", asked_for(request)),
        ("ARMED", manual::armed_d(request)),
        ("BEGIN", begin),
        ("CLAUSES", clauses),
        ("RAPTORS", raptors),
    ];
    values.extend(sides(request, false));
    (
        include_str!("templates/compare_call_patterns.d").to_owned(),
        values,
    )
}

/// The side of a scale: with one process it is Raptors'.
fn side_in_scale(request: &Request) -> String {
    match pair(request) {
        Some((_, b)) => format!("pid == {b} ? 1 : 0"),
        None => "1".into(),
    }
}

/// For bpftrace.
pub fn bpftrace(request: &Request, left_out: &mut Vec<LeftOut>) -> (String, Values) {
    let (condition, side, scale_side) = match (request.filled(), pair(request)) {
        (None, _) => (
            "$1 == 0 || pid == $1 || ($5 != 0 && pid == $5)".to_owned(),
            "($5 != 0 && pid == $5) || ($5 == 0 && @in_raptors[tid] > 0)".to_owned(),
            "$5 == 0 || pid == $5".to_owned(),
        ),
        (Some(_), Some((a, b))) => (
            format!("pid == {a} || pid == {b}"),
            format!("pid == {b}"),
            format!("pid == {b}"),
        ),
        (Some(filled), None) => {
            let condition = filled.processes.first().map(|pid| format!("pid == {pid}"));
            (
                condition.unwrap_or_default(),
                "@in_raptors[tid] > 0".to_owned(),
                "1 == 1".to_owned(),
            )
        }
    };
    let filter = filter_of(&condition).alone;
    let (routines, left) = watch::bpftrace_routines(request);
    left_out.extend(left);
    let (loops, left) = watch::bpftrace_loops(request);
    left_out.extend(left);
    let extensions = extensions(request, left_out);
    let mut table = Table::default();
    let mut clauses = String::new();
    for armed in &routines {
        let row = table.row(armed.label);
        clauses += &clause(
            &bt::probes(armed.places.iter(), "uprobe"),
            &filter,
            &side,
            row,
            &bt::shape_key(armed),
        );
    }
    for armed in &loops {
        let [n, steps @ ..] = bt::loop_values(armed);
        let key = format!(
            "{}, {n}, 0, 0, {}, 0",
            bt::label(&armed.label),
            steps.join(", ")
        );
        let row = table.row(&armed.label);
        clauses += &clause(
            &bt::probes(armed.places.iter(), "uprobe"),
            &filter,
            &side,
            row,
            &key,
        );
    }
    let mut report = String::new();
    if let Some(paths) = &extensions {
        let key = "${scale__entry.n}, 0, 0, 0, 0, 0, ${scale__entry.factor_bits}";
        let key = format!("{}, {key}", bt::label("raptors scale"));
        let row = table.row("raptors scale");
        let counted = clause("${scale__entry}", &filter, &scale_side, row, &key);
        let template = counted + include_str!("templates/compare_raptors.bt");
        clauses += &probes::fill_bt(&template, paths).replace("@FILTER@", &filter);
        report += "\tprintf(\"\\nRaptors: process, backend, reason, threads, n\\n\");\n\tprint(@dispatched); clear(@dispatched);\n";
    }
    // A map that is read has to be written somewhere.
    let declared = if extensions.is_some() {
        ""
    } else {
        "\t@in_raptors[tid] = 0;\n"
    };
    let mut values: Values = vec![
        (
            "ARMED",
            manual::armed_files(request, Script::CompareCallPatterns),
        ),
        (
            "BEGIN",
            begin(
                request,
                "routines, loops and the probes of Raptors are armed, as far as the files have them.",
            ),
        ),
        (
            "CLAUSES",
            clauses.replace(SLOTS_HERE, &(table.slots() - 1).to_string()),
        ),
        ("SLOTS", table.slots().to_string()),
        ("DECLARED", declared.to_owned()),
        ("ROWS", table.report()),
        ("REPORT", report),
    ];
    values.extend(sides(request, request.filled().is_none()));
    (
        include_str!("templates/compare_call_patterns.bt").to_owned(),
        values,
    )
}

fn clause(probes: &str, filter: &str, side: &str, row: usize, key: &str) -> String {
    let hit = format!("@hits[{row}, (int64)(cpu & {SLOTS_HERE})]");
    format!(
        "{probes}\n{filter}{{\n\t@seen = 1;\n\tif ({side}) {{\n\t\t{hit} += {RIGHT};\n\t\t@b[{key}] = count();\n\
         \t}} else {{\n\t\t{hit} += 1;\n\t\t@a[{key}] = count();\n\t}}\n}}\n\n"
    )
}

/// Counts of the right column stand above those of the left one in the same number.
const RIGHT: u64 = 1 << 32;
/// Stands for the number of the last slot until all rows are known.
const SLOTS_HERE: &str = "@SLOTS@";
/// Look-ups that one program may do: the kernel's verifier follows 8192 open branches, two for each.
const MOST_LOOKUPS: usize = 3072;

/// The rows of the table: bpftrace 0.17 cannot print two maps side by side, nor read what `count()` counts, so each row
/// is counted for each processor on its own and summed up by hand.
#[derive(Default)]
struct Table(Vec<String>);

impl Table {
    /// The number of a row, the same for the same label.
    fn row(&mut self, label: &str) -> usize {
        let known = self.0.iter().position(|row| row == label);
        known.unwrap_or_else(|| {
            self.0.push(label.to_owned());
            self.0.len() - 1
        })
    }

    /// For how many processors counts are kept, a power of two: as many as the verifier lets pass.
    fn slots(&self) -> usize {
        let most = (MOST_LOOKUPS / self.0.len().max(1)).clamp(1, 64);
        if most.is_power_of_two() {
            most
        } else {
            most.next_power_of_two() / 2
        }
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
