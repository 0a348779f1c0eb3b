//! What `--json` prints against the committed schema.

use std::path::PathBuf;

use raptors_trace::model::comparison::Comparison;
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::fixtures;

fn committed() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/compare.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The schema that a type makes: every field is required, unknown ones are allowed, as fields may be added.
fn generated<T: JsonSchema>(name: &str, title: &str, constant: &str) -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    schema["$id"] = json!(format!("https://raptors-trace/{name}.schema.json"));
    schema["title"] = json!(title);
    schema["properties"]["schema"]["const"] = json!(constant);
    schema
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/compare.schema.json");
    let title = "raptors-trace compare --json";
    let schema = generated::<Comparison>("compare", title, raptors_trace::model::comparison::SCHEMA);
    let now = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    if now != expected {
        let difference = similar::TextDiff::from_lines(&expected, &now);
        let difference = difference.unified_diff().context_radius(2).header("committed", "types").to_string();
        panic!("fields may be added, never renamed; BLESS=1 writes the schema anew\n{difference}");
    }
}

/// Holds the committed schema `docs/NAME.schema.json` against the type whose JSON it describes.
fn hold<T: JsonSchema>(name: &str, title: &str, constant: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{name}.schema.json"));
    let schema = generated::<T>(name, title, constant);
    let now = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
        return;
    }
    assert_eq!(now, std::fs::read_to_string(&path).unwrap(), "BLESS=1 writes it anew");
}

/// What `raptors-trace tune --json` prints.
#[test]
fn the_committed_schema_of_tune_is_that_of_its_types() {
    let title = "raptors-trace tune --json";
    hold::<raptors_trace::run::tune::Tuned>("tune", title, raptors_trace::run::tune::SCHEMA);
}

/// What `raptors-trace calls --pid --json` prints.
#[test]
fn the_committed_schema_of_live_calls_is_that_of_its_types() {
    let title = "raptors-trace calls --pid --json";
    hold::<raptors_trace::tracers::calls::Live>("calls", title, raptors_trace::tracers::calls::SCHEMA);
}

#[test]
fn every_fixture_validates_and_comes_back_as_it_was() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    let all = [
        fixtures::whole(),
        fixtures::single(),
        fixtures::troubled(),
        fixtures::hostile(),
        fixtures::many_calls(),
        fixtures::found(),
        fixtures::markup(),
        fixtures::held(),
    ];
    for comparison in all {
        let json = serde_json::to_value(&comparison).unwrap();
        let errors: Vec<String> = validator.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path)).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        assert_eq!(serde_json::from_value::<Comparison>(json).unwrap(), comparison);
    }
}

/// The names of `DESIGN`'s promise; a rename of the types that also blessed the schema is caught here.
#[test]
fn the_promised_names_are_there() {
    let json = serde_json::to_value(fixtures::whole()).unwrap();
    let promised = [
        "/schema",
        "/machine/limit_gb_s/1",
        "/machine/limit_gb_s/all",
        "/machine/peak_gflop_s/float32/1",
        "/machine/peak_details/0/gflop_s",
        "/software/blas/0/linked_by",
        "/cases/0/sides/a/wall_ns/ci95/1",
        "/cases/0/sides/a/wall_ns/samples",
        "/cases/0/sides/b/phases_ns/page_fault",
        "/cases/0/sides/b/phases_ns_ci95/page_fault",
        "/cases/0/sides/b/phases_ns/residual",
        "/cases/0/sides/a/faults_per_op",
        "/cases/0/sides/a/cpu_ns_per_op",
        "/cases/0/sides/a/bytes_per_op",
        "/cases/0/sides/a/gb_s",
        "/cases/0/sides/a/calls/0/n/4194304",
        "/cases/0/sides/a/calls/0/time_ns/total_per_op",
        "/cases/0/sides/b/dispatch_reason",
        "/cases/0/ratio/verdict",
        "/controls/0/expected",
        "/observer_cost/ns_per_call_ci95/0",
        "/observer_cost/wall_ratio_observed_to_unobserved",
        "/findings",
        "/warnings",
    ];
    for pointer in promised {
        assert!(json.pointer(pointer).is_some(), "{pointer} is gone");
    }
    assert_eq!(json.pointer("/cases/0/ratio/verdict"), Some(&json!("b faster")));
    assert_eq!(json.pointer("/cases/3/name"), Some(&json!("round trip")));
    assert_eq!(json.pointer("/cases/2/results"), Some(&json!("kept")));
}

#[test]
fn a_run_from_before_the_peak_was_measured_is_still_read() {
    let mut json = serde_json::to_value(fixtures::whole()).unwrap();
    let machine = json["machine"].as_object_mut().unwrap();
    machine.remove("peak_gflop_s").unwrap();
    machine.remove("peak_details").unwrap();
    let read: Comparison = serde_json::from_value(json).unwrap();
    assert!(read.machine.peak_gflop_s.is_empty(), "never 0");
}

#[test]
fn a_renamed_field_or_a_text_for_a_number_fails() {
    let validator = jsonschema::validator_for(&committed()).unwrap();
    let whole = serde_json::to_value(fixtures::whole()).unwrap();
    assert!(validator.is_valid(&whole));
    for (parent, field) in [
        ("", "observer_cost"),
        ("/machine", "thp"),
        ("/cases/0/ratio", "median"),
        ("/cases/0/sides/a/phases_ns", "page_fault"),
        ("/cases/0/sides/b", "dispatch_reason"),
    ] {
        let mut renamed = whole.clone();
        let object = renamed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let value = object.remove(field).unwrap();
        object.insert(format!("{field}_renamed"), value);
        assert!(!validator.is_valid(&renamed), "{parent}/{field} was renamed and nobody noticed");
    }
    let mut text = whole;
    text["cases"][0]["sides"]["a"]["wall_ns"]["median"] = json!("548 µs");
    assert!(!validator.is_valid(&text));
}

/// What `raptors-trace flamegraph --json` prints; `tests/python/test_flamegraph.py` holds real output against it.
#[test]
fn the_committed_schema_of_flamegraphs_is_that_of_its_types() {
    let title = "raptors-trace flamegraph --json";
    hold::<raptors_trace::analysis::flamegraph::Drawn>(
        "flamegraph",
        title,
        raptors_trace::analysis::flamegraph::SCHEMA,
    );
}

/// What `raptors-trace flamegraph --json` prints of a process, of commands and of stacks from elsewhere.
#[test]
fn the_committed_schema_of_flamegraphs_from_outside_is_that_of_its_types() {
    let title = "raptors-trace flamegraph --pid --json, and of commands and other tools' stacks";
    hold::<raptors_trace::run::pictures::Drawn>("flamegraph-outside", title, raptors_trace::run::pictures::SCHEMA);
}
