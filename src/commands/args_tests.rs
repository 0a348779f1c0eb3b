//! Tests of the command line as it is read.

use super::*;
use crate::commands::options::SampledBy;
use crate::run::outside::Engine;

fn parsed(line: &[&str]) -> Result<Job, clap::Error> {
    let args: Vec<OsString> = std::iter::once("raptors-trace").chain(line.iter().copied()).map(Into::into).collect();
    parse(&args, Host::default())
}

fn run(line: &[&str]) -> CompareOptions {
    match parsed(line).unwrap().task {
        Task::Compare { source: Source::Run(options), .. } => *options,
        other => panic!("no run: {other:?}"),
    }
}

fn file(path: &str, lossy: bool, part: Part) -> Task {
    let path = path.into();
    shown(Source::File { path, lossy }, part)
}

fn refusal(line: &[&str]) -> String {
    let error = parsed(line).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn without_options_it_is_the_main_job() {
    let options = run(&["compare"]);
    assert!(options.subject.is_main_job());
    let shapes: Vec<String> = options.shapes.iter().map(Shape::to_string).collect();
    assert_eq!(shapes, ["512 × 512", "1024 × 1024", "2048 × 2048"]);
    assert_eq!(options.dtypes, [Dtype::Float32]);
    assert_eq!(options.command, ["raptors-trace", "compare"]);
}

#[test]
fn sizes_and_dtypes_are_lists() {
    let options = run(&["compare", "--size", "512,4x3x2,7x", "--dtype", "float32,float64", "--time", "0.5"]);
    let lengths: Vec<&[u64]> = options.shapes.iter().map(Shape::lengths).collect();
    assert_eq!(lengths, [&[512, 512][..], &[4, 3, 2], &[7]]);
    assert_eq!(options.dtypes, [Dtype::Float32, Dtype::Float64]);
    assert_eq!(options.time, Some(Duration::from_millis(500)));
}

#[test]
fn a_setup_makes_its_own_arrays_unless_a_size_is_given() {
    let custom = ["compare", "--setup", "x = 1", "--a", "-x", "--b", "x"];
    let options = run(&custom);
    assert!(options.shapes.is_empty() && options.dtypes.is_empty());
    let options = run(&[&custom[..], &["--size", "8"]].concat());
    assert_eq!((options.shapes.len(), options.dtypes), (1, vec![Dtype::Float32]));
    assert!(refusal(&[&custom[..], &["--dtype", "float64"]].concat()).contains("--dtype needs --size"));
}

#[test]
fn what_makes_no_sense_is_a_usage_error_that_says_so() {
    assert!(refusal(&["compare", "--size", "0"]).contains("a size of 0 leaves nothing to measure"));
    assert!(refusal(&["compare", "--size", "big"]).contains("`big` is not a size"));
    assert!(refusal(&["compare", "--size", "9999999999999"]).contains("more elements than any memory holds"));
    assert!(refusal(&["compare", "--dtype", "int8"]).contains("float64"));
    assert!(refusal(&["compare", "--time", "0"]).contains("more than 0 seconds"));
    assert!(refusal(&["compare", "--time", "nan"]).contains("more than 0 seconds"));
    assert!(refusal(&["compare", "--setup", "x = 1"]).contains("--a"));
    assert!(refusal(&["compare", "--a", " "]).contains("it is empty"));
    for threads in ["0", "1025", "100000", "-1", "two"] {
        assert!(refusal(&["compare", "--threads", threads]).contains("1 to 1024"));
    }
    assert_eq!(run(&["compare", "--threads", "1024"]).threads, NonZeroU32::new(1024));
    assert!(refusal(&["compare", "--size", "-5"]).contains("`-5` is not a size"));
    assert!(refusal(&["compare", "--time", "-1"]).contains("more than 0 seconds"));
    assert!(refusal(&["phases", "x.rtrace", "--size", "8"]).contains("cannot be used with"));
    assert!(refusal(&["show"]).contains("FILE"));
    assert!(refusal(&["frobnicate"]).contains("frobnicate"));
}

#[test]
fn sides_of_one_name_are_refused() {
    let custom = ["--a", "1", "--b", "2"];
    for names in [&["--name-a", "x", "--name-b", " x "][..], &["--name-a", "raptors"]] {
        assert!(refusal(&[&["compare"], names].concat()).contains("both sides"));
    }
    assert!(refusal(&[&["compare", "--name-b", "A"], &custom[..]].concat()).contains("both sides"));
    let options = run(&[&["compare", "--name-a", "raptors"], &custom[..]].concat());
    assert_eq!(options.subject.names(), ["raptors", "B"]);
}

#[test]
fn a_flamegraph_has_engines_of_its_own() {
    let sampled_by = |line: &[&str]| {
        let line = [&["flamegraph", "-o", "d"], line].concat();
        match parsed(&line).unwrap().task {
            Task::Flamegraph(crate::commands::flamegraph::Options { source: Source::Run(options), .. }) => {
                (options.sampling.unwrap().engine, options.engines)
            }
            other => panic!("no run: {other:?}"),
        }
    };
    let calls = EngineChoice::Inprocess;
    assert_eq!(sampled_by(&[]), (SampledBy::Inprocess, calls));
    assert_eq!(sampled_by(&["--engine", "perf"]), (SampledBy::Perf, calls));
    let dtrace = ["flamegraph", "-o", "d", "--engine", "dtrace"];
    assert!(refusal(&dtrace).contains("give --pid PID, or --engine inprocess"));
    for command in [&["flamegraph", "-o", "d"][..], &["calls"]] {
        let line = [command, &["x.rtrace", "--engine", "inprocess"]].concat();
        assert!(refusal(&line).contains("cannot be used with"));
    }
    assert!(refusal(&["compare", "--engine", "perf"]).contains("bpftrace"));
    let engines = run(&["compare", "--engine", "bpftrace"]).engines;
    assert_eq!(engines, EngineChoice::Bpftrace);
}

#[test]
fn a_flamegraph_is_also_of_a_process_or_of_commands() {
    let subject = |line: &[&str]| match parsed(&[&["flamegraph", "-o", "d"], line].concat()) {
        Ok(Job { task: Task::Outside(options), .. }) => options.subject,
        other => panic!("not from outside: {other:?}"),
    };
    let by = |line: &[&str]| match parsed(&[&["flamegraph", "-o", "d"], line].concat()) {
        Ok(Job { task: Task::Outside(options), .. }) => options.engine,
        other => panic!("not from outside: {other:?}"),
    };
    assert_eq!(by(&["--pid", "7", "--engine", "dtrace"]), Engine::Dtrace);
    assert_eq!(by(&["--pid", "7"]), Engine::Perf);
    let command = ["flamegraph", "-o", "d", "--engine", "dtrace", "--", "true"];
    assert!(refusal(&command).contains("start the command by itself"));
    let ten = Duration::from_secs(10);
    let process = OutsideSubject::Process(7, ten);
    assert_eq!(subject(&["--pid", "7", "--sample-time", "10"]), process);
    let commands = OutsideSubject::Commands(vec![vec!["a".into(), "-x".into()], vec!["b".into()]]);
    assert_eq!(subject(&["--", "a", "-x", "--", "b"]), commands);
    let refused = |line: &[&str]| refusal(&[&["flamegraph", "-o", "d"], line].concat());
    assert!(refused(&["--", "a", "--"]).contains("nothing after a `--`"));
    assert!(refused(&["--", "a", "--", "b", "--", "c"]).contains("more cannot be compared"));
    assert!(refused(&["--engine", "inprocess", "--pid", "7"]).contains("from outside"));
    assert!(refused(&["--pid", "7", "--size", "8"]).contains("cannot be used with"));
    assert!(refused(&["--pid", "7", "--", "a"]).contains("cannot be used with"));
}

#[test]
fn a_run_is_held_against_an_earlier_one_or_a_limit() {
    let held = |line: &[&str]| match parsed(line).unwrap().task {
        Task::Compare { against, .. } => (against.file, against.fail_below),
        other => panic!("no comparison: {other:?}"),
    };
    let line = ["--against", "old.rtrace", "--fail-below", "0.95"];
    for command in [&["compare"][..], &["show", "new.rtrace"]] {
        assert_eq!(held(command), (None, None));
        let expected = (Some("old.rtrace".into()), Some(0.95));
        assert_eq!(held(&[command, &line].concat()), expected);
        for nonsense in ["0", "-1", "inf", "nan", "5 %", ""] {
            let told = refusal(&[command, &["--fail-below", nonsense]].concat());
            assert!(told.contains("give a factor above 0"), "{told}");
        }
    }
    assert!(refusal(&["calls", "--fail-below", "1"]).contains("--fail-below"));
}

#[test]
fn a_part_is_shown_of_a_new_run_or_of_a_file() {
    let job = parsed(&["calls", "x.rtrace", "--json"]).unwrap();
    assert_eq!(job.task, file("x.rtrace", false, Part::Calls));
    let job = parsed(&["show", "x.rtrace", "--lossy"]).unwrap();
    assert_eq!(job.task, file("x.rtrace", true, Part::All));
    assert!(refusal(&["calls", "--lossy"]).contains("FILE"));
    assert!(run(&["phases"]).subject.is_main_job());
}

#[test]
fn a_page_has_every_case_run_and_the_operation_sampled_for_as_long_as_it_is_timed() {
    let options = run(&["compare", "--html", "p.html", "--time", "2"]);
    let sampling = options.sampling.unwrap();
    assert_eq!((sampling.time, sampling.alone), (Duration::from_secs(2), false));
    assert!(run(&["compare", "--md", "p.md"]).sampling.is_none());
    let Task::Compare { documents, .. } = parsed(&["show", "f", "--html", "p", "--md", "q"]).unwrap().task else {
        panic!("no comparison");
    };
    assert_eq!((documents.html, documents.markdown), (Some("p".into()), Some("q".into())));
    assert!(refusal(&["show", "f", "--html", "p", "--md", "p"]).contains("the same file"));
    // Parts of a comparison are no whole result.
    assert!(refusal(&["phases", "--html", "p"]).contains("unexpected argument"));
}
