//! The readers, each with what has to hold for any input.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::xctrace::Interval;
use raptors_flamegraphs::{
    DtraceStacks, Folded, Format, Frame, Loaded, Named, PerfScript, Picture, Place, Profile, Roles, Side, Tag, Tree,
    View, draw, export, read_sample,
};
use raptors_trace::analysis::imports;
use raptors_trace::model::tool::Tool;
use raptors_trace::tracers::engines::Traced;

use crate::{mutate, runs};

/// What the inputs of a target are.
#[derive(Clone, Copy)]
pub enum Form {
    /// Lines of text.
    Text,
    /// Bytes.
    Bytes,
    /// Lines of a key, a tab and JSON.
    Documents,
}

/// A reader.
pub struct Target {
    /// The name of the target and of the directory of its corpus.
    pub name: &'static str,
    /// What it reads.
    pub form: Form,
    /// Reads one input; whether the reader took it.
    pub run: fn(&[u8]) -> bool,
    /// Makes an input from the corpus.
    pub change: fn(&mut Rng, &[Vec<u8>]) -> Vec<u8>,
}

impl Target {
    const fn text(name: &'static str, run: fn(&[u8]) -> bool) -> Target {
        Target { name, form: Form::Text, run, change: mutate::bytes }
    }

    const fn bytes(name: &'static str, run: fn(&[u8]) -> bool) -> Target {
        Target { name, form: Form::Bytes, run, change: mutate::bytes }
    }

    /// All of them.
    pub fn all() -> &'static [Target] {
        &ALL
    }

    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Target> {
        ALL.iter().find(|target| target.name == name)
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        ALL.iter().map(|target| target.name).collect()
    }
}

static ALL: [Target; 14] = [
    Target { name: "documents", form: Form::Documents, run: runs::documents, change: mutate::documents },
    Target::bytes("run", runs::run),
    Target::bytes("elf", elf),
    Target::bytes("macho", object),
    Target::bytes("zip", zip),
    Target::text("folded", folded),
    Target::text("perf", perf),
    Target::text("xctrace", xctrace),
    Target::text("dtrace_stacks", dtrace_stacks),
    Target::text("dtrace_calls", |input| calls(Tool::Dtrace, input)),
    Target::text("bpftrace_calls", |input| calls(Tool::Bpftrace, input)),
    Target::text("sample", sample),
    Target::text("maps", maps),
    Target::text("table", table),
];

/// A directory in memory, where the system has one: a disk would take most of the time.
pub fn in_memory() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { std::env::temp_dir() }
}

/// Writes the input as a file of this name, which is replaced by the next one.
pub fn file(name: &str, input: &[u8]) -> PathBuf {
    thread_local! {
        static PLACE: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
    }
    PLACE.with_borrow_mut(|place| {
        let place = place.get_or_insert_with(|| tempfile::tempdir_in(in_memory()).expect("a temporary directory"));
        let path = place.path().join(name);
        let mut file = std::fs::File::create(&path).expect("a temporary file");
        file.write_all(input).expect("space for a temporary file");
        path
    })
}

/// Folded stacks are an error, or are written as they were read, drawn, and written for every tool.
fn folded(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let Ok(folded) = Folded::parse(&text) else {
        return false;
    };
    assert_eq!(Folded::parse(&folded.to_string()).expect("what was written"), folded);
    if folded.total() == 0 {
        return false;
    }
    // The whole input as a title would be most of the work.
    let title: String = text.chars().take(1000).collect();
    let svg = draw(&folded, &Picture { title: &title, ..Picture::default() }).expect("stacks are drawn");
    assert_eq!(svg.matches("<script").count(), 1);
    let profile = Profile::from(&folded);
    for format in Format::ALL {
        assert!(!export(&profile, format, &title).expect("stacks are exported").is_empty());
    }
    true
}

/// What was sampled is all in the tree.
fn whole(profile: &Profile) -> bool {
    let side = Side::new(profile, Tag::A);
    let count = profile.tags()[&Tag::A].0;
    for view in [View::Stacks, View::Roles] {
        let tree = Tree::new(side, view, &Roles::default()).expect("there are samples");
        let total = tree.nodes()[0].total[0];
        assert!((total - count as f64).abs() <= 1e-6 * count as f64, "{total} of {count}");
    }
    true
}

fn perf(input: &[u8]) -> bool {
    PerfScript::read(input).is_ok_and(|script| whole(&script.profile))
}

fn xctrace(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let folded = Folded::from_xctrace(&text);
    assert!(folded.as_ref().is_ok_and(|folded| folded.total() > 0) || folded.is_err());
    folded.is_ok() | Interval::from_xctrace(&text).is_ok()
}

fn dtrace_stacks(input: &[u8]) -> bool {
    let whole = DtraceStacks::read(input);
    let loaded = Loaded {
        place_of: &|address| match address % 3 {
            0 => Place::NoCode,
            1 => Place::Unknown,
            _ => Place::File("/bin/a".into(), address),
        },
        path_of: &|name| Some(name.into()),
    };
    let placed = DtraceStacks::read_in(input, &loaded);
    // What is left out of a stack is still counted.
    match (whole, placed) {
        (Ok(whole), Ok(placed)) => {
            let count = |stacks: &DtraceStacks| stacks.profile.tags()[&Tag::A].0;
            assert_eq!(count(&whole), count(&placed));
            assert!(placed.cut <= count(&placed));
            true
        }
        (Err(_), _) => false,
        (Ok(_), Err(error)) => panic!("{error}"),
    }
}

fn calls(tool: Tool, input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let read = Traced::read(tool, &text);
    let entries = read.counts.len() + read.spent.len();
    assert!(entries + read.marks <= text.lines().count());
    entries > 0
}

fn sample(input: &[u8]) -> bool {
    read_sample(&String::from_utf8_lossy(input)).is_ok_and(|profile| whole(&profile))
}

#[cfg(target_os = "linux")]
fn maps(input: &[u8]) -> bool {
    let mappings = raptors_trace::machine::mappings_in(input);
    assert!(mappings.iter().all(|mapping| mapping.path.is_absolute()));
    !mappings.is_empty()
}

/// Other systems have no such text.
#[cfg(not(target_os = "linux"))]
fn maps(_: &[u8]) -> bool {
    true
}

fn table(input: &[u8]) -> bool {
    let Ok(table) = String::from_utf8_lossy(input).parse::<raptors_kernel::Table>() else {
        return false;
    };
    assert_eq!(table.to_string().parse(), Ok(table));
    true
}

/// An object file: its tables, its imports, and names for positions in it.
fn elf(input: &[u8]) -> bool {
    let path = file("object", input);
    let image = raptors_trace::machine::elf::Image::read(&path);
    named(&path) && image.is_ok() && imports::read_bytes("object", input).is_ok()
}

fn object(input: &[u8]) -> bool {
    let named = named(&file("object", input));
    imports::read_bytes("object", input).is_ok() && named
}

/// Every position has a name, whatever file is said to hold its code. Whether one has a symbol's.
fn named(path: &Path) -> bool {
    let mut profile = Profile::default();
    let thread = profile.thread_id("");
    for offset in (0..64).map(|step| step * 0x40).chain([0x1_0000, u64::MAX]) {
        let module = path.to_string_lossy().as_ref().into();
        let frame = profile.intern(Frame::unnamed(module, offset));
        profile.add([frame], thread, Tag::A, 1);
    }
    let named = Names::default().debug_root("/nonexistent").name(&profile);
    assert_eq!(named.tags()[&Tag::A].0, 66);
    assert!(named.frames().iter().all(|frame| !frame.name.is_empty()));
    named.frames().iter().any(|frame| frame.named == Named::Symbols)
}

fn zip(input: &[u8]) -> bool {
    let options = imports::Options { subjects: vec![file("wheel.whl", input)], ..imports::Options::default() };
    imports::read(&options).is_ok()
}
