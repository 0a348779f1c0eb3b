//! Gives every reader of foreign input damaged input, and says which one panics, takes too much memory or too long.
//!
//! ```text
//! cargo run -p raptors-fuzz -- [--seconds N] [--processes N] [--seed N] [TARGET...]
//! ```
//!
//! Each target replays its committed corpus (`fuzz/corpus/TARGET`), reads inputs of 10 MB that are made from it, then
//! changes it at random for N seconds, in a process of its own. No input may panic, take over 1 GB or over 10 s of
//! CPU time. The input of a failure is kept as `target/xtask/fuzz/TARGET.input`; in the corpus, it is replayed from
//! then on.

mod guard;
mod large;
mod mutate;
mod parent;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/integration/run.rs"]
mod recorded;
mod runs;
mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use guard::Guard;
use targets::Target;

#[global_allocator]
static COUNTED: guard::Counted = guard::Counted;

/// The command line.
struct Options {
    seconds: u64,
    processes: usize,
    seed: u64,
    /// The one target of this process.
    child: Option<String>,
    /// Where it keeps its input.
    input: Option<PathBuf>,
    targets: Vec<String>,
}

const USAGE: &str = "raptors-fuzz [--seconds N] [--processes N] [--seed N] [TARGET...]";

fn options() -> Result<Options, String> {
    let seed = fastrand::u64(..);
    let mut options = Options { seconds: 5, processes: 2, seed, child: None, input: None, targets: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value: {USAGE}"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number: {USAGE}"));
        match word.as_str() {
            "--seconds" => options.seconds = number(value()?)?,
            "--processes" => options.processes = number(value()?)?.max(1) as usize,
            "--seed" => options.seed = number(value()?)?,
            "--input" => options.input = Some(value()?.into()),
            "--child" => options.child = Some(value()?),
            "--help" | "-h" => return Err(USAGE.to_owned()),
            target if Target::named(target).is_some() => options.targets.push(word),
            other => return Err(format!("{other} is no target; there are {}", Target::names().join(", "))),
        }
    }
    Ok(options)
}

fn main() {
    let result = options().and_then(|options| match &options.child {
        Some(name) => Target::named(name).ok_or_else(|| USAGE.to_owned()).and_then(|target| child(target, &options)),
        None => parent::run(&options),
    });
    if let Err(why) = result {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

/// Runs one target.
fn child(target: &Target, options: &Options) -> Result<(), String> {
    let corpus = corpus(target.name)?;
    let path = options.input.clone().ok_or_else(|| USAGE.to_owned())?;
    let mut guard = Guard::start(&path)?;
    let taken = corpus.iter().filter(|input| guard.run(target.run, input)).count();
    if taken == 0 {
        return Err(format!("{}: the reader takes no file of the corpus, so changes of them show little", target.name));
    }
    let replayed = guard.worst();
    let mut random = fastrand::Rng::with_seed(options.seed);
    for input in large::inputs(target, &corpus, &mut random) {
        guard.run(target.run, &input);
    }
    let large = guard.worst();
    let end = Instant::now() + Duration::from_secs(options.seconds);
    while Instant::now() < end {
        let input = (target.change)(&mut random, &corpus);
        guard.run(target.run, &input);
    }
    let (name, inputs, changed) = (target.name, guard.inputs, guard.worst());
    println!("{name}: {inputs} inputs; at most: the corpus {replayed}; of 10 MB {large}; changed {changed}");
    guard.discard();
    Ok(())
}

/// The inputs of a target that are known to be of interest, in the order of their names.
fn corpus(name: &str) -> Result<Vec<Vec<u8>>, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", directory.display());
    let entries = std::fs::read_dir(&directory).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(std::fs::read).collect::<Result<_, _>>().map_err(failed)?;
    if corpus.is_empty() {
        return Err(format!("{} has no files", directory.display()));
    }
    Ok(corpus)
}

/// The file for the input on which a target failed.
fn kept(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("xtask/fuzz").join(name).with_extension("input")
}
