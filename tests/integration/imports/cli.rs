//! The command as a user meets it: what it takes, exit codes, sentences, fixes.

use std::path::Path;
use std::process::{Command, Output};

use raptors_trace::analysis::imports::{Imports, SubjectKind};

use super::support::{archive, gcc, numpy, skip};

/// Runs it in a directory, with an environment that names no interpreter.
fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raptors-trace"));
    command.arg("imports").args(args).current_dir(dir).env("LC_ALL", "C.UTF-8");
    for name in ["RAPTORS_TRACE_PYTHON", "RAPTORS_TRACE_HOST_PYTHON", "VIRTUAL_ENV", "COLUMNS", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

#[track_caller]
fn refuses(output: &Output, code: i32, texts: &[&str]) {
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty());
    for text in texts {
        assert!(errors.contains(text), "no {text:?} in:\n{errors}");
    }
    assert!(code == 2 || errors.contains("help: "), "{errors}");
}

#[track_caller]
fn prints(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert!(errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_cannot_be_read_is_1_and_says_why() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).unwrap();
    write("text.so", b"not a library");
    write("empty.so", b"");
    write("cut.so", b"\x7fELF\x02\x01\x01");
    write("static.a", b"!<arch>\nx");
    write("windows.pyd", b"MZ\x90\0");
    write("cut.whl", b"PK\x03\x04 and no more");
    write("no.whl", b"no zip at all");
    archive(&dir.join("cut_inside.whl"), &[("a.so", b"\x7fELF\x02\x01\x01")]);
    for (name, texts) in [
        ("text.so", &["it is neither ELF nor Mach-O"][..]),
        ("empty.so", &["it is empty"]),
        ("cut.so", &["damaged or cut off"]),
        ("static.a", &["static library"]),
        ("windows.pyd", &["a Windows file"]),
        ("cut.whl", &["not a valid wheel"]),
        ("no.whl", &["not a valid wheel"]),
        ("cut_inside.whl", &["nothing in `cut_inside.whl` could be read", "a.so", "cut off"]),
        ("./missing.so", &["cannot be opened", "No such file"]),
        ("/dev/null", &["neither a file nor a directory"]),
    ] {
        refuses(&run(dir, &[name]), 1, texts);
    }
    refuses(&run(dir, &[]), 2, &["FILE|PACKAGE|WHEEL"]);
}

#[test]
fn nothing_to_read_is_3() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    std::fs::create_dir(dir.join("pure")).unwrap();
    std::fs::write(dir.join("pure/code.py"), "x = 1").unwrap();
    archive(&dir.join("pure-1-py3-none-any.whl"), &[("pure/code.py", b"x = 1")]);
    archive(&dir.join("win-1-py3-none-win_amd64.whl"), &[("a.pyd", b"MZ\x90\0"), ("b.dll", b"MZ\x90\0")]);
    archive(&dir.join("none.zip"), &[]);
    let none = "contains no ELF and no Mach-O file";
    for name in ["pure", "pure-1-py3-none-any.whl", "none.zip"] {
        refuses(&run(dir, &[name]), 3, &[none]);
    }
    refuses(&run(dir, &["win-1-py3-none-win_amd64.whl"]), 3, &[none, "2 of Windows, which are not read"]);
}

#[test]
fn none_imported_is_an_answer() {
    let place = tempfile::tempdir().unwrap();
    let Some(library) = gcc(place.path(), "plain.so", "int one(void) { return 1; }", &[]) else {
        return;
    };
    let text = prints(&run(place.path(), &["plain.so"]));
    assert!(text.contains("vDSP            0") && text.contains("It imports none of these."), "{text}");
    // A damaged neighbour is told, and the rest is read.
    let good = std::fs::read(library).unwrap();
    let evil = "b\u{1b}[2J.so";
    archive(&place.path().join("some.zip"), &[("good.so", &good), (evil, &good[..100])]);
    let text = prints(&run(place.path(), &["some.zip"]));
    assert!(text.contains("warning: b\\x1b[2J.so was not read"), "{text}");
    let json = prints(&run(place.path(), &["some.zip", "--json"]));
    let read: Imports = serde_json::from_str(&json).unwrap();
    assert_eq!((read.subjects[0].files.len(), read.subjects[0].unread.len()), (1, 1));
    assert_eq!(read.subjects[0].unread[0].path, evil);
}

/// A package whose import would leave a mark.
fn package(dir: &Path) -> Option<()> {
    let inside = dir.join("site/loud_package");
    std::fs::create_dir_all(&inside).unwrap();
    let source = "void cblas_sgemm(void); void work(void) { cblas_sgemm(); }";
    gcc(&inside, "core.so", source, &[])?;
    std::fs::create_dir(dir.join("site/loud_package.libs")).unwrap();
    gcc(&dir.join("site/loud_package.libs"), "libown.so", "void cblas_sgemm(void) {}", &[])?;
    std::fs::write(inside.join("__init__.py"), "open('imported', 'w')").unwrap();
    // Nor does what lies in the current directory run.
    std::fs::write(dir.join("json.py"), "open('imported', 'w')").unwrap();
    Some(())
}

#[test]
fn a_package_is_found_and_not_imported() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    if package(dir).is_none() {
        return;
    }
    let ask = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_raptors-trace"));
        command.arg("imports").args(args).args(["--python", "python3"]).current_dir(dir);
        command.env("PYTHONPATH", dir.join("site"));
        command.output().unwrap()
    };
    let output = ask(&["loud_package", "--json"]);
    if !Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return skip("there is no python3");
    }
    let read: Imports = serde_json::from_str(&prints(&output)).unwrap();
    let subject = &read.subjects[0];
    assert_eq!((subject.kind, subject.imports.cblas), (SubjectKind::Package, 1));
    let paths: Vec<&str> = subject.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["loud_package.libs/libown.so", "loud_package/core.so"]);
    assert!(subject.interpreter.as_deref().is_some_and(|python| python.ends_with("python3")));
    assert!(!dir.join("imported").exists(), "the package or a module of the directory was run");

    refuses(&ask(&["no_such_package"]), 1, &["no file `no_such_package`", "has no package of that name", "--python"]);
    refuses(&ask(&["json"]), 3, &["contains no ELF"]);
}

#[test]
fn all_lists_what_the_short_table_shortens() {
    let (Some(mac), Some(linux)) = (numpy("macosx_14_0_arm64"), numpy("manylinux_2_28_x86_64")) else {
        return;
    };
    let (mac, linux) = (mac.to_str().unwrap(), linux.to_str().unwrap());
    let here = Path::new(".");
    let short = prints(&run(here, &[mac]));
    assert!(short.contains("  CBLAS          22  Accelerate with 64-bit integers\n"), "{short}");
    assert!(short.contains(" sgemm ") && !short.contains("$NEWLAPACK"), "{short}");
    for flag in ["--all", "-v"] {
        let all = prints(&run(here, &[mac, flag]));
        let line = "      cblas_sgemm$NEWLAPACK$ILP64         /System/Library/Frameworks/Accelerate.framework/";
        assert!(all.contains(line), "{all}");
    }
    let both = prints(&run(here, &[mac, linux, "--all"]));
    let line = both.lines().find(|line| line.starts_with("  cblas_sgemm ")).unwrap();
    assert!(line.contains("cblas_sgemm$NEWLAPACK$ILP64") && line.contains("scipy_cblas_sgemm64_"), "{line}");
}
