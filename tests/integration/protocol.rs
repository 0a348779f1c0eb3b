//! The messages between the command and its processes, and the documents of a run file. `tests/protocol.json` has an
//! example of each, and the registry of switches; `tests/python/test_protocol.py` reads the same file.

use std::path::Path;

use raptors_trace::model::comparison::{CaseName, Counters as PerOperation, Machine, Results};
use raptors_trace::model::protocol::*;
use raptors_trace::model::switches::{Switch, Tells};
use raptors_trace::model::tool::{Engine, Tool};
use raptors_trace::tracers::engines;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Messages by their names.
#[derive(Default)]
struct Examples(Map<String, Value>);

impl Examples {
    /// Adds one, once it is the same after having been written and read, and refused with a field that nobody knows.
    fn add<T: Serialize + DeserializeOwned>(&mut self, name: &str, message: T) {
        let value = serde_json::to_value(&message).unwrap();
        let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&read).unwrap(), value, "{name}");
        let mut unknown = value.clone();
        unknown["unheard_of"] = json!(1);
        let refused = serde_json::from_value::<T>(unknown).err().unwrap_or_else(|| panic!("{name} takes any field"));
        assert!(refused.to_string().contains("unheard_of"), "{name}: {refused}");
        assert!(self.0.insert(name.to_owned(), value).is_none(), "{name} twice");
    }
}

fn case() -> CaseSpec {
    let side =
        |name: &str| SideSpec { name: name.into(), setup: "a = np.ones(shape)".into(), statement: "a * 2.5".into() };
    CaseSpec {
        name: CaseName::RoundTrip,
        results: Results::Kept,
        dtype: "float32".into(),
        shape: vec![512, 512],
        in_place: false,
        seconds: 1.5,
        allow_different: true,
        only_if_different: true,
        sampled: true,
        a: side("numpy"),
        b: side("raptors"),
    }
}

fn sampler() -> Sampler {
    Sampler {
        engine: Engine::Outside(Tool::Perf),
        outside: 3,
        troubles: vec!["perf could not keep up".into()],
        sides: vec![SampledSide { side: 1, samples: 99, dropped: 2, cpu_ns: 1_000_000 }],
        record: Some(raptors_flamegraphs::Record::default()),
        why_not: None,
        why_no_python: Some("Python 3.11 has no names".into()),
    }
}

fn orders(examples: &mut Examples) {
    examples.add(
        "Spec",
        Spec {
            protocol: VERSION,
            recording: "run.rtrace".into(),
            limit_bytes: 1 << 32,
            ahead_bytes: 1 << 26,
            cases: vec![case()],
            engines: vec!["inprocess".into(), "bpftrace".into()],
            wait: Some(Wait { seconds: Some(2.5) }),
            tracers: vec![Tool::Bpftrace, Tool::Dtrace],
            sampling: Some(SamplingSpec { engine: Engine::Inprocess, frequency: 997, seconds: 3.0 }),
            command: vec!["raptors-trace".into(), "compare".into()],
            machine: Machine::default(),
            warnings: vec!["the machine is busy".into()],
        },
    );
    examples.add("CaseSpec", case());
    examples.add("SideSpec", case().a);
    examples.add("Wait", Wait { seconds: None });
    examples.add("SamplingSpec", SamplingSpec { engine: Engine::Outside(Tool::Perf), frequency: 97, seconds: 1.0 });
    examples.add("Go", Go { go: true });
    let pipes = Pipes { control: "/tmp/c".into(), acknowledged: "/tmp/a".into() };
    examples.add("Pipes", pipes.clone());
    examples.add("PerfStarted", PerfStarted { pipes: Some(pipes) });
    examples.add("PerfEnded", PerfEnded { sampler: sampler() });
    examples.add("Sampler", sampler());
    examples.add("SampledSide", sampler().sides[0]);
    examples
        .add("Observed", engines::Traced { engine: "bpftrace".into(), sites: vec![7], ..engines::Traced::default() });
}

fn questions(examples: &mut Examples) {
    let passes = Passes { side: Side::B, count: 2, in_place: true };
    let switches = vec![Switch::MorePasses, Switch::NoCopies];
    let arm = ArmSpec { arm: 4, side: Side::A, switches, passes: Some(passes), shape: vec![3, 4] };
    examples.add("LabSpec", LabSpec { process: [Switch::KeepMemory, Switch::OneCpu].into(), case: case() });
    examples.add("Passes", passes);
    examples.add("ArmSpec", arm.clone());
    examples.add("SetUp", Question::SetUp { arms: vec![arm], placement: 1, round_ns: 4_000_000 });
    examples.add("RunRounds", Question::Rounds { arms: vec![4, 5] });
    examples.add("Survey", Question::Survey { arm: 4 });
    examples.add("Same", Question::Same { arm: 0, other: 4 });
    examples.add("Drop", Question::Drop { arms: vec![4] });
}

fn answers(examples: &mut Examples) {
    let armed = Armed { changed: [(Switch::NoCopies, vec!["`a.copy()`".into()])].into(), sized: true };
    let cost = RoundCost { ns: 1_000.5, cpu_ns: 900.0, faults: 0.25 };
    examples.add("Done", Done {});
    examples.add("Armed", armed.clone());
    examples.add("AllArmed", AllArmed { arms: vec![armed], kept_bytes: 4096 });
    examples.add("RoundCost", cost);
    examples.add("RoundCosts", RoundCosts { rounds: vec![cost] });
    let denormals = vec!["`a` (float32 3, 3 denormal)".into()];
    examples.add("Seen", Seen { denormals, threads_started: 1, python_threads: 2, ghz: Some(3.5) });
    examples.add("Difference", Difference { difference: Some("A has shape (3,), B has shape (4,)".into()) });
    examples.add("Refused", Refused { error: "the statement of side A raised".into(), detail: "Traceback".into() });
}

fn events(examples: &mut Examples) {
    let text = str::to_owned;
    examples.add("Started", Event::Started {});
    examples.add("At", Event::Case { case: 1, stage: text("measuring"), block: 3.0, blocks: 24.0 });
    let (kind, text, detail, fix) = (text("raised"), text("it raised"), text("Traceback"), text("make room"));
    examples.add("Failed", Event::Error { kind, text, detail, fix });
    examples.add("Waiting", Event::Waiting { pid: 4711, seconds: Some(0.5) });
    examples.add("Ready", Event::Ready { tracer: 1, pid: 4711 });
    examples.add("Traced", Event::Traced { tracer: 1 });
    examples.add("Sampling", Event::Sampling { pid: 4711 });
    examples.add("Sampled", Event::Sampled { blocks: vec![(1, 2, 0), (3, 4, 1)] });
    examples.add("Interrupted", Event::Interrupted {});
    examples.add("Finished", Event::Finished {});
}

fn documents(examples: &mut Examples) {
    let not_armed = NotArmed { what: "np.frompyfunc".into(), why: "its loop is Python's".into() };
    let linked_by = vec!["_multiarray_umath.so".into()];
    let blas = Blas { library: "OpenBLAS 0.3.29".into(), file: "libopenblas.so".into(), linked_by, threads: Some(2) };
    examples.add("Clock", Clock { read_ns: 19.5 });
    examples.add("NotArmed", not_armed.clone());
    examples.add("Hooks", Hooks { not_armed: vec![not_armed] });
    examples.add("Blas", blas.clone());
    examples.add(
        "Facts",
        Facts {
            python: "3.12.1".into(),
            python_path: Some("/usr/bin/python3".into()),
            numpy: "2.4.6".into(),
            numpy_cpu_targets: vec!["X86_V3".into()],
            raptors: Some("0.1.0".into()),
            extension: Some("_native.abi3.so".into()),
            blas: vec![blas],
            allocator: Some("glibc 2.36 malloc".into()),
            counters_why_not: Some("this machine has none".into()),
        },
    );
    examples.add("Warmup", Warmup { case: 1, rounds: 7, settled: true, placements: 12 });
    examples.add("CaseEnd", CaseEnd { index: 1, skipped: Some("same page faults".into()), no_unit: None });
    let per_op = PerOperation { cycles: Some(5.0), instructions: Some(9.5), ..PerOperation::default() };
    // Part of `--json` too, whose readers take fields that come later.
    examples.0.insert("PerOperation".to_owned(), json!(per_op));
    examples.add("Counters", Counters { case: 1, side: 1, per_op });
    examples.add("Samples", Samples { case: 1, sampler: sampler() });
    examples.add("Note", Note { text: "the observer of loops could not be armed".into() });
}

#[test]
fn every_message_has_an_example_that_both_sides_read() {
    let mut examples = Examples::default();
    orders(&mut examples);
    questions(&mut examples);
    answers(&mut examples);
    events(&mut examples);
    documents(&mut examples);
    let switches: Map<String, Value> =
        Switch::ALL.iter().map(|switch| (json!(switch).as_str().unwrap().to_owned(), json!(switch.levels()))).collect();
    let whole = json!({ "messages": examples.0, "switches": switches });
    let text = serde_json::to_string_pretty(&whole).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{} differs; if that is meant, BLESS=1 writes it anew", path.display());
}

#[test]
fn an_unknown_name_is_refused() {
    let arm = |switch: &str| json!({"changed": {switch: []}, "sized": true});
    assert!(serde_json::from_value::<Armed>(arm("no_copies")).is_ok());
    for refused in [
        serde_json::from_value::<Armed>(arm("no_copys")).unwrap_err(),
        serde_json::from_value::<Event>(json!({"event": "startled"})).unwrap_err(),
        serde_json::from_value::<Question>(json!({"do": "seek"})).unwrap_err(),
        serde_json::from_value::<Side>(json!("c")).unwrap_err(),
    ] {
        assert!(refused.to_string().starts_with("unknown variant"), "{refused}");
    }
    let missing = serde_json::from_value::<Clock>(json!({})).unwrap_err();
    assert!(missing.to_string().contains("missing field `read_ns`"), "{missing}");
}

#[test]
fn a_switch_tells_what_it_changes_in_code_and_data() {
    assert_eq!(Switch::PlainScalars.tells(), Tells::Everything);
    assert_eq!(Switch::OneThread.tells(), Tells::Part);
    assert_eq!(Switch::Collector.tells(), Tells::Nothing);
    assert_eq!(Switch::OneCpu.tells(), Tells::Nothing);
    assert!(Switch::OneCpu.is_of_process() && !Switch::OneThread.is_of_process());
}
