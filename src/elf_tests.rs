//! [`layout`] on libraries that gcc makes, laid out as GNU ld and as lld do it.

use std::path::PathBuf;
use std::process::Command;

use super::*;

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
        let layout = layout(&library).unwrap();
        assert!(
            layout.vaddr_equals_offset && layout.has_symtab,
            "{flags}: {layout:?}"
        );
        assert!(
            layout.has_usdt("raptors") && !layout.has_usdt("raptor"),
            "{layout:?}"
        );
    }
}

/// lld leaves the gap between segments out of the file; a moved `.text` does the same with any linker.
#[test]
fn code_that_lies_elsewhere_in_the_file_is_seen() {
    let Some((_dir, library)) = library(&["-Wl,--section-start=.text=0x7000"]) else {
        return;
    };
    assert!(!layout(&library).unwrap().vaddr_equals_offset);
}

#[test]
fn a_program_with_a_fixed_base_is_laid_out_as_any_other() {
    let Some((_dir, library)) = library(&["-Wl,-Ttext-segment=0x400000"]) else {
        return;
    };
    assert!(layout(&library).unwrap().vaddr_equals_offset);
}

#[test]
fn a_stripped_library_keeps_its_notes_and_has_no_symtab() {
    let Some((_dir, library)) = library(&["-s"]) else {
        return;
    };
    let layout = layout(&library).unwrap();
    assert!(
        !layout.has_symtab && layout.has_usdt("raptors"),
        "{layout:?}"
    );
}

#[test]
fn what_is_no_elf_file_is_refused_and_damage_is_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    assert!(
        layout(&dir.path().join("nothing"))
            .unwrap_err()
            .to_string()
            .contains("cannot be opened")
    );
    let text = dir.path().join("text");
    std::fs::write(&text, "no library").unwrap();
    assert!(
        layout(&text)
            .unwrap_err()
            .to_string()
            .contains("is no object file")
    );
    let Some((_dir, library)) = library(&[]) else {
        return;
    };
    let whole = std::fs::read(&library).unwrap();
    for end in (0..whole.len()).step_by(97) {
        std::fs::write(&text, &whole[..end]).unwrap();
        let _ = layout(&text);
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
    let read = |notes: &[u8]| providers_in(notes, Endianness::Little, 8);
    assert_eq!(read(&[&note[..], &note].concat()), ["raptors", "raptors"]);
    assert_eq!(read(&[&note[..], &note[..50]].concat()), ["raptors"]);
    let mut lie = note.clone();
    lie[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read(&lie).is_empty());
    let mut other = note;
    other[12] = b'S';
    assert!(read(&other).is_empty());
}
