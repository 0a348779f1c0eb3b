//! The command as a user meets it: exit codes, sentences, fixes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::run::{A, B, OBSERVED, Recording, RunFile, TIMED, case, multiply, round};

/// Runs the command in an empty directory, with an environment that names no interpreter.
fn command(args: &[&str]) -> (tempfile::TempDir, Command) {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_raptors-trace"));
    command.args(args).current_dir(place.path()).env("XDG_CACHE_HOME", place.path());
    for name in ["RAPTORS_TRACE_PYTHON", "RAPTORS_TRACE_HOST_PYTHON", "VIRTUAL_ENV", "COLUMNS", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    (place, command)
}

fn run(args: &[&str]) -> Output {
    let (_place, mut command) = command(args);
    command.output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The exit code and each text have to be there, and standard output stays empty.
#[track_caller]
fn refuses(output: &Output, code: i32, texts: &[&str]) {
    let errors = errors(output);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    for text in texts {
        assert!(errors.contains(text), "no {text:?} in:\n{errors}");
    }
}

/// An executable file that answers the probe with `answer`, whatever it is asked.
fn interpreter(dir: &Path, answer: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("python");
    std::fs::write(&path, format!("#!/bin/sh\necho 'raptors-trace-probe {answer}'\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn answer(version: &str, machine: &str, rest: &str) -> String {
    format!(r#"{{"version": [{version}], "implementation": "CPython", "machine": "{machine}", "bits": 64, {rest}}}"#)
}

#[test]
fn help_and_version_are_no_errors() {
    for args in [&["--help"][..], &["compare", "--help"], &["--version"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn usage_errors_are_2_and_name_what_is_wrong() {
    refuses(&run(&[]), 2, &["Usage", "compare"]);
    refuses(&run(&["frobnicate"]), 2, &["frobnicate"]);
    refuses(&run(&["compare", "--size", "0"]), 2, &["--size", "a size of 0 leaves nothing to measure"]);
    refuses(&run(&["compare", "--dtype", "float16"]), 2, &["float16", "float32"]);
    refuses(&run(&["compare", "--setup", "x = 1", "--a", "x"]), 2, &["--b"]);
    refuses(&run(&["show"]), 2, &["<FILE>"]);
}

#[test]
fn an_interpreter_that_is_not_there_is_1_with_the_fix() {
    let output = run(&["compare", "--python", "/no/such/python"]);
    refuses(&output, 1, &["error: there is no Python at /no/such/python (from --python)", "help: "]);
    let (_place, mut command) = command(&["compare"]);
    let output = command.env("RAPTORS_TRACE_PYTHON", "/no/such/python").output().unwrap();
    refuses(&output, 1, &["(from RAPTORS_TRACE_PYTHON)", "help: set RAPTORS_TRACE_PYTHON"]);
}

#[test]
fn without_any_python_it_says_where_it_looked() {
    let (place, mut command) = command(&["compare"]);
    let output = command.env("PATH", place.path()).output().unwrap();
    refuses(&output, 1, &["error: no Python was found", "no .venv here", "help: install Python 3.11 or newer"]);
}

#[test]
fn an_interpreter_that_cannot_run_both_sides_is_refused_with_its_fix() {
    let ours = std::env::consts::ARCH;
    let other = if ours == "x86_64" { "arm64" } else { "x86_64" };
    let cases = [
        (answer("3, 10, 1", ours, r#""numpy": "2.4.6""#), "is Python 3.10.1", "CPython 3.11 or newer"),
        (answer("3, 12, 1", other, r#""numpy": "2.4.6""#), "another architecture", "it must be built for"),
        (
            answer("3, 12, 1", ours, r#""numpy_error": "ModuleNotFoundError""#),
            "cannot import NumPy",
            "-m pip install numpy",
        ),
        (answer("3, 12, 1", ours, r#""numpy": "1.26.4""#), "has NumPy 1.26.4", "pip install --upgrade"),
        (
            answer("3, 12, 1", ours, r#""numpy": "2.4.6", "raptors_trace_error": "ModuleNotFoundError""#),
            "cannot import raptors_trace",
            "pip install .",
        ),
    ];
    for (answer, sentence, help) in cases {
        let dir = tempfile::tempdir().unwrap();
        let python = interpreter(dir.path(), &answer);
        refuses(&run(&["compare", "--python", &python]), 1, &[sentence, "help: ", help]);
    }
}

#[test]
fn a_program_that_is_no_python_is_refused() {
    refuses(&run(&["compare", "--python", "/bin/false"]), 1, &["could not be run as Python"]);
}

#[test]
fn run_files_that_are_none_are_refused() {
    refuses(&run(&["show", "/no/such/run.rtrace"]), 1, &["error: ", "/no/such/run.rtrace"]);
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("empty", &b""[..]),
        ("text", b"this is no run file at all"),
        ("other", b"RTRACE\0\0\x01"),
        ("another", b"PK\x03\x04, as archives begin"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        for command in ["show", "phases", "calls"] {
            refuses(&run(&[command, path.to_str().unwrap()]), 1, &["error: ", name, "is not a run file"]);
        }
    }
    refuses(&run(&["show", dir.path().to_str().unwrap()]), 1, &["error: "]);
}

/// A whole, small run file.
fn run_file() -> RunFile {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(2_000, 1_000); 10]);
    recording.round(round(0, A, OBSERVED), &[multiply(4096, 100)]);
    recording.finish()
}

#[test]
fn a_run_file_is_shown_whole_and_by_part() {
    let file = run_file();
    let path = file.path.to_str().unwrap();
    for (command, there, absent) in [
        ("show", "calls per operation", "is truncated"),
        ("phases", "residual", "calls per operation"),
        ("calls", "calls per operation", "residual"),
    ] {
        let output = run(&[command, path]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains(there), "no {there:?} in:\n{shown}");
        assert!(!shown.contains(absent), "{absent:?} in:\n{shown}");
    }
}

#[test]
fn a_truncated_run_file_is_refused_with_the_offset_and_shown_with_lossy() {
    let file = run_file();
    let whole = std::fs::read(&file.path).unwrap();
    std::fs::write(&file.path, &whole[..whole.len() - 1000]).unwrap();
    let path = file.path.to_str().unwrap();
    let offset = format!("is truncated at offset {}", whole.len() - 1000);
    for command in ["show", "phases", "calls"] {
        let texts = ["error: ", &offset, "1000 of", "help: ", "show --lossy"];
        refuses(&run(&[command, path]), 1, &texts);
        let output = run(&[command, "--lossy", path]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let shown = String::from_utf8(output.stdout).unwrap();
        let shown = shown.replace("\n         ", " ");
        assert!(shown.contains(&offset), "the loss is told:\n{shown}");
        assert!(shown.contains("2.00×") || shown.contains("2.00x"), "{shown}");
    }
}

#[test]
fn a_run_file_cut_within_its_header_is_truncated_even_for_lossy() {
    let file = run_file();
    let whole = std::fs::read(&file.path).unwrap();
    let path = file.path.to_str().unwrap();
    // Its magic alone; its magic and layout; all but the last byte of what a reader needs.
    for length in [8, 12, 383] {
        std::fs::write(&file.path, &whole[..length]).unwrap();
        let offset = format!("is truncated at offset {length}");
        for arguments in [&["show", path][..], &["show", "--lossy", path]] {
            refuses(&run(arguments), 1, &["error: ", &offset, "help: "]);
        }
    }
}

#[test]
fn a_run_file_of_a_newer_layout_names_the_update() {
    let file = run_file();
    let mut bytes = std::fs::read(&file.path).unwrap();
    // The header's CRC no longer fits, but which CRC a later layout has is not ours to know.
    bytes[8] = 9;
    std::fs::write(&file.path, bytes).unwrap();
    let path = file.path.to_str().unwrap();
    let sentence = "made by a newer raptors-trace (layout 9, this one reads up to 2)";
    for arguments in [&["show", path][..], &["show", "--lossy", path]] {
        let output = run(arguments);
        refuses(&output, 1, &["error: ", sentence, "update raptors-trace to read it"]);
        assert!(!errors(&output).contains("CRC"), "{}", errors(&output));
    }
}

#[test]
fn a_round_with_one_mark_is_left_out_and_told() {
    let mut recording = Recording::plain(64);
    recording.timed(0, [(2_000, 1_000); 10]);
    recording.begin(round(0, A, TIMED));
    recording.round(round(0, B, OBSERVED), &[multiply(64, 900)]);
    recording.end(round(0, A, OBSERVED));
    recording.timed(0, [(2_000, 1_000); 2]);
    let file = recording.finish();
    let path = file.path.to_str().unwrap();
    for arguments in [&["show", path][..], &["show", "--lossy", path], &["show", "--json", path]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let shown = String::from_utf8(output.stdout).unwrap().replace("\n         ", " ");
        assert_eq!(shown.matches("2 rounds are left out").count(), 1, "{shown}");
    }
    let output = run(&["export", path, "--format", "csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(errors(&output).replace('\n', " ").contains("2 rounds are left out"), "{}", errors(&output));
    // 24 timed rounds, the observed one with its call, the control with its calls.
    assert!(String::from_utf8(output.stdout).unwrap().contains("np.multiply"));
}

#[test]
fn a_damaged_run_file_names_the_offset() {
    let file = run_file();
    let mut bytes = std::fs::read(&file.path).unwrap();
    bytes[32] ^= 1;
    std::fs::write(&file.path, &bytes).unwrap();
    let path = file.path.to_str().unwrap();
    let texts = ["error: ", "is damaged at offset 124", "help: "];
    refuses(&run(&["show", path]), 1, &texts);
}

#[test]
fn a_run_whose_control_saw_nothing_is_3() {
    let mut recording = Recording::of(&[case("operation", 64)]);
    recording.control(0);
    recording.timed(0, [(2_000, 1_000); 10]);
    let file = recording.finish();
    for command in ["show", "phases", "calls"] {
        refuses(
            &run(&[command, file.path.to_str().unwrap()]),
            3,
            &["error: the control was not seen", "help: use a NumPy"],
        );
    }
}

#[test]
fn calls_are_exported_as_rows_and_on_a_time_line() {
    let file = run_file();
    let path = file.path.to_str().unwrap();
    let json = run(&["export", path, "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let multiply = |row: &&serde_json::Value| row["purpose"] == "observed";
    let row = rows.as_array().unwrap().iter().find(multiply).unwrap();
    assert_eq!((&row["side"], &row["kind"]), (&"a".into(), &"loop".into()));
    assert_eq!((&row["case"], &row["n"]), (&1.into(), &4096.into()));
    assert!(row["duration_ns"].as_f64().unwrap() > 0.0);

    let csv = String::from_utf8(run(&["export", path, "--format", "csv"]).stdout).unwrap();
    assert!(csv.starts_with("case,label,side,"), "{csv}");
    assert_eq!(csv.lines().count(), rows.as_array().unwrap().len() + 1);

    let place = tempfile::tempdir().unwrap();
    let line = place.path().join("line.json");
    let to = line.to_str().unwrap();
    assert!(run(&["export", path, "--format", "chrome", "-o", to]).status.success());
    let line: serde_json::Value = serde_json::from_slice(&std::fs::read(&line).unwrap()).unwrap();
    let events = line["traceEvents"].as_array().unwrap();
    let of = |category: &str| {
        let found = events.iter().rfind(|event| event["cat"] == category).unwrap();
        let (begin, lasts) = (found["ts"].as_f64().unwrap(), found["dur"].as_f64().unwrap());
        (begin, begin + lasts)
    };
    let (round, call) = (of("mark"), of("loop"));
    assert!(round.0 <= call.0 && call.1 <= round.1, "{round:?} {call:?}");
}

#[test]
fn an_export_of_what_was_not_recorded_is_3_and_leaves_no_file() {
    let file = run_file();
    let path = file.path.to_str().unwrap();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let to = ["-o", out.to_str().unwrap()];
    let folded = ["export", path, "--format", "folded"];
    refuses(&run(&[&folded[..], &to].concat()), 3, &["no samples in this run", "raptors-trace flamegraph"]);
    let csv = ["export", path, "--format", "csv", "--case", "9"];
    refuses(&run(&[&csv[..], &to].concat()), 3, &["no recorded calls in case 9", "compare --save"]);
    assert!(!out.exists());
    refuses(&run(&["export", path, "--format", "parquet"]), 2, &["parquet", "csv"]);
}

#[test]
fn the_control_belongs_to_no_case_of_an_export() {
    // With a control, as every run has one.
    let file = run_file();
    let path = file.path.to_str().unwrap();
    let rows = |more: &[&str]| {
        let output = run(&[&["export", path, "--format", "json"], more].concat());
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        rows.into_iter().map(|row| (row["purpose"].clone(), row["case"].clone())).collect::<Vec<_>>()
    };
    let all = rows(&[]);
    assert!(all.contains(&("control".into(), serde_json::Value::Null)), "{all:?}");
    let first = rows(&["--case", "1"]);
    assert!(!first.is_empty() && first.len() < all.len());
    assert!(first.iter().all(|row| *row == ("observed".into(), 1.into())), "{first:?}");
    let second = ["export", path, "--format", "json", "--case", "2"];
    refuses(&run(&second), 3, &["no recorded calls in case 2"]);

    let line = run(&["export", path, "--format", "chrome"]);
    let line: serde_json::Value = serde_json::from_slice(&line.stdout).unwrap();
    let named = |what: &str| {
        let events = line["traceEvents"].as_array().unwrap().iter();
        events.filter(|event| event["name"] == what).map(|event| event["args"]["name"].clone()).collect::<Vec<_>>()
    };
    // The control's round is the first of side A, and does not know its name.
    assert_eq!(named("process_name"), ["numpy"]);
    assert_eq!(named("thread_name"), ["thread 1"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_export_to_a_full_disk_fails_with_the_fix() {
    let file = run_file();
    let path = file.path.to_str().unwrap();
    for format in ["csv", "json", "chrome"] {
        let (_place, mut command) = command(&["export", path, "--format", format]);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let output = command.stdout(full.unwrap()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        refuses(&output, 1, &["error: the export cannot be written", "help: free disk space"]);
    }
}

#[test]
fn a_size_that_does_not_fit_in_memory_is_refused_before_anything_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let sound = answer("3, 12, 1", std::env::consts::ARCH, r#""numpy": "2.4.6""#);
    let python = interpreter(dir.path(), &sound);
    let output = run(&["compare", "--size", "64,9999999", "--python", &python]);
    let sentence = "error: float32 at 9999999 × 9999999 does not fit in memory: 1862644.";
    refuses(&output, 1, &[sentence, "help: choose a smaller --size"]);
}

#[test]
fn a_file_name_cannot_move_the_cursor() {
    let output = run(&["show", "/no/such/\u{1b}[2J.rtrace"]);
    refuses(&output, 1, &["\\x1b[2J"]);
    assert!(!errors(&output).contains('\u{1b}'));
}

#[test]
fn a_closed_pipe_is_quiet() {
    let (_place, mut command) = command(&["compare", "--help"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(errors(&output), "");
    assert_eq!(output.status.code(), Some(0));
}
