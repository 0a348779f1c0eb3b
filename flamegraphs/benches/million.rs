//! Folds, names, assigns roles, compares and draws a million samples; prints the time of each step and the most memory
//! that was in use: `cargo bench -p raptors-flamegraphs --bench million [-- FILE…]`. The addresses are spread over the
//! code of the given files, or of this program and the C library. The stacks are invented, 30 frames deep and about
//! 16,000 different ones for each side.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use object::{Object, ObjectSymbol};
use raptors_flamegraphs::names::Names;
use raptors_flamegraphs::{Frame, Picture, Profile, Roles, Scale, Side, Tag, Tree, View, draw_tree};

const SAMPLES: u64 = 1_000_000;
const DEPTH: u64 = 30;

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let places = if files.is_empty() { places(&own()) } else { places(&files) };
    let all = Instant::now();
    let mut step = Instant::now();
    let mut done = |what: &str| {
        println!("{what:8} {:7.1} ms", step.elapsed().as_secs_f64() * 1e3);
        step = Instant::now();
    };
    let mut profile = folded(&places);
    done("fold");
    profile = Names::default().name(&profile);
    done("name");
    let scale = Scale { seconds_per_sample: 0.004, operations: 1e6 };
    for tag in [Tag::A, Tag::B] {
        profile.weigh(tag, &scale).unwrap();
    }
    let roles = Roles::default();
    let (a, b) = (Side::new(&profile, Tag::A), Side::new(&profile, Tag::B));
    let trees = [
        Tree::new(a, View::Stacks, &roles).unwrap(),
        Tree::new(b, View::Stacks, &roles).unwrap(),
        Tree::compare(a, b, View::Roles, &roles).unwrap(),
    ];
    done("compare");
    let drawn: usize = trees.iter().map(|tree| draw_tree(tree, &Picture::default()).unwrap().len()).sum();
    done("draw");
    println!("{:8} {:7.1} ms for {} samples", "all", all.elapsed().as_secs_f64() * 1e3, SAMPLES);
    println!(
        "{} different frames, {} stacks, {drawn} bytes of pictures",
        profile.frames().len(),
        profile.samples().len()
    );
    if let Some(peak) = peak() {
        println!("peak memory {peak}");
    }
}

fn own() -> Vec<String> {
    let own = std::env::current_exe().unwrap().display().to_string();
    let libraries = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let libc = libraries.lines().find_map(|line| {
        line.split_once('/').filter(|(_, path)| path.contains("/libc.so")).map(|(_, path)| format!("/{path}"))
    });
    std::iter::once(own).chain(libc).collect()
}

/// The functions of the files: module and offset. In a stripped file, every 256 bytes of the first MB.
fn places(files: &[String]) -> Vec<(Arc<str>, u64)> {
    let mut places = Vec::new();
    for path in files {
        let data = fs::read(path).unwrap();
        let file = object::File::parse(&*data).unwrap();
        let module = Arc::<str>::from(path.as_str());
        let functions = file.symbols().filter(|symbol| symbol.kind() == object::SymbolKind::Text && symbol.size() > 8);
        let mut offsets: Vec<u64> = functions.map(|symbol| symbol.address() + 4).collect();
        if offsets.is_empty() {
            offsets = (0x28000..0x128000).step_by(256).collect();
        }
        places.extend(offsets.into_iter().map(|offset| (module.clone(), offset)));
    }
    places
}

fn folded(places: &[(Arc<str>, u64)]) -> Profile {
    let mut profile = Profile::default();
    let thread = profile.thread_id("MainThread");
    let frames: Vec<_> =
        places.iter().map(|(module, offset)| profile.intern(Frame::unnamed(module.clone(), *offset))).collect();
    let mut random = 1_u64;
    for _ in 0..SAMPLES {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let stack = (random >> 33) % 16_384;
        let tag = Tag((random >> 60) as u8 % 2);
        // Many stacks share their outer frames.
        let frame = |depth: u64| {
            let shared = stack >> (14 - 14 * depth / (DEPTH - 1));
            frames[((shared * 31 + depth * 977) % frames.len() as u64) as usize]
        };
        profile.add((0..DEPTH).map(frame), thread, tag, 1);
    }
    profile
}

/// The peak memory of this process, if the system reports it.
fn peak() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
