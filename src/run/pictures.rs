//! Flamegraphs of unprepared subjects: a running process, one or two commands, or another tool's stacks. They have no
//! rounds and no operations: the picture shows all samples.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use raptors_flamegraphs::{
    Facts, Format, Page, Phase, Picture, Roles, Scale, Side, Tag, Tree, View, draw_tree, export,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::flamegraph::{ENOUGH, Role};
use crate::machine::files;
use crate::model::error::{Error, Exit};
use crate::model::progress::Progress;
use crate::model::tool::Tool;
use crate::tracers::stacks::{self, DrawnSide, Taken, perf, without_idle};

pub use crate::tracers::stacks::text::is_text;

/// The value of [`Drawn::schema`].
pub const SCHEMA: &str = "raptors-trace/flamegraph-outside/1";

/// What is sampled or read.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A running process, with the longest sampling time.
    Process(u32, Duration),
    /// Commands, one or two, each to its end.
    Commands(Vec<Vec<OsString>>),
    /// A file of stacks: folded text, or the output of `perf script`, DTrace or macOS's `sample`.
    File(PathBuf),
}

/// The options of a drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Of what.
    pub subject: Subject,
    /// Who samples it: perf, or for a process DTrace or `sample`.
    pub tool: Tool,
    /// The requested samples for each second of CPU time.
    pub frequency: u32,
    /// Where the files go.
    pub directory: PathBuf,
    /// Files for other tools.
    pub formats: Vec<Format>,
    /// The command line, for the page.
    pub command: Vec<String>,
    /// The output of commands goes to standard error, because standard output is for JSON.
    pub aside: bool,
}

/// The result of drawing; `--json` prints it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Drawn {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// Where the files are.
    pub directory: PathBuf,
    /// `perf`, `dtrace` or `sample`, or `file` for read stacks.
    pub engine: &'static str,
    /// One, or side A and side B.
    pub sides: Vec<DrawnSide>,
    /// The time by role; empty if samples have no known time.
    pub roles: Vec<Role>,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Warnings that limit the trust in it.
    pub warnings: Vec<String>,
}

/// Samples or reads, and draws.
///
/// # Errors
/// A process or command that cannot be sampled, no samples, files that cannot be written.
pub fn draw(options: &Options, progress: &mut dyn Progress) -> Result<Drawn, Error> {
    crate::analysis::flamegraph::check(&options.directory)?;
    let frequency = options.frequency;
    let (engine, mut taken) = match &options.subject {
        Subject::Process(pid, time) => {
            let taken = stacks::process(options.tool, *pid, *time, frequency, progress)?;
            (options.tool.as_str(), vec![taken])
        }
        Subject::Commands(commands) => {
            perf::check()?;
            let tags = [Tag::A, Tag::B];
            let all = commands.iter().zip(tags);
            let run = |(words, tag): (&Vec<OsString>, _)| stacks::command(words, tag, frequency, options.aside);
            ("perf", all.map(run).collect::<Result<_, _>>()?)
        }
        Subject::File(path) => ("file", vec![stacks::text::read(path)?]),
    };
    let mut warnings = Vec::new();
    for one in &mut taken {
        let (drawn, idle) = without_idle(&one.profile);
        (one.profile, one.side.idle_samples) = (drawn, idle);
        one.weigh()?;
        warnings.append(&mut one.warnings);
        warnings.extend(one.too_few());
    }
    let mut drawn = Drawn {
        schema: SCHEMA,
        directory: options.directory.clone(),
        engine,
        sides: Vec::new(),
        roles: Vec::new(),
        files: Vec::new(),
        warnings,
    };
    write(options, &taken, &mut drawn)?;
    drawn.sides = taken.into_iter().map(|one| one.side).collect();
    Ok(drawn)
}

impl Taken {
    fn tag(&self) -> Tag {
        self.profile.tags().keys().next().copied().unwrap_or(Tag::A)
    }

    fn stacks(&self) -> Side<'_> {
        Side::new(&self.profile, self.tag())
    }

    /// Counts the samples to draw, and their CPU time.
    fn weigh(&mut self) -> Result<(), Error> {
        let all = self.side.samples;
        let drawn = all.saturating_sub(self.side.idle_samples);
        if drawn == 0 {
            return Err(Error::new(format!(
                "all {all} samples of {} are from OpenBLAS's threads waiting for work",
                self.side.name
            ))
            .help("sample it while it works")
            .exit(Exit::NothingObserved));
        }
        self.side.samples = drawn;
        let share = |ns: u64| (ns as f64 * drawn as f64 / all as f64) as u64;
        self.side.cpu_ns = self.side.cpu_ns.filter(|&ns| ns > 0).map(share);
        Ok(())
    }

    fn too_few(&self) -> Option<String> {
        let samples = self.side.samples;
        if samples >= ENOUGH {
            return None;
        }
        let name = &self.side.name;
        let few = format!("{name}: only {samples} samples, so frames under 1 % of the time are uncertain");
        Some(match (self.side.seconds, &self.side.status) {
            (Some(seconds), None) => {
                let enough = (1.1 * seconds * ENOUGH as f64 / samples as f64).ceil();
                format!("{few}; --sample-time {enough:.0} gives {ENOUGH}")
            }
            (Some(seconds), Some(_)) => {
                let enough = (1.1 * seconds * ENOUGH as f64 / samples as f64).ceil();
                format!("{few}; a command that works for {enough:.0} s gives {ENOUGH}")
            }
            (None, _) => few,
        })
    }

    fn facts(&self) -> String {
        let rate = self.side.cpu_ns.map(|ns| self.side.samples as f64 / (ns as f64 / 1e9));
        let facts = Facts { samples: self.side.samples, rate, ..Facts::default() };
        match self.side.cpu_ns {
            Some(ns) => format!("{facts} · {:.2} s of CPU time", ns as f64 / 1e9),
            None => facts.to_string(),
        }
    }
}

fn not_drawn(error: raptors_flamegraphs::Error) -> Error {
    Error::new("the flamegraph cannot be made").caused_by(error)
}

/// Draws, and writes the files; the page last, so that a reader who finds it finds the rest.
fn write(options: &Options, taken: &[Taken], drawn: &mut Drawn) -> Result<(), Error> {
    let roles = Roles::default();
    let mut made = Vec::new();
    let mut pictures = [String::new(), String::new(), String::new()];
    let mut weighed = Vec::new();
    for (index, (one, letter)) in taken.iter().zip(["a", "b"]).enumerate() {
        let tree = Tree::new(one.stacks(), View::Stacks, &roles).map_err(not_drawn)?;
        pictures[index] = picture(&tree, &one.side.name, &one.facts())?;
        let folded = one.profile.folded(one.tag()).map_err(not_drawn)?;
        made.push((format!("{letter}.folded"), folded.to_string().into_bytes()));
        made.push((format!("{letter}.svg"), pictures[index].clone().into_bytes()));
        for format in &options.formats {
            let name = format!("{letter}.{}", format.extension());
            // Folded text has been written above.
            if made.iter().all(|(other, _)| *other != name) {
                let bytes = export(&one.profile, *format, &one.side.name).map_err(not_drawn)?;
                made.push((name, bytes));
            }
        }
        let mut profile = one.profile.clone();
        if let Some(ns) = one.side.cpu_ns {
            // The operation is the whole run.
            let scale = Scale { seconds_per_sample: ns as f64 / 1e9 / one.side.samples as f64, operations: 1.0 };
            profile.weigh(one.tag(), &scale).map_err(not_drawn)?;
            weighed.push(profile);
        }
    }
    let names: Vec<&str> = taken.iter().map(|one| one.side.name.as_str()).collect();
    if let [a, b] = &weighed[..] {
        let (a, b) = (Side::new(a, Tag::A), Side::new(b, Tag::B));
        let both = Tree::compare(a, b, View::Roles, &roles).map_err(not_drawn)?;
        let facts = format!("A: {}; B: {}", taken[0].facts(), taken[1].facts());
        let title = format!("{} against {}: CPU time of the run by role", names[0], names[1]);
        pictures[2] = picture(&both, &title, &facts)?;
        made.push(("diff.svg".to_owned(), pictures[2].clone().into_bytes()));
    }
    let sides: Vec<Side<'_>> =
        weighed.iter().zip([Tag::A, Tag::B]).map(|(profile, tag)| Side::new(profile, tag)).collect();
    let phases = match sides[..] {
        [a] => Phase::of_roles(a, Side::new(&weighed[0], Tag::B), &roles),
        [a, b] => Phase::of_roles(a, b, &roles),
        _ => Vec::new(),
    };
    let page = Page {
        title: &names.join(" and "),
        notes: &notes(options, taken, drawn),
        sides: [names[0], names.get(1).copied().unwrap_or_default()],
        pictures: [&pictures[0], &pictures[1], &pictures[2]],
        phases: &phases,
    };
    let page = page.html().map_err(not_drawn)?;
    made.push(("index.html".to_owned(), page.into_bytes()));
    for (name, bytes) in made {
        let path = options.directory.join(name);
        files::write_whole(&path, &bytes)?;
        drawn.files.push(path);
    }
    drawn.roles = phases.into_iter().map(role).collect();
    Ok(())
}

fn role(phase: Phase) -> Role {
    Role { name: phase.name, a_ns: phase.a.unwrap_or(0.0), b_ns: phase.b.unwrap_or(0.0) }
}

fn picture(tree: &Tree, title: &str, subtitle: &str) -> Result<String, Error> {
    let picture = Picture { title, subtitle, ..Picture::default() };
    draw_tree(tree, &picture).map_err(not_drawn)
}

/// The notes under the page's title.
fn notes(options: &Options, taken: &[Taken], drawn: &Drawn) -> Vec<String> {
    let mut notes = Vec::new();
    for one in taken {
        let mut note = format!("{}: {}", one.side.name, one.facts());
        if one.side.idle_samples > 0 {
            note.push_str(&format!(
                " · {} more of OpenBLAS's threads waiting for work are left out",
                one.side.idle_samples
            ));
        }
        notes.push(note);
    }
    if taken.len() == 2 {
        notes.push("An operation is one run of the command, its start included.".to_owned());
    }
    notes.push(format!("made by: {}", options.command.join(" ")));
    notes.extend(drawn.warnings.iter().cloned());
    notes
}
