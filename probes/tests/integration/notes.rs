//! The facts that a tracer reads from a Linux binary: the notes of the examples, and the layout of its segments.

use object::elf::{PF_X, PT_LOAD};
use object::read::elf::{ElfFile64, NoteIterator, ProgramHeader};
use object::{Endianness, Object, ObjectSection};
use raptors_probes::{PROBES, PROVIDER};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One SystemTap note.
#[derive(Debug)]
struct Site {
    name: String,
    address: u64,
    base: u64,
    semaphore: u64,
    arguments: Vec<String>,
}

#[test]
fn debug_build() {
    check(&build("debug", &[], ""), PROBES.len());
}

#[test]
fn release_build() {
    check(&build("release", &["--release"], ""), PROBES.len());
}

#[test]
fn release_build_with_whole_program_optimisation_and_folding() {
    // Without the observer's calls, the functions differ only in their notes.
    let options = [
        "--release",
        "--no-default-features",
        "--features=usdt-probes",
        "--config=profile.release.lto='fat'",
        "--config=profile.release.codegen-units=1",
    ];
    // Only rust-lld folds identical functions, and it is the default linker on x86-64 alone.
    let folding = if cfg!(target_arch = "x86_64") { "-Clink-arg=-Wl,--icf=all" } else { "" };
    if folding.is_empty() {
        println!("folding is not tested: the linker of this architecture has no --icf");
    }
    // Here the compiler itself drops an unused function, and its note with it.
    check(&build("lto", &options, folding), 1);
}

/// Builds the examples: `cargo test --test integration` alone would not build them, and other profiles matter too.
fn build(name: &str, options: &[&str], flags: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notes").join(name);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--examples", "--manifest-path"])
        .arg(manifest)
        .args(options)
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", flags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the examples do not build");
    let profile = if options.contains(&"--release") { "release" } else { "debug" };
    target.join(profile).join("examples")
}

fn check(examples: &Path, listed_by_fire_one: usize) {
    check_binary(&examples.join("fire_all"), PROBES.len());
    check_binary(&examples.join("fire_one"), listed_by_fire_one);
}

fn check_binary(path: &Path, listed: usize) {
    let bytes = std::fs::read(path).expect("the example is there");
    let elf = ElfFile64::<Endianness>::parse(&*bytes).expect("the example is an ELF file");
    segments_lie_at_their_file_offsets(&elf);
    let sites = sites(&elf);
    assert_eq!(sites.len(), listed, "{}: {sites:?}", path.display());
    each_probe_has_one_site(&sites);
    for site in &sites {
        site_is_a_nop(&elf, &bytes, site);
        arguments_are_those_of_the_list(site);
    }
}

/// DTrace and perf use an address as a file offset. If all differences are equal, the load bias hides them.
fn segments_lie_at_their_file_offsets(elf: &ElfFile64<'_>) {
    let endian = elf.endian();
    let loads: Vec<_> = elf.elf_program_headers().iter().filter(|s| s.p_type(endian) == PT_LOAD).collect();
    assert!(loads.iter().any(|segment| segment.p_flags(endian).contains(PF_X)), "no code");
    let bias = loads[0].p_vaddr(endian).wrapping_sub(loads[0].p_offset(endian));
    for segment in loads {
        let (address, offset) = (segment.p_vaddr(endian), segment.p_offset(endian));
        // GNU ld, the linker elsewhere, moves the data segment, which holds no probe.
        if cfg!(target_arch = "x86_64") || segment.p_flags(endian).contains(PF_X) {
            assert_eq!(address.wrapping_sub(offset), bias, "segment at {address:#x}, offset {offset:#x}");
        }
    }
}

/// The SystemTap notes of this crate's provider.
fn sites(elf: &ElfFile64<'_>) -> Vec<Site> {
    let section = elf.section_by_name(".note.stapsdt").expect("there are SystemTap notes");
    let data = section.data().expect("the section is in the file");
    let notes = NoteIterator::<object::elf::FileHeader64<Endianness>>::new(elf.endian(), 4, data);
    notes
        .expect("4 is an alignment of notes")
        .map(|note| site(note.expect("the note is whole").desc()))
        .filter_map(|(provider, site)| (provider == PROVIDER).then_some(site))
        .collect()
}

/// A note's description: three words and three strings (systemtap, "UserSpaceProbeImplementation").
fn site(description: &[u8]) -> (String, Site) {
    let word = |i: usize| u64::from_ne_bytes(description[8 * i..8 * i + 8].try_into().unwrap());
    let strings = std::str::from_utf8(&description[24..]).expect("names are ASCII");
    let strings: Vec<&str> = strings.split('\0').collect();
    let site = Site {
        name: strings[1].to_string(),
        address: word(0),
        base: word(1),
        semaphore: word(2),
        arguments: strings[2].split_whitespace().map(str::to_string).collect(),
    };
    (strings[0].to_string(), site)
}

fn each_probe_has_one_site(sites: &[Site]) {
    let names: BTreeSet<&str> = sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(names.len(), sites.len(), "a probe has two sites: {sites:?}");
    let addresses: BTreeSet<u64> = sites.iter().map(|site| site.address).collect();
    assert_eq!(addresses.len(), sites.len(), "two probes share a site: {sites:?}");
}

/// The site is a nop in a code segment, and the note's base shows that prelinking has not moved it.
fn site_is_a_nop(elf: &ElfFile64<'_>, bytes: &[u8], site: &Site) {
    let endian = elf.endian();
    let base = elf.section_by_name(".stapsdt.base").expect("notes have their base");
    assert_eq!(site.base, base.address(), "{site:?}");
    assert_eq!(site.semaphore, 0, "a probe that is always on has no semaphore: {site:?}");
    let segment = elf.elf_program_headers().iter().find(|segment| {
        let (start, size) = (segment.p_vaddr(endian), segment.p_filesz(endian));
        segment.p_type(endian) == PT_LOAD && (start..start + size).contains(&site.address)
    });
    let segment = segment.unwrap_or_else(|| panic!("no segment holds {site:?}"));
    assert!(segment.p_flags(endian).contains(PF_X), "{site:?} is not in code");
    let offset = site.address - segment.p_vaddr(endian) + segment.p_offset(endian);
    let nop: &[u8] = if cfg!(target_arch = "x86_64") { &[0x90] } else { &[0x1f, 0x20, 0x03, 0xd5] };
    assert!(bytes[offset as usize..].starts_with(nop), "no nop at {site:?}");
}

/// The crate `probe` passes every argument as one signed 64-bit word, narrower ones extended.
fn arguments_are_those_of_the_list(site: &Site) {
    let listed = PROBES.iter().find(|probe| probe.stap_name == site.name).expect("it is listed");
    assert_eq!(site.arguments.len(), listed.arguments.len(), "{site:?}");
    for argument in &site.arguments {
        let (size, place) = argument.split_once('@').expect("an argument is SIZE@PLACE");
        assert_eq!(size, "-8", "{site:?}");
        assert!(!place.is_empty(), "{site:?}");
    }
}
