//! A profile made by hand, with an example of everything that real ones have. Its numbers are invented.

use std::path::PathBuf;
use std::sync::Arc;

use raptors_flamegraphs::{
    Facts, Frame, Kind, Page, Phase, Picture, Profile, Roles, Scale, Side, Tag, Tree, View, draw_tree,
};

const NUMPY: &str = "/site-packages/numpy/_core/_multiarray_umath.so";
const RAPTORS: &str = "/site-packages/raptors_trace/_native.so";
const LIBC: &str = "/lib/x86_64-linux-gnu/libc.so.6";
const PYTHON: [&str; 4] = ["_start", "Py_BytesMain", "py:<module>", "_PyEval_EvalFrameDefault"];

/// `module|name`, `py:name`, `k:name`, or a bare name.
fn frame(text: &str) -> Frame {
    let module = |path: &str, name: &str| Frame {
        module: Arc::from(path),
        offset: Some(0x1000 + name.len() as u64),
        ..Frame::native(name)
    };
    match text.split_once('|').or(text.split_once(':')) {
        Some(("py", name)) => Frame::python(name, "driver.py", 12),
        Some(("k", name)) => Frame { kind: Kind::Kernel, ..Frame::native(name) },
        Some(("np", name)) => module(NUMPY, name),
        Some(("c", name)) => module(LIBC, name),
        Some(("r", name)) => {
            Frame { file: Some("kernel/src/scale.rs".into()), line: Some(42), ..module(RAPTORS, name) }
        }
        Some(("i", name)) => Frame { inlined: true, ..module(RAPTORS, name) },
        _ => Frame::native(text),
    }
}

const A: &[(&str, u64)] = &[
    ("np|array_multiply np|ufunc_generic_fastcall np|FLOAT_multiply_X86_V3", 540),
    ("np|array_multiply np|ufunc_generic_fastcall np|FLOAT_multiply_X86_V3 k:asm_exc_page_fault k:clear_huge_page", 60),
    ("np|array_multiply np|ufunc_generic_fastcall np|PyArray_NewFromDescr_int c|malloc", 8),
    ("np|array_multiply np|ufunc_generic_fastcall np|PyArray_FromAny_int", 5),
    ("np|array_multiply np|promote_and_get_ufuncimpl", 9),
    ("np|array_dealloc c|munmap", 22),
    ("", 14),
];

const B: &[(&str, u64)] = &[
    (
        "r|_native::scale::scale r|raptors_kernel::scale::scale i|raptors_kernel::split::run \
         r|raptors_kernel::loops::x86::f32_stream",
        410,
    ),
    (
        "r|_native::scale::scale r|raptors_kernel::scale::scale r|raptors_kernel::buffer::Buffer<f32>::uninit c|malloc",
        90,
    ),
    ("r|_native::scale::scale r|raptors_kernel::choice::plan", 3),
    ("r|_native::scale::scale r|raptors_kernel::pool::Pool::run c|pthread_cond_wait", 7),
    ("", 13),
];

/// Both sides in one profile, weighed and with page faults split off side B's kernel.
pub fn profile() -> Profile {
    let mut profile = Profile::default();
    for (tag, stacks) in [(Tag::A, A), (Tag::B, B)] {
        for (stack, count) in stacks {
            let frames = PYTHON.iter().copied().chain(stack.split_whitespace());
            let frames: Vec<_> = frames.map(|text| profile.intern(frame(text))).collect();
            let thread = profile.thread_id("MainThread");
            profile.add(frames, thread, tag, *count);
        }
    }
    let worker = profile.thread_id("raptors-1");
    let frames = ["rayon_core::registry::WorkerThread::wait_until", "raptors_kernel::split::run"]
        .map(|name| profile.intern(frame(name)));
    profile.add(frames, worker, Tag::B, 40);
    for (tag, operations) in [(Tag::A, 4800.0), (Tag::B, 4100.0)] {
        let scale = Scale { seconds_per_sample: 0.004, operations };
        profile.weigh(tag, &scale).unwrap();
    }
    profile.split_page_faults(Tag::B, 60_000.0, &Roles::default()).unwrap();
    profile
}

/// The pictures of side A, of side B and of their difference.
pub fn pictures(profile: &Profile) -> [String; 3] {
    let roles = Roles::default();
    let (a, b) = (Side::new(profile, Tag::A), Side::new(profile, Tag::B));
    let facts = |samples: u64| Facts { n: Some(4_194_304), samples, rate: Some(250.0), ..Facts::default() };
    let draw = |tree: &Tree, title: &str, subtitle: &str| {
        let picture = Picture { title, subtitle, ..Picture::default() };
        draw_tree(tree, &picture).unwrap()
    };
    let one = |side: Side<'_>| Tree::new(side, View::Stacks, &roles).unwrap();
    let both = Tree::compare(a, b, View::Roles, &roles).unwrap();
    [
        draw(&one(a), "numpy: a * 2.5", &facts(658).to_string()),
        draw(&one(b), "raptors: r.scale(2.5)", &facts(563).to_string()),
        draw(&both, "a * 2.5 against r.scale(2.5)", "nanoseconds of CPU time per operation"),
    ]
}

/// The page with all of them.
pub fn page(profile: &Profile) -> String {
    let [a, b, difference] = pictures(profile);
    let sides = [Tag::A, Tag::B].map(|tag| Side::new(profile, tag));
    let phases = Phase::of_roles(sides[0], sides[1], &Roles::default());
    let notes = ["float32 2048 × 2048, hand-made numbers".to_owned()];
    let page = Page {
        title: "a * 2.5 against r.scale(2.5)",
        notes: &notes,
        sides: ["numpy", "raptors"],
        pictures: [&a, &b, &difference],
        phases: &phases,
    };
    page.html().unwrap()
}

/// The path of a golden file.
pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Prints the reason of a skipped test; on Linux in CI, where everything is available, a skip is a failure.
pub fn skip(why: &str) {
    let everything_is_there = cfg!(target_os = "linux") && std::env::var_os("CI").is_some();
    assert!(!everything_is_there, "cannot be skipped in CI: {why}");
    println!("skipped: {why}");
}
