//! Files for other tools match the tools' formats. `tests/schemas/speedscope-1.25.0.json` is the unchanged
//! `file-format-schema.json` of the npm package speedscope 1.25.0 (MIT licence).

use std::process::Command;

use raptors_flamegraphs::{Error, Folded, Format, Profile, Tag, export};
use serde_json::Value;

use crate::common;

fn made(format: Format) -> Value {
    let bytes = export(&common::profile(), format, "hand made").unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Microseconds per operation of both sides.
fn weight() -> f64 {
    let tags = common::profile().tags();
    tags.values().map(|(_, ns)| ns / 1e3).sum()
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().unwrap().iter();
    list.map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn speedscope_has_what_its_schema_asks_for() {
    let schema: Value = serde_json::from_str(include_str!("../schemas/speedscope-1.25.0.json")).unwrap();
    let file = made(Format::Speedscope);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let profiles = file["profiles"].as_array().unwrap();
    assert_eq!(profiles.len(), 3, "two threads of B and one of A");
    let frames = file["shared"]["frames"].as_array().unwrap().len();
    let mut sum = 0.0;
    for profile in profiles {
        let samples = profile["samples"].as_array().unwrap();
        let weights = numbers(&profile["weights"]);
        assert_eq!(samples.len(), weights.len());
        assert!(samples.iter().flat_map(numbers).all(|index| (index as usize) < frames));
        sum += weights.iter().sum::<f64>();
    }
    assert!((sum / 1e3 - weight()).abs() < 1e-6);
}

#[test]
fn trace_events_lie_inside_each_other() {
    let file = made(Format::Chrome);
    let events = file["traceEvents"].as_array().unwrap();
    let mut sum = 0.0;
    // The ends of the open functions, by process and thread.
    let mut open = std::collections::HashMap::<(u64, u64), Vec<f64>>::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let thread = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let start = event["ts"].as_f64().unwrap();
        let end = start + event["dur"].as_f64().unwrap();
        let ends = open.entry(thread).or_default();
        while ends.last().is_some_and(|end| *end <= start + 1e-9) {
            ends.pop();
        }
        if let Some(outer) = ends.last() {
            assert!(end <= outer + 1e-9, "{event} ends after what called it");
        } else {
            sum += end - start;
        }
        ends.push(end);
    }
    assert!((sum - weight()).abs() < 1e-6);
    let names: Vec<&Value> =
        events.iter().filter(|event| event["ph"] == "M").map(|event| &event["args"]["name"]).collect();
    assert!(names.contains(&&Value::from("raptors-1")), "{names:?}");
}

#[test]
fn the_firefox_profilers_tables_point_at_each_other() {
    let file = made(Format::Firefox);
    for thread in file["threads"].as_array().unwrap() {
        let length = |table: &str| thread[table]["length"].as_u64().unwrap() as f64;
        let inside = |list: &Value, table: &str| {
            let list = list.as_array().unwrap().iter().filter_map(Value::as_f64).collect::<Vec<_>>();
            list.iter().all(|index| *index < length(table))
        };
        assert!(inside(&thread["samples"]["stack"], "stackTable"));
        assert!(inside(&thread["stackTable"]["prefix"], "stackTable"));
        assert!(inside(&thread["stackTable"]["frame"], "frameTable"));
        assert!(inside(&thread["frameTable"]["func"], "funcTable"));
        let strings = thread["stringArray"].as_array().unwrap();
        assert!(numbers(&thread["funcTable"]["name"]).iter().all(|index| (*index as usize) < strings.len()));
    }
    let weights = |thread: &Value| numbers(&thread["samples"]["weight"]).iter().sum::<f64>();
    let sum: f64 = file["threads"].as_array().unwrap().iter().map(weights).sum();
    assert!((19_990.0..=20_010.0).contains(&sum), "each side is ten thousand parts: {sum}");
}

#[test]
fn go_reads_the_pprof_file() {
    if Command::new("go").arg("version").output().is_err() {
        println!("skipped: there is no go, whose pprof would read the file (Debian: golang-go)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sample.pb.gz");
    std::fs::write(&path, export(&common::profile(), Format::Pprof, "hand made").unwrap()).unwrap();
    let pprof = |arguments: &[&str]| {
        let mut command = Command::new("go");
        command.args(["tool", "pprof"]).args(arguments).arg(&path);
        let told = command.env("PPROF_TMPDIR", directory.path()).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    let top = pprof(&["-top", "-unit=us", "-nodefraction=0"]);
    let loops = top.lines().find(|line| line.ends_with(" FLOAT_multiply_X86_V3")).unwrap();
    assert!(loops.trim_start().starts_with("450us"), "{top}");
    let traces = pprof(&["-raw"]);
    assert!(traces.contains("role:[page_fault] side:[B]"), "{traces}");
}

#[test]
fn folded_text_keeps_the_sides_apart() {
    let text = export(&common::profile(), Format::Folded, "").unwrap();
    let folded = Folded::parse(std::str::from_utf8(&text).unwrap()).unwrap();
    let side =
        |root: &str| -> u64 { folded.stacks().filter(|(stack, _)| stack.starts_with(root)).map(|stack| stack.1).sum() };
    let tags = common::profile().tags();
    assert_eq!([side("A;"), side("B;")], [tags[&Tag::A].0, tags[&Tag::B].0]);
}

#[test]
fn there_is_no_empty_file_and_no_unknown_format() {
    for format in Format::ALL {
        let empty = export(&Profile::default(), format, "");
        assert!(matches!(empty, Err(Error::NoSamples)), "{format}");
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
    }
    let error = "svg".parse::<Format>().unwrap_err().to_string();
    assert!(error.starts_with("\"svg\" is no format; there are folded, "), "{error}");
}
