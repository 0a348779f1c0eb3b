//! [`Image`] of libraries that gcc makes, laid out as GNU ld and as lld do it.

use std::path::PathBuf;
use std::process::Command;

use super::*;

impl Image {
    /// One made by hand, for the tests of those who read images.
    pub fn sample(shifted: bool, providers: &[&str]) -> Self {
        let probe = |&provider: &&str| Probe { provider: provider.to_owned(), name: "scale__entry".into(), address: 0 };
        let segment = |address, executable| Segment { address, offset: address & 0xffff, length: 0x100, executable };
        Self {
            has_symtab: true,
            segments: vec![segment(0, false), segment(if shifted { 0x11000 } else { 0x1000 }, true)],
            probes: providers.iter().map(probe).collect(),
            ..Self::default()
        }
    }
}

const SOURCE: &str = r#"
static int hidden(int x) { return x + 1; }
int shown(int x) {
    __asm__ volatile(
        "990: nop\n"
        ".pushsection .note.stapsdt, \"\", \"note\"\n"
        ".balign 4\n"
        ".4byte 992f - 991f, 994f - 993f, 3\n"
        "991: .asciz \"stapsdt\"\n"
        "992: .balign 4\n"
        "993: .8byte 990b, 0, 0\n"
        ".asciz \"raptors\"\n"
        ".asciz \"scale__entry\"\n"
        ".asciz \"\"\n"
        "994: .balign 4\n"
        ".popsection\n");
    return hidden(x);
}
"#;

/// Says why nothing is tested; in CI everything has to be there.
fn skip(reason: &str) {
    assert!(
        std::env::var_os("CI").is_none() || std::env::consts::OS != "linux",
        "in CI this must not be missing: {reason}"
    );
    eprintln!("skipped: {reason}");
}

/// A library in a directory of its own, or `None` where there is no gcc that makes ELF files.
fn library(flags: &[&str]) -> Option<(tempfile::TempDir, PathBuf)> {
    if std::env::consts::OS != "linux" {
        skip("ELF files are made on Linux only");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("x.c"), dir.path().join("libx.so"));
    std::fs::write(&source, SOURCE).unwrap();
    let made = Command::new("gcc")
        .args(["-O1", "-fno-inline", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .args(flags)
        .output();
    match made {
        Err(error) => {
            skip(&format!("gcc: {error}"));
            None
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            Some((dir, library))
        }
    }
}

#[test]
fn gnu_ld_lays_code_out_as_it_lies_in_memory_with_and_without_pages_of_its_own() {
    for flags in ["-Wl,-z,noseparate-code", "-Wl,-z,separate-code"] {
        let Some((_dir, library)) = library(&[flags]) else {
            return;
        };
        let image = Image::read(&library).unwrap();
        assert!(!image.is_shifted() && image.has_symtab, "{flags}: {image:?}");
        assert!(image.has_usdt("raptors") && !image.has_usdt("raptor"), "{image:?}");
    }
}

/// lld leaves the gap between segments out of the file; a moved `.text` does the same with any linker.
#[test]
fn code_that_lies_elsewhere_in_the_file_is_seen() {
    let Some((_dir, library)) = library(&["-Wl,--section-start=.text=0x7000"]) else {
        return;
    };
    assert!(Image::read(&library).unwrap().is_shifted());
}

#[test]
fn a_program_with_a_fixed_base_is_laid_out_as_any_other() {
    let Some((_dir, library)) = library(&["-Wl,-Ttext-segment=0x400000"]) else {
        return;
    };
    assert!(!Image::read(&library).unwrap().is_shifted());
}

#[test]
fn a_stripped_library_keeps_its_notes_and_has_no_symtab() {
    let Some((_dir, library)) = library(&["-s"]) else {
        return;
    };
    let image = Image::read(&library).unwrap();
    assert!(!image.has_symtab && image.has_usdt("raptors"), "{image:?}");
    assert!(image.function("shown").is_some() && image.function("hidden").is_none());
}

/// The site of the probe is the first instruction but one: [`SOURCE`] puts it behind what the compiler begins with.
#[test]
fn functions_and_probes_are_found_where_the_file_says() {
    let Some((_dir, library)) = library(&["-Wl,--section-start=.text=0x7000", "-Wl,-soname,libx.1"]) else {
        return;
    };
    let image = Image::read(&library).unwrap();
    let [shown, hidden] = ["shown", "hidden"].map(|name| image.function(name).unwrap());
    assert!(shown.exported && !hidden.exported && hidden.size > 0);
    assert_eq!(image.function_at(shown.address), Some(shown));
    let site = image.probe("raptors", "scale__entry").unwrap();
    assert_eq!(image.function_at(site), Some(shown), "{site:x} {image:?}");
    assert_eq!(image.probe("raptors", "scale__return"), None);
    let code = image.segments.iter().find(|s| s.executable).unwrap();
    assert_eq!(image.address_of(code.offset), Some(code.address));
    assert_eq!(image.address_of(u64::MAX), None);
    assert_eq!(image.soname.as_deref(), Some("libx.1"));
}

#[test]
fn what_is_no_elf_file_is_refused_and_damage_is_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Image::read(&dir.path().join("nothing")).unwrap_err().to_string().contains("cannot be opened"));
    let text = dir.path().join("text");
    std::fs::write(&text, "no library").unwrap();
    assert!(Image::read(&text).unwrap_err().to_string().contains("is not a readable object file"));
    let Some((_dir, library)) = library(&[]) else {
        return;
    };
    let whole = std::fs::read(&library).unwrap();
    for end in (0..whole.len()).step_by(97) {
        std::fs::write(&text, &whole[..end]).unwrap();
        let _ = Image::read(&text);
    }
}

#[test]
fn notes_that_are_cut_off_or_lie_about_their_size_end_the_list() {
    let mut note = Vec::new();
    for number in [8_u32, 40, 3] {
        note.extend(number.to_le_bytes());
    }
    note.extend(b"stapsdt\0");
    note.extend([0; 24]);
    note.extend(b"raptors\0scale\0\0\0");
    let read = |notes: &[u8]| {
        let probes = probes_in(notes, Endianness::Little, 8);
        probes.into_iter().map(|p| (p.provider, p.name, p.address))
    };
    note[20..28].copy_from_slice(&0x1234_u64.to_le_bytes());
    let [provider, name] = ["raptors", "scale"].map(str::to_owned);
    let expected = (provider, name, 0x1234);
    assert!(read(&[&note[..], &note].concat()).eq([expected.clone(), expected.clone()]));
    assert!(read(&[&note[..], &note[..50]].concat()).eq([expected]));
    let damaged = [(4..8, u32::MAX), (8..12, 4), (12..16, 0)];
    for (place, number) in damaged {
        let mut other = note.clone();
        other[place].copy_from_slice(&number.to_le_bytes());
        assert_eq!(read(&other).count(), 0);
    }
}
