//! Tests of the choice of the interpreter and of each refusal.
use super::*;

const ARCH: &str = "x86_64";

fn good() -> Answer {
    Answer {
        version: vec![3, 12, 1],
        implementation: "CPython".into(),
        machine: "x86_64".into(),
        bits: 64,
        numpy: Some("2.4.6".into()),
        ..Answer::default()
    }
}

fn refusal(answer: Answer) -> InterpreterError {
    check("/opt/my python/bin/python".into(), Origin::Asked, answer, ARCH).unwrap_err()
}

fn everything() -> Surroundings {
    Surroundings {
        asked: Some("/asked/python".into()),
        variable: Some("/variable/python".into()),
        virtual_env: Some("/active".into()),
        host: Some("/host/python".into()),
        current_dir: "/here".into(),
        path: vec!["/usr/bin".into()],
    }
}

fn existing(path: &Path) -> bool {
    let there = [
        "/asked/python",
        "/variable/python",
        "/active/bin/python",
        "/host/python",
        "/here/.venv/bin/python",
        "/usr/bin/python3",
        "/usr/bin/python3.12",
    ];
    there.iter().any(|p| Path::new(p) == path)
}

#[test]
fn the_order_of_the_choice_is_the_documented_one() {
    let mut s = everything();
    let mut order = Vec::new();
    while let Ok((path, origin)) = choose(&s, existing) {
        order.push((path.display().to_string(), origin));
        match origin {
            Origin::Asked => s.asked = None,
            Origin::Variable => s.variable = None,
            Origin::VirtualEnvironment => s.virtual_env = None,
            Origin::Host => s.host = None,
            Origin::DotVenv => s.current_dir = "/elsewhere".into(),
            Origin::Path => s.path.clear(),
        }
    }
    let expected = [
        ("/asked/python", Origin::Asked),
        ("/variable/python", Origin::Variable),
        ("/active/bin/python", Origin::VirtualEnvironment),
        ("/host/python", Origin::Host),
        ("/here/.venv/bin/python", Origin::DotVenv),
        ("/usr/bin/python3", Origin::Path),
    ];
    assert_eq!(order, expected.map(|(p, o)| (p.to_owned(), o)));
    assert_eq!(choose(&s, existing), Err(InterpreterError::None));
}

#[test]
fn one_asked_for_that_is_not_there_is_an_error_and_nothing_else_is_tried() {
    let mut s = everything();
    s.asked = Some("/wrong/python".into());
    let error = choose(&s, existing).unwrap_err();
    assert_eq!(error, InterpreterError::Missing { path: "/wrong/python".into(), origin: Origin::Asked });
}

#[test]
fn a_bare_name_is_looked_up_on_path_and_a_directory_is_an_environment() {
    let mut s = everything();
    s.asked = Some("python3.12".into());
    assert_eq!(choose(&s, existing), Ok(("/usr/bin/python3.12".into(), Origin::Asked)));
    s.asked = Some("/active".into());
    assert_eq!(choose(&s, existing), Ok(("/active/bin/python".into(), Origin::Asked)));
}

#[test]
fn a_good_answer_passes() {
    let found = check("/p".into(), Origin::Path, good(), ARCH).unwrap();
    assert_eq!((found.version.as_str(), found.numpy.as_str()), ("3.12.1", "2.4.6"));
}

#[test]
fn python_3_10_is_refused() {
    let error = refusal(Answer { version: vec![3, 10, 14], ..good() });
    assert_eq!(error.to_string(), "/opt/my python/bin/python is Python 3.10.14; raptors-trace needs 3.11 or newer");
}

#[test]
fn pypy_is_refused() {
    assert!(matches!(refusal(Answer { implementation: "PyPy".into(), ..good() }), InterpreterError::NotCPython { .. }));
}

#[test]
fn no_numpy_names_the_command_that_fixes_it() {
    let error = refusal(Answer {
        numpy: None,
        numpy_error: Some("ModuleNotFoundError: No module named 'numpy'".into()),
        ..good()
    });
    assert!(error.to_string().ends_with("cannot import NumPy: ModuleNotFoundError: No module named 'numpy'"));
    assert_eq!(error.help(), "'/opt/my python/bin/python' -m pip install numpy");
}

#[test]
fn numpy_1_26_is_refused() {
    let error = refusal(Answer { numpy: Some("1.26.4".into()), ..good() });
    assert!(error.to_string().contains("has NumPy 1.26.4; raptors-trace needs 2.0 or newer"));
    assert!(error.help().ends_with("-m pip install --upgrade 'numpy>=2'"));
}

#[test]
fn a_free_threaded_python_is_refused_before_its_packages_are_looked_at() {
    let error = refusal(Answer { free_threaded: true, numpy: None, ..good() });
    assert!(error.to_string().contains("is a free-threaded Python 3.12.1, which"), "{error}");
    assert!(error.help().contains("--python PATH") && error.help().contains("ordinary CPython"), "{}", error.help());
}

#[test]
fn another_architecture_is_refused_also_32_bit() {
    let error = refusal(Answer { machine: "arm64".into(), ..good() });
    assert!(error.to_string().contains("runs as aarch64, this program as x86_64"), "{error}");
    let error = refusal(Answer { bits: 32, ..good() });
    assert!(error.to_string().contains("x86_64 (32-bit)"), "{error}");
}

#[test]
fn a_python_without_raptors_trace_is_refused() {
    let error = refusal(Answer { raptors_trace_error: Some("ModuleNotFoundError".into()), ..good() });
    assert!(matches!(error, InterpreterError::NoRaptorsTrace { .. }));
    assert!(error.help().contains("pip install ."));
}

fn asked(path: &str, interrupted: bool, told: &mut Vec<String>) -> InterpreterError {
    let waiting = Waiting { interrupted: &|| interrupted, tell: &mut |text| told.push(text.to_owned()) };
    ask(Path::new(path), Origin::Asked, waiting).unwrap_err()
}

/// An executable file that does as `script` says, whatever it is asked.
fn program(dir: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("python");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_program_that_is_no_python_is_said_to_be_none() {
    let error = asked("/bin/false", false, &mut Vec::new());
    assert_eq!(
        error.to_string(),
        "/bin/false (from --python) could not be run as Python: exit status: 1; it said nothing"
    );
    let error = asked("/etc/hosts", false, &mut Vec::new());
    assert!(matches!(error, InterpreterError::NotRunning { .. }), "{error}");
}

#[test]
fn a_long_wait_is_told_once_and_can_be_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let slow = program(dir.path(), "sleep 3; exit 1");
    let mut told = Vec::new();
    let error = asked(&slow, false, &mut told);
    assert!(matches!(error, InterpreterError::NotRunning { .. }), "{error}");
    let [told] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(told.contains(&slow), "{told}");
    // `exec`, so that the kill reaches the sleep and nothing is left behind.
    let endless = program(dir.path(), "exec sleep 600");
    let error = asked(&endless, true, &mut Vec::new());
    assert_eq!(error, InterpreterError::Interrupted);
    assert_eq!(Error::from(error).help_text(), None);
}

#[test]
fn every_origin_fits_the_sentences_it_stands_in() {
    let told: Vec<String> =
        [Origin::Asked, Origin::Variable, Origin::VirtualEnvironment, Origin::Host, Origin::DotVenv, Origin::Path]
            .map(|origin| {
                let path = "/p".into();
                let why = "x".into();
                InterpreterError::NoRaptorsTrace { path, origin, why }.to_string()
            })
            .to_vec();
    let expected = [
        "/p (from --python) cannot import raptors_trace: x",
        "/p (from RAPTORS_TRACE_PYTHON) cannot import raptors_trace: x",
        "/p (of the active virtual environment) cannot import raptors_trace: x",
        "/p (which runs this command) cannot import raptors_trace: x",
        "/p (of .venv in this directory) cannot import raptors_trace: x",
        "/p (found on PATH) cannot import raptors_trace: x",
    ];
    assert_eq!(told, expected);
}
