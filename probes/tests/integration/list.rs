//! provider.d, its parser, and the crate's list of probes.

#[path = "../../build/provider.rs"]
mod provider;

use provider::{CType, parse};
use raptors_probes::{PROBES, PROVIDER, PROVIDER_D};

#[test]
fn the_list_is_provider_d() {
    let parsed = parse(PROVIDER_D).expect("the build has read the same text");
    assert_eq!(PROVIDER, parsed.name);
    let written: Vec<String> = parsed.probes.iter().map(in_words).collect();
    let shown: Vec<String> = PROBES
        .iter()
        .map(|probe| {
            let arguments: Vec<String> = probe.arguments.iter().map(|a| format!("{} {}", a.c_type, a.name)).collect();
            format!("{}({})", probe.stap_name, arguments.join(", "))
        })
        .collect();
    assert_eq!(shown, written);
    for probe in PROBES {
        assert_eq!(probe.name, probe.stap_name.replace("__", "-"));
    }
}

fn in_words(probe: &provider::Probe) -> String {
    let arguments: Vec<String> = probe
        .arguments
        .iter()
        .map(|argument| {
            let c_type = match argument.c_type {
                CType::U32 => "uint32_t",
                CType::U64 => "uint64_t",
                CType::Pointer => "uintptr_t",
                CType::String => "char *",
            };
            format!("{c_type} {}", argument.name)
        })
        .collect();
    format!("{}({})", probe.name, arguments.join(", "))
}

#[test]
fn every_probe_has_its_documentation() {
    for probe in parse(PROVIDER_D).expect("the build has read the same text").probes {
        assert!(!probe.comment.is_empty(), "{} has no comment in front of it", probe.name);
    }
}

#[test]
fn the_last_comment_in_front_of_a_probe_is_its_own() {
    let parsed = parse("provider p { /* of the file */ /* of\n  a */ probe a(uint32_t x); };").unwrap();
    assert_eq!(parsed.probes[0].comment, "of a");
}

#[test]
fn an_error_names_the_line() {
    let cases = [
        ("", "line 0: expected `provider`, found the end of the file"),
        ("provider p {\n};", "line 2: provider p has no probes"),
        ("provider p {\n probe a(uint32_t x)\n};", "line 3: expected `;`, found `}`"),
        ("provider p {\n probe a(int x);\n};", "line 2: expected uint32_t, uint64_t, uintptr_t or char *, found `int`"),
        ("provider p {\n probe a(char x);\n};", "line 2: expected `*`, found `x`"),
        ("provider p {\n probe a(uint32_t);\n};", "line 2: expected the argument's name, found `)`"),
        (
            "provider p {\n probe a(uint32_t x,\n);\n};",
            "line 3: expected uint32_t, uint64_t, uintptr_t or char *, found `)`",
        ),
        ("provider p {\n probe a();\n};", "line 2: probe a has no arguments"),
        ("provider p {\n probe a(uint32_t x,\n uint64_t x);\n};", "line 3: probe a has two arguments x"),
        ("provider p {\n probe A(uint32_t x);\n};", "line 2: expected the probe's name, found `A`"),
        ("provider p {\n probe a(uint32_t x);\n probe a(uint32_t x);\n};", "line 3: probe a is declared twice"),
        ("provider p {\n // a\n probe a(uint32_t x);\n};", "line 2: '/' is not expected here"),
        ("provider p {\n\n /* no end\n", "line 3: this comment has no end"),
        ("provider p { probe a(uint32_t x); };\nprovider q", "line 2: expected the end of the file, found `provider`"),
        (
            "provider p {\n probe a(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f, uint32_t \
             g);\n};",
            "line 2: probe a has 7 arguments, more than 6",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(parse(text).expect_err(text), message, "for {text:?}");
    }
}

#[test]
fn a_cut_file_is_an_error_and_never_a_panic() {
    let whole = PROVIDER_D.trim_end().len();
    for end in (0..whole).filter(|&end| PROVIDER_D.is_char_boundary(end)) {
        parse(&PROVIDER_D[..end]).expect_err("the declaration has no end");
    }
    parse(&PROVIDER_D[..whole]).expect("the declaration is whole");
}
