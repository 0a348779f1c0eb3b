//! The scripts under `dtrace/` against their generator, the list of probes and the house's rules; and what becomes of
//! names that mean something to a shell, to D or to bpftrace.
//!
//! `cargo xtask scripts` writes `dtrace/` anew; read the difference before committing it. That the scripts run and
//! count right is shown by `tests/python/test_scripts_*.py`.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use raptors_routines::{Width, find};
use raptors_trace::tracers::scripts::{
    Exported, Filled, Library, LoopPoint, Module, Request, Script, Target, Tool, committed, default_routines, generate,
};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dtrace")
}

#[test]
fn the_committed_scripts_are_what_the_generator_makes() {
    let made = committed().unwrap();
    for (name, text) in &made {
        let path = directory().join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(directory()).unwrap();
            std::fs::write(&path, text).unwrap();
            continue;
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if found != *text {
            let difference = similar::TextDiff::from_lines(&found, text);
            let difference = difference.unified_diff().context_radius(1).to_string();
            panic!("{} has drifted; `cargo xtask scripts` writes it anew\n{difference}", path.display());
        }
    }
    let mut there: Vec<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut names: Vec<String> = made.into_iter().map(|(name, _)| name).collect();
    there.sort();
    names.sort();
    assert_eq!(there, names, "dtrace/ holds what the generator makes and nothing else");
}

#[test]
fn every_script_is_its_own_manual() {
    for (name, text) in committed().unwrap() {
        let tool = if name.ends_with(".d") { "dtrace -s" } else { "bpftrace" };
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("#!/usr/") && lines[1] == "/*", "{name}");
        assert!(lines[2].starts_with(&format!(" * {name}: ")), "{name}: {}", lines[2]);
        let command = format!(" *   sudo {tool} ");
        let first = lines.iter().position(|line| line.starts_with(&command));
        assert!(first.is_some_and(|at| at <= 5), "{name} begins with the command that works");
        assert!(lines[first.unwrap()].contains("-p PID"), "{name}");
        for section in [" * WHAT IS ARMED", " * SAMPLE", " * HOW TO READ IT"] {
            assert!(lines.contains(&section), "{name} has no{section}");
        }
        assert!(tool != "bpftrace" || lines.len() <= 250, "{name} is too long to be read: {} lines", lines.len());
        let long = lines.iter().find(|line| line.starts_with(" *") && line.chars().count() > 122);
        assert!(long.is_none(), "{name}: {long:?}");
        assert!(!text.contains("(sample)"), "{name} shows real output");
        assert!(text.is_ascii() || name.starts_with("profile"), "{name}: a terminal of any locale shows it");
    }
}

/// The probes of provider.d by their SystemTap names.
fn probes() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/provider.d")).unwrap();
    let declared = text.lines().filter_map(|line| line.trim().strip_prefix("probe "));
    declared.map(|line| line.split('(').next().unwrap().to_owned()).collect()
}

#[test]
fn the_scripts_name_probes_that_are_in_provider_d() {
    let known = probes();
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split_once("*/").unwrap().1;
        let named = code.lines().filter_map(|line| {
            let rest = match line.strip_prefix("raptors$target:::") {
                Some(rest) => rest.replace('-', "__"),
                None => line.strip_prefix("usdt:$2:raptors:")?.replace('*', ""),
            };
            Some(rest.trim_end_matches([',', ' ']).to_owned())
        });
        for name in named {
            assert!(known.contains(&name), "{} names {name}", path.display());
        }
    }
    let phases = std::fs::read_to_string(directory().join("scale_phases.d")).unwrap();
    // Rounds are for the engines.
    for name in known.into_iter().filter(|name| !name.starts_with("round__")) {
        let probe = format!("raptors$target:::{}\n", name.replace("__", "-"));
        assert!(phases.contains(&probe), "scale_phases.d shows every probe, and {name} too");
    }
}

/// Paths and symbols that mean something to a shell, to D, to bpftrace, or to a comment.
const NASTY: [&str; 9] = [
    "/a/quo\"te.so",
    "/a/single'quote.so",
    "/a/$(touch broken).so",
    "/a/back`tick`.so",
    "/a/new\nline.so",
    "/a/com*/ment.so",
    "/a/colon:x.so",
    "/a/back\\slash.so",
    "/a/brace{} END { system(\"x\"); }.so",
];

fn nasty_request() -> Request {
    request(&NASTY, "so`name$(x)\".so", "multiply\"; system(\"x\") */")
}

/// Files of these paths, libraries of this soname, loops of this ufunc.
fn request(paths: &[&str], soname: &str, ufunc: &str) -> Request {
    let gemm = find("cblas_sgemm").unwrap();
    let library = |path: &&str| Library {
        path: path.into(),
        soname: Some(soname.into()),
        routines: vec![Exported { symbol: "cblas_sgemm".into(), routine: gemm, width: Width::Lp64 }],
        shifted: false,
    };
    let point = |path: &&str| LoopPoint {
        ufunc: ufunc.into(),
        types: "ff->f\n".into(),
        shared_with: Vec::new(),
        operands: 3,
        core_dimensions: 0,
        path: path.into(),
        offset: 0x1000,
        address: 0x2000,
        symbol: Some("loop`$(x)*/".into()),
        shifted: false,
    };
    let module = |path: &&str| Module { name: path[3..].into(), start: 0, end: 9 };
    Request {
        target: Target::Filled(Box::new(Filled {
            processes: vec![4711],
            python: Some("/p/$(touch x)'\n*/python".into()),
            libraries: paths.iter().map(library).collect(),
            loops: paths.iter().map(point).collect(),
            extensions: paths.iter().map(PathBuf::from).collect(),
            libc: paths.first().map(PathBuf::from),
            modules: paths.iter().map(module).collect(),
            left_out: Vec::new(),
        })),
        routines: default_routines(),
        ufuncs: vec!["all".into()],
    }
}

#[test]
fn no_name_and_no_path_leaves_its_place() {
    all_in_place(&nasty_request());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Letters that mean something somewhere, and any other.
    #[test]
    fn no_name_of_whatever_letters_leaves_its_place(odd in "([\"'`$*/{}%;:@#\\\\\n ]|[\\x01-\\x7f]|\\PC){0,12}") {
        let path = format!("/a/{odd}system($(x)`.so");
        all_in_place(&request(&[&path], &odd, &odd));
    }
}

fn all_in_place(request: &Request) {
    for script in Script::ALL {
        for tool in [Tool::Dtrace, Tool::Bpftrace] {
            let made = generate(script, tool, request).unwrap();
            let (manual, code) = made.text.split_once("\n */\n").unwrap();
            assert!(!manual[4..].contains("*/"), "the manual of {} ends where it should", made.name);
            for line in manual.lines().skip(2) {
                assert!(line.starts_with(" *"), "{}: a name broke the line: {line}", made.name);
            }
            for line in code.lines() {
                in_place(&made.name, line, tool);
            }
        }
    }
}

/// A line of a program with every quoted string taken out has nothing of the names' own in it.
fn in_place(name: &str, line: &str, tool: Tool) {
    let mut bare = String::new();
    let (mut inside, mut escaped) = (false, false);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            c if !inside => bare.push(c),
            _ => {}
        }
    }
    assert!(!inside, "{name}: a string is not closed: {line}");
    for trace in ["system(", "$(", "`"] {
        assert!(!bare.contains(trace), "{name}: {line}");
    }
    if tool == Tool::Dtrace && line.starts_with("pid$target:") {
        let plain = |c: char| c.is_ascii_alphanumeric() || "$:_-+.?*[], ".contains(c);
        assert!(line.chars().all(plain), "{name}: {line}");
    }
}

#[test]
fn what_bpftrace_cannot_name_is_left_out_with_the_reason() {
    let made = generate(Script::TraceAccelerateCalls, Tool::Bpftrace, &nasty_request()).unwrap();
    let refused = ["/a/new\nline.so", "/a/com*/ment.so", "/a/colon:x.so", "/a/back\\slash.so"];
    for path in NASTY {
        let why = made.left_out.iter().find(|left| left.what == path);
        assert_eq!(why.is_some(), refused.contains(&path), "{path:?}");
        if let Some(left) = why {
            assert!(left.why.contains("cannot name a path"), "{}", left.why);
        }
    }
    assert!(made.text.contains("uprobe:\"/a/quo\\\"te.so\":cblas_sgemm"));
    assert!(made.text.contains("uprobe:\"/a/$(touch broken).so\":cblas_sgemm"));
}

#[test]
fn dtrace_leaves_out_libraries_whose_addresses_are_not_their_offsets() {
    let mut request = nasty_request();
    if let Target::Filled(filled) = &mut request.target {
        filled.libraries.truncate(1);
        filled.libraries[0].shifted = true;
        filled.loops.truncate(1);
        filled.loops[0].shifted = true;
    }
    let made = generate(Script::TraceAccelerateCalls, Tool::Dtrace, &request).unwrap();
    assert!(made.left_out[0].why.contains("PT_LOAD"));
    assert!(made.text.contains(" * LEFT OUT\n"));
    assert!(!made.text.contains(":cblas_sgemm:entry"));
    let faults = generate(Script::PageFaults, Tool::Dtrace, &request).unwrap();
    assert!(faults.left_out.iter().any(|left| left.what.starts_with("np.multiply")));
    let twin = generate(Script::TraceAccelerateCalls, Tool::Bpftrace, &request).unwrap();
    assert!(twin.text.contains(":cblas_sgemm\n"));
}
