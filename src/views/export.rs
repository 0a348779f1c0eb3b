//! A saved run for other tools: its calls as rows, its samples, or rounds and calls on a timeline.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use raptors_flamegraphs::Format as Stacks;
use raptors_recording::{Event, Kind};
use serde_json::{Value, json};

use crate::analysis::flamegraph;
use crate::analysis::{self, CaseSamples, Seen};
use crate::model::error::{Error, Exit};
use crate::model::protocol::CaseSpec;
use crate::model::text::{escape, escape_json};

/// The largest number of events of a timeline: viewers hold all of them in memory.
pub const EVENTS: u64 = 1_000_000;

/// The format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Calls, an array of objects.
    Json,
    /// Calls, a line each.
    Csv,
    /// Samples, a line for each stack.
    Folded,
    /// Samples, gzipped protobuf.
    Pprof,
    /// Samples, for speedscope.
    Speedscope,
    /// Samples, for the Firefox Profiler.
    Firefox,
    /// Rounds, calls and the kernel's phases on a timeline, for Perfetto and chrome://tracing.
    Chrome,
}

/// The options of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The run file.
    pub file: PathBuf,
    /// The format.
    pub format: Format,
    /// The output file; `None` is standard output.
    pub output: Option<PathBuf>,
    /// Only this case, by its number in the run, counted from 1.
    pub case: Option<u64>,
    /// Whether damaged parts are skipped.
    pub lossy: bool,
}

/// Writes a run, and returns the warnings about it. Calls are written as they are read.
///
/// # Errors
/// An unreadable run, a run without the requested data, and an output that cannot be written.
pub fn write(options: &Options, out: &mut dyn Write) -> Result<Vec<String>, Error> {
    let stacks = match options.format {
        Format::Json => return records(options, &mut Json { out, any: false }),
        Format::Csv => return records(options, &mut Csv::new(out)),
        Format::Chrome => return records(options, &mut Chrome::new(out)),
        Format::Folded => Stacks::Folded,
        Format::Pprof => Stacks::Pprof,
        Format::Speedscope => Stacks::Speedscope,
        Format::Firefox => Stacks::Firefox,
    };
    let (comparison, samples) = analysis::read_sampled(&options.file, options.lossy)?;
    let one = chosen(&samples, options.case)?;
    let (bytes, mut warnings) = flamegraph::convert(&comparison, one, stacks)?;
    finished(out.write_all(&bytes))?;
    warnings.extend(comparison.warnings);
    Ok(warnings)
}

/// The samples of the requested case, by its number in the run.
fn chosen(samples: &[CaseSamples], asked: Option<u64>) -> Result<&CaseSamples, Error> {
    let choices = || {
        let numbers: Vec<String> = samples.iter().map(|one| one.number.to_string()).collect();
        format!("choose one: --case {}", numbers.join(", "))
    };
    match asked {
        Some(case) => samples.iter().find(|one| one.number == case).ok_or_else(|| {
            Error::new(format!("case {case} of this run has no samples")).help(choices()).exit(Exit::NothingObserved)
        }),
        None => match samples {
            [one] => Ok(one),
            several => {
                let count = several.len();
                let sentence = format!("this run has samples of {count} cases, but a file holds one");
                Err(Error::new(sentence).help(choices()).exit(Exit::Usage))
            }
        },
    }
}

/// A receiver of records, one after the other.
trait Sink {
    /// Whether it takes this record.
    fn wants(&self, seen: &Seen<'_>) -> bool;
    fn take(&mut self, seen: &Seen<'_>) -> std::io::Result<()>;
    fn end(&mut self) -> std::io::Result<Option<String>>;
}

fn records(options: &Options, sink: &mut dyn Sink) -> Result<Vec<String>, Error> {
    let mut calls = 0_u64;
    let mut failure = None;
    let mut warnings = analysis::each(&options.file, options.lossy, |seen| {
        if (options.case.is_some() && options.case != seen.case) || !sink.wants(seen) {
            return true;
        }
        calls += u64::from(seen.event.is_some());
        failure = sink.take(seen).err();
        failure.is_none()
    })?;
    if let Some(error) = failure {
        finished(Err(error))?;
        return Ok(warnings);
    }
    if calls == 0 {
        let which = options.case.map_or_else(|| "this run".to_owned(), |case| format!("case {case} of this run"));
        return Err(Error::new(format!("there are no recorded calls in {which}"))
            .help("record them: raptors-trace compare --save FILE.rtrace")
            .exit(Exit::NothingObserved));
    }
    match sink.end() {
        Ok(left_out) => warnings.extend(left_out),
        Err(error) => finished(Err(error))?,
    }
    Ok(warnings)
}

/// The result of writing. A reader that closed the pipe has seen enough.
///
/// # Errors
/// A sentence, for any other error.
pub fn finished(written: std::io::Result<()>) -> Result<(), Error> {
    let Err(error) = written else { return Ok(()) };
    let kind = error.kind();
    let sentence = Error::new("the export cannot be written").caused_by(error);
    match kind {
        ErrorKind::BrokenPipe => Ok(()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Err(sentence.help("free disk space, or write to another file system with -o"))
        }
        _ => Err(sentence),
    }
}

/// The side's name; the control has none.
fn side<'a>(seen: &Seen<'a>) -> Option<&'a String> {
    let spec = seen.spec?;
    Some([&spec.a.name, &spec.b.name][seen.side.min(1)])
}

/// The facts about a call, by the names of the columns.
fn row(seen: &Seen<'_>) -> Value {
    let call = seen.call.as_ref();
    let letter = ["a", "b"][seen.side.min(1)];
    json!({
        "case": seen.case,
        "label": seen.spec.map(CaseSpec::label),
        "side": letter,
        "side_name": side(seen),
        "round": seen.round,
        "purpose": seen.purpose.as_str(),
        "thread": seen.thread,
        "kind": call.map(|call| call.kind),
        "name": call.map(|call| &call.name),
        "symbol": call.and_then(|call| call.symbol.as_ref()),
        "module": call.and_then(|call| call.module.as_ref()),
        "depth": seen.depth,
        "start_ns": seen.start_ns,
        "duration_ns": seen.duration_ns,
        "n": call.and_then(|call| call.n.keys().next()),
        "sizes": call.and_then(|call| call.sizes.as_ref()),
        "strides": call.and_then(|call| call.strides.as_ref()),
        "alignment": call.and_then(|call| call.alignment.as_ref()),
        "aliasing": call.and_then(|call| call.aliasing.as_ref()),
        "scalar": call.and_then(|call| call.scalar.as_ref()),
    })
}

struct Json<'a> {
    out: &'a mut dyn Write,
    any: bool,
}

impl Sink for Json<'_> {
    fn wants(&self, seen: &Seen<'_>) -> bool {
        seen.call.is_some()
    }

    fn take(&mut self, seen: &Seen<'_>) -> std::io::Result<()> {
        self.out.write_all(if self.any { b",\n" } else { b"[\n" })?;
        self.any = true;
        self.out.write_all(escape_json(&serde_json::to_string(&row(seen))?).as_bytes())
    }

    fn end(&mut self) -> std::io::Result<Option<String>> {
        self.out.write_all(b"\n]\n").map(|()| None)
    }
}

/// The columns of the CSV file, in their order.
const COLUMNS: [&str; 20] = [
    "case",
    "label",
    "side",
    "side_name",
    "round",
    "purpose",
    "thread",
    "kind",
    "name",
    "symbol",
    "module",
    "depth",
    "start_ns",
    "duration_ns",
    "n",
    "sizes",
    "strides",
    "alignment",
    "aliasing",
    "scalar",
];

struct Csv<'a> {
    out: csv::Writer<&'a mut dyn Write>,
    any: bool,
}

impl<'a> Csv<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        let out = csv::Writer::from_writer(out);
        Self { out, any: false }
    }
}

impl Sink for Csv<'_> {
    fn wants(&self, seen: &Seen<'_>) -> bool {
        seen.call.is_some()
    }

    fn take(&mut self, seen: &Seen<'_>) -> std::io::Result<()> {
        if !self.any {
            self.out.write_record(COLUMNS).map_err(system)?;
            self.any = true;
        }
        let row = row(seen);
        self.out.write_record(COLUMNS.map(|column| cell(&row[column]))).map_err(system)
    }

    fn end(&mut self) -> std::io::Result<Option<String>> {
        self.out.flush().map(|()| None)
    }
}

/// The system's error inside csv's error, whose own conversion hides it.
fn system(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

/// The numbers of a list are separated by spaces.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        Value::Array(list) => list.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => escape_json(&other.to_string()).into_owned(),
    }
}

/// A text that a spreadsheet takes for text: one that begins as a formula gets an apostrophe, and hidden characters
/// become escapes. A number stays one, also if it is negative.
fn harmless(text: &str) -> String {
    const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];
    // Line ends and tabs are parts of statements, and quoted.
    let shown: Vec<String> = text
        .split_inclusive(['\n', '\t'])
        .map(|part| {
            let end = part.trim_end_matches(['\n', '\t']).len();
            escape(&part[..end]) + &part[end..]
        })
        .collect();
    let begins = |text: &str| text.trim_start_matches([' ', '\n']).starts_with(FORMULA);
    if begins(text) && text.parse::<f64>().is_err() { format!("'{}", shown.concat()) } else { shown.concat() }
}

/// Google's Trace Event Format: a side is a process, a thread of the recording a thread.
struct Chrome<'a> {
    out: &'a mut dyn Write,
    events: u64,
    left_out: u64,
    processes: BTreeSet<usize>,
    threads: BTreeSet<(usize, u32)>,
}

impl<'a> Chrome<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self { out, events: 0, left_out: 0, processes: BTreeSet::new(), threads: BTreeSet::new() }
    }

    fn name(&mut self, what: &str, pid: usize, tid: u32, name: &str) -> std::io::Result<()> {
        self.event(&json!({"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}))
    }

    fn event(&mut self, event: &Value) -> std::io::Result<()> {
        let begin: &[u8] = if self.events == 0 { b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" } else { b",\n" };
        self.out.write_all(begin)?;
        self.events += 1;
        self.out.write_all(escape_json(&serde_json::to_string(event)?).as_bytes())
    }
}

impl Sink for Chrome<'_> {
    fn wants(&self, seen: &Seen<'_>) -> bool {
        seen.event.is_some() || seen.purpose.is_observed()
    }

    fn take(&mut self, seen: &Seen<'_>) -> std::io::Result<()> {
        if self.events >= EVENTS {
            self.left_out += 1;
            return Ok(());
        }
        let (pid, tid) = (seen.side + 1, seen.thread + 1);
        if let Some(name) = side(seen)
            && self.processes.insert(pid)
        {
            self.name("process_name", pid, 0, name)?;
        }
        if self.threads.insert((pid, tid)) {
            self.name("thread_name", pid, tid, &format!("thread {tid}"))?;
        }
        self.event(&json!({
            "name": title(seen), "cat": kind(seen).as_str(), "ph": "X",
            "pid": pid, "tid": tid,
            "ts": seen.start_ns / 1e3, "dur": seen.duration_ns / 1e3,
            "args": arguments(seen),
        }))
    }

    fn end(&mut self) -> std::io::Result<Option<String>> {
        let data = json!({"events_left_out": self.left_out});
        write!(self.out, "\n],\"otherData\":{data}}}\n")?;
        Ok((self.left_out > 0).then(|| {
            format!("{} events are left out: a timeline holds {EVENTS}; choose a case with --case", self.left_out)
        }))
    }
}

/// Of the record; a round is its mark.
fn kind(seen: &Seen<'_>) -> Kind {
    seen.event.map_or(Kind::Mark, |event| event.kind())
}

fn title(seen: &Seen<'_>) -> String {
    match (&seen.call, &seen.event) {
        (Some(call), _) => match &call.symbol {
            Some(symbol) => format!("{} ({symbol})", call.name),
            None => call.name.clone(),
        },
        (None, None) => format!("{} round {}", seen.purpose.as_str(), seen.round),
        (None, Some(event)) => event.kind().as_str().to_owned(),
    }
}

/// The columns for which a timeline has no other place.
const IN_THE_EVENT: [&str; 5] = ["start_ns", "duration_ns", "thread", "side", "side_name"];

fn arguments(seen: &Seen<'_>) -> Value {
    match seen.event {
        None => json!({"case": seen.case, "operations": seen.operations,
            "label": seen.spec.map(CaseSpec::label)}),
        Some(Event::Scale(scale)) => json!({"n": scale.n, "item_size": scale.item_size}),
        Some(Event::Convert(convert)) => json!({"n": convert.n, "copied": u8::from(convert.copied),
            "item_size": convert.item_size}),
        Some(Event::Chunk(chunk)) => json!(chunk),
        _ if seen.call.is_some() => {
            let mut row = row(seen);
            if let Some(row) = row.as_object_mut() {
                // Facts that the event already has, and unknown ones, would double the file.
                row.retain(|key, value| !IN_THE_EVENT.contains(&&**key) && !value.is_null());
            }
            row
        }
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        for (value, text) in [
            (json!("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")"),
            (json!("+1+cmd|' /C calc'!A0"), "'+1+cmd|' /C calc'!A0"),
            (json!("-x * 2"), "'-x * 2"),
            (json!("@SUM(1)"), "'@SUM(1)"),
            (json!("\t=1"), "'\t=1"),
            (json!("\r=1"), "'\\r=1"),
            (json!("\n =1"), "'\n =1"),
            (json!("＝1+1"), "'＝1+1"),
            (json!("f\u{1b}]0;x\u{7}\u{202e}"), "f\\x1b]0;x\\x07\\u{202e}"),
            (json!("a = b\n\tc"), "a = b\n\tc"),
            (json!(-8), "-8"),
            (json!(-2.5), "-2.5"),
            (json!("-2.5"), "-2.5"),
            (json!([-8, 0, 8]), "-8 0 8"),
            (json!(["=1", "b"]), "'=1 b"),
            (json!({"=k": 1}), "{\"=k\":1}"),
        ] {
            assert_eq!(cell(&value), text, "{value}");
        }
    }
}
