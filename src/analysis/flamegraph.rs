//! Flamegraphs of both sides and of their difference, from the samples of a run, as files in a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use raptors_flamegraphs::{
    Facts, Format, NARROWEST, Named, Page, Phase, Picture, Profile, Role as StackRole, Roles, Scale, Side as Stacks,
    Tag, Tree, View, draw_tree, export,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::{CaseSamples, SideSamples};
use crate::machine::files;
use crate::model::comparison::{Case, Ci95, Comparison, Phases};
use crate::model::error::Error;
use crate::model::tool::Engine;
use crate::model::units;

/// The value of [`Drawn::schema`].
pub const SCHEMA: &str = "raptors-trace/flamegraph/1";
/// With fewer samples of a side, frames of a hundredth of the time depend on chance.
pub const ENOUGH: u64 = 1_000;
const TAGS: [Tag; 2] = [Tag::A, Tag::B];

/// The result of drawing; `--json` prints it. Times are in nanoseconds of CPU time of one operation.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Drawn {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The directory of the files.
    pub directory: PathBuf,
    /// One for each size and element type.
    pub cases: Vec<DrawnCase>,
    /// Warnings that limit the trust in it.
    pub warnings: Vec<String>,
}

/// One case's pictures.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DrawnCase {
    /// The subject, in a line.
    pub label: String,
    /// The sampler.
    pub engine: Engine,
    /// Samples between the rounds, which belong to no side.
    pub samples_outside: u64,
    /// Side A and B.
    pub sides: [DrawnSide; 2],
    /// Each role in which either side spends time.
    pub roles: Vec<Role>,
    /// The number of different frames by the source of their names: `symbols`, `debug_info`, `table` (NumPy's loops),
    /// `offset` (no name).
    pub frames_named: BTreeMap<&'static str, usize>,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// The sampling of one side.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DrawnSide {
    /// Its name.
    pub name: String,
    /// Its statement or function.
    pub statement: String,
    /// Samples.
    pub samples: u64,
    /// Samples that were given up.
    pub dropped: u64,
    /// Samples for each second of CPU time that the system's timer gave.
    pub rate_hz: f64,
    /// Operations that ran during sampling.
    pub operations: u64,
    /// CPU time of an operation.
    pub ns_per_op: f64,
    /// Time of an operation with the sampler ÷ the time without; none if too few rounds ran.
    pub sampled_to_unsampled: Option<f64>,
    /// Of `sampled_to_unsampled`.
    pub sampled_to_unsampled_ci95: Option<Ci95>,
}

/// The time of both sides in one role.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Role {
    /// A phase, `interpreter`, `observer`, or `no role`.
    pub name: String,
    /// Of side A.
    pub a_ns: f64,
    /// Of side B.
    pub b_ns: f64,
}

/// Draws every case.
///
/// # Errors
/// A side without samples, files that cannot be written.
pub fn draw(
    comparison: &Comparison,
    samples: &[CaseSamples],
    directory: &Path,
    formats: &[Format],
) -> Result<Drawn, Error> {
    create(directory)?;
    let mut warnings = Vec::new();
    let mut cases = Vec::new();
    for one in samples {
        // A single case needs no directory of its own.
        let directory = match samples {
            [_] => directory.to_owned(),
            _ => directory.join(name_of(one)),
        };
        create(&directory)?;
        let picture = CasePicture::new(comparison, one, &mut warnings)?;
        cases.push(picture.write(&directory, formats)?);
    }
    Ok(Drawn { schema: SCHEMA, directory: directory.to_owned(), cases, warnings })
}

/// `float32-2048x2048`: distinguishes the cases of a run.
fn name_of(samples: &CaseSamples) -> String {
    let lengths: Vec<String> = samples.case.shape.iter().map(u64::to_string).collect();
    format!("{}-{}", samples.case.dtype, lengths.join("x"))
}

/// One case's samples as a file for another tool, and its warnings.
///
/// # Errors
/// A side without samples.
pub fn convert(
    comparison: &Comparison,
    samples: &CaseSamples,
    format: Format,
) -> Result<(Vec<u8>, Vec<String>), Error> {
    let mut warnings = Vec::new();
    let picture = CasePicture::new(comparison, samples, &mut warnings)?;
    Ok((picture.export(format)?, warnings))
}

/// One case's pictures, for a page with more content.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The subject, in a line.
    pub label: String,
    /// The sampling of each side, in a line.
    pub sides: [String; 2],
    /// SVG documents: side A, side B, the difference.
    pub svgs: [String; 3],
    /// Warnings that limit the trust in it.
    pub warnings: Vec<String>,
}

/// Draws one case. Frames narrower than the part `narrowest` of a picture are left out.
///
/// # Errors
/// A side without samples.
pub fn pictures(comparison: &Comparison, samples: &CaseSamples, narrowest: f64) -> Result<Pictures, Error> {
    let mut warnings = Vec::new();
    let picture = CasePicture::new(comparison, samples, &mut warnings)?;
    Ok(Pictures {
        label: samples.case.label(),
        sides: TAGS.map(|tag| format!("{}: {}", samples.name(tag), picture.facts(tag))),
        svgs: picture.pictures(narrowest)?,
        warnings,
    })
}

/// One case, weighed.
struct CasePicture<'a> {
    comparison: &'a Comparison,
    samples: &'a CaseSamples,
    profile: Profile,
    roles: Roles,
}

impl<'a> CasePicture<'a> {
    fn new(comparison: &'a Comparison, samples: &'a CaseSamples, warnings: &mut Vec<String>) -> Result<Self, Error> {
        let label = samples.case.label();
        for why in samples.why_no_python.iter().chain(&samples.why_no_names) {
            if !warnings.contains(why) {
                warnings.push(why.clone());
            }
        }
        let mut profile = samples.profile.clone();
        let roles = Roles::default();
        let troubles = samples.troubles.iter();
        warnings.extend(troubles.map(|why| format!("{label}: {why}")));
        let wall_ns: u64 = samples.sides.iter().map(|side| side.wall_ns).sum();
        for (tag, side) in TAGS.into_iter().zip(&samples.sides) {
            let scale = Scale {
                seconds_per_sample: side.cpu_ns as f64 / 1e9 / side.samples as f64,
                operations: side.operations as f64,
            };
            let name = samples.name(tag);
            if side.samples == 0 {
                return Err(
                    Error::new(format!("{name} has no samples in {label}")).help("give more time: --sample-time 30")
                );
            }
            profile.weigh(tag, &scale).map_err(not_drawn)?;
            warnings.extend(too_few(side, wall_ns).map(|why| format!("{label}, {name}: {why}")));
        }
        // perf shows the faults themselves; to a sampler in the process they look like the loop.
        if samples.engine == Engine::Inprocess
            && let Some(case) = case_of(comparison, samples)
        {
            for (tag, side) in TAGS.into_iter().zip([&case.sides.a, &case.sides.b]) {
                let faults = page_faults(&side.phases_ns, Stacks::new(&profile, tag), &roles);
                profile.split_page_faults(tag, faults, &roles).map_err(not_drawn)?;
            }
        }
        Ok(Self { comparison, samples, profile, roles })
    }

    fn stacks(&self) -> [Stacks<'_>; 2] {
        TAGS.map(|tag| Stacks::new(&self.profile, tag))
    }

    /// The three pictures: side A, side B, the difference.
    fn pictures(&self, narrowest: f64) -> Result<[String; 3], Error> {
        let case = &self.samples.case;
        let [a, b] = self.stacks();
        let one = |side: Stacks<'_>, tag: Tag| {
            let tree = Tree::new(side, View::Stacks, &self.roles).map_err(not_drawn)?;
            let title = self.samples.title(tag);
            self.picture(&tree, &title, &self.facts(tag).to_string(), narrowest)
        };
        let both = Tree::compare(a, b, View::Roles, &self.roles).map_err(not_drawn)?;
        let title = format!("{} against {}", case.a.statement, case.b.statement);
        let title = format!("{title}, {}: time by role", self.samples.subject());
        // The line is cut at the picture's edge, and two sides share it.
        let facts = TAGS.map(|tag| {
            let facts = Facts { n: None, operations: None, ..self.facts(tag) };
            format!("{}: {facts}", self.samples.name(tag))
        });
        Ok([one(a, Tag::A)?, one(b, Tag::B)?, self.picture(&both, &title, &facts.join("; "), narrowest)?])
    }

    fn picture(&self, tree: &Tree, title: &str, subtitle: &str, narrowest: f64) -> Result<String, Error> {
        let picture = Picture { title, subtitle, narrowest, ..Picture::default() };
        draw_tree(tree, &picture).map_err(not_drawn)
    }

    fn facts(&self, tag: Tag) -> Facts {
        let side = &self.samples.sides[usize::from(tag.0)];
        let shape = &self.samples.case.shape;
        Facts {
            n: (!shape.is_empty()).then(|| shape.iter().product()),
            samples: side.samples,
            dropped: side.dropped,
            rate: Some(side.rate()),
            operations: Some(side.operations),
        }
    }

    fn write(&self, directory: &Path, formats: &[Format]) -> Result<DrawnCase, Error> {
        let [stacks_a, stacks_b] = self.stacks();
        let phases = Phase::of_roles(stacks_a, stacks_b, &self.roles);
        let mut files = Vec::new();
        for (name, bytes) in self.made(&phases, formats)? {
            let path = directory.join(name);
            files::write_whole(&path, &bytes)?;
            files.push(path);
        }
        let role = |phase: Phase| Role { name: phase.name, a_ns: phase.a.unwrap_or(0.0), b_ns: phase.b.unwrap_or(0.0) };
        Ok(DrawnCase {
            label: self.samples.case.label(),
            engine: self.samples.engine,
            samples_outside: self.samples.outside,
            sides: TAGS.map(|tag| self.side(tag)),
            roles: phases.into_iter().map(role).collect(),
            frames_named: self.named(),
            files,
        })
    }

    /// Names and contents of the files. The page comes last: whoever finds it finds the rest.
    fn made(&self, phases: &[Phase], formats: &[Format]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let case = &self.samples.case;
        let [a, b, difference] = self.pictures(NARROWEST)?;
        let title = self.title();
        let page = Page {
            title: &title,
            notes: &self.notes(),
            sides: [&case.a.name, &case.b.name],
            pictures: [&a, &b, &difference],
            phases,
        };
        let page = page.html().map_err(not_drawn)?;
        let folded = |tag| self.profile.folded(tag).map_err(not_drawn);
        let mut made = vec![
            ("a.folded".to_owned(), folded(Tag::A)?.to_string().into_bytes()),
            ("b.folded".to_owned(), folded(Tag::B)?.to_string().into_bytes()),
            ("a.svg".to_owned(), a.into_bytes()),
            ("b.svg".to_owned(), b.into_bytes()),
            ("diff.svg".to_owned(), difference.into_bytes()),
        ];
        for format in formats {
            let bytes = self.export(*format)?;
            made.push((format!("samples.{}", format.extension()), bytes));
        }
        made.push(("index.html".to_owned(), page.into_bytes()));
        Ok(made)
    }

    fn title(&self) -> String {
        let case = &self.samples.case;
        format!("{}: {} and {}", case.label(), case.a.name, case.b.name)
    }

    fn export(&self, format: Format) -> Result<Vec<u8>, Error> {
        export(&self.profile, format, &self.title()).map_err(not_drawn)
    }

    fn side(&self, tag: Tag) -> DrawnSide {
        let side = &self.samples.sides[usize::from(tag.0)];
        DrawnSide {
            name: self.samples.name(tag).to_owned(),
            statement: self.samples.statement(tag).to_owned(),
            samples: side.samples,
            dropped: side.dropped,
            rate_hz: side.rate(),
            operations: side.operations,
            ns_per_op: side.cpu_ns as f64 / side.operations as f64,
            sampled_to_unsampled: side.cost.map(|(ratio, _)| ratio),
            sampled_to_unsampled_ci95: side.cost.map(|(_, interval)| interval),
        }
    }

    fn named(&self) -> BTreeMap<&'static str, usize> {
        let name = |named| match named {
            Named::Given => "given",
            Named::Symbols => "symbols",
            Named::DebugInfo => "debug_info",
            Named::Table => "table",
            Named::Offset | Named::Not => "offset",
        };
        let mut counts = BTreeMap::new();
        for (named, count) in self.profile.named() {
            *counts.entry(name(named)).or_default() += count;
        }
        counts
    }

    /// The notes under the page's title.
    fn notes(&self) -> Vec<String> {
        let (machine, software) = (&self.comparison.machine, &self.comparison.software);
        let mut notes = vec![format!(
            "{} · {} cores · {} {} · Python {} · NumPy {}",
            machine.cpu, machine.cores, machine.os, machine.kernel, software.python, software.numpy
        )];
        for tag in TAGS {
            let name = self.samples.name(tag);
            let side = &self.samples.sides[usize::from(tag.0)];
            let mut note = format!("{name}: {} · {}", self.samples.statement(tag), self.facts(tag));
            if let Some((ratio, interval)) = side.cost {
                let cost = units::cost(ratio, interval);
                note.push_str(&format!(" · sampling costs {cost}"));
            }
            notes.push(note);
        }
        notes.push(format!("made by: {}", self.comparison.command.join(" ")));
        notes.extend(self.comparison.warnings.iter().cloned());
        notes
    }
}

impl CaseSamples {
    fn side(&self, tag: Tag) -> &crate::model::protocol::SideSpec {
        if tag == Tag::A { &self.case.a } else { &self.case.b }
    }

    fn name(&self, tag: Tag) -> &str {
        &self.side(tag).name
    }

    fn statement(&self, tag: Tag) -> &str {
        &self.side(tag).statement
    }

    /// `float32 2048 × 2048`, or the whole label if it is not an operation: half a page's width has no room for more
    /// beside the search button.
    fn subject(&self) -> String {
        let label = self.case.label();
        label.strip_prefix("operation ").unwrap_or(&label).to_owned()
    }

    fn title(&self, tag: Tag) -> String {
        format!("{}: {}, {}", self.name(tag), self.statement(tag), self.subject())
    }
}

/// The same case in the comparison.
fn case_of<'a>(comparison: &'a Comparison, samples: &CaseSamples) -> Option<&'a Case> {
    let spec = &samples.case;
    comparison.cases.iter().find(|case| {
        case.name == spec.name
            && case.results == spec.results
            && case.shape == spec.shape
            && (spec.shape.is_empty() || case.dtype.as_deref() == Some(&spec.dtype))
    })
}

/// The part of a side's sampled kernel time that is page faults, in nanoseconds of an operation. It uses the ratio of
/// the phases only: a phase is wall time, which on a loaded machine includes waiting for a core, and would exceed the
/// whole kernel.
fn page_faults(phases: &Phases, side: Stacks<'_>, roles: &Roles) -> f64 {
    let faults = phases.page_fault.unwrap_or(0.0).max(0.0);
    let kernel = phases.kernel.unwrap_or(0.0).max(0.0);
    if faults <= 0.0 {
        return 0.0;
    }
    let by_role = side.by_role(roles);
    let of = |role| by_role.get(&Some(role)).copied().unwrap_or(0.0);
    (of(StackRole::Kernel) + of(StackRole::PageFault)) * faults / (faults + kernel)
}

/// Too few samples, and the time that would give enough; `wall_ns` is the time of both sides.
fn too_few(side: &SideSamples, wall_ns: u64) -> Option<String> {
    if side.samples >= ENOUGH {
        return None;
    }
    // At the rate of this run, waiting for a core included, and a tenth more.
    let seconds = 1.1 * wall_ns as f64 / 1e9 * ENOUGH as f64 / side.samples.max(1) as f64;
    Some(format!(
        "only {} samples, so frames under 1 % of the time are uncertain; raptors-trace flamegraph --sample-time {:.0} \
         gives {ENOUGH}",
        side.samples,
        seconds.ceil()
    ))
}

fn not_drawn(error: raptors_flamegraphs::Error) -> Error {
    Error::new("the flamegraph cannot be made").caused_by(error)
}

/// Checks that files can be written in a directory, which is created if necessary.
///
/// # Errors
/// A sentence, if they cannot.
pub fn check(directory: &Path) -> Result<(), Error> {
    files::check_directory(directory).map_err(elsewhere)
}

fn create(directory: &Path) -> Result<(), Error> {
    files::create_directory(directory).map_err(elsewhere)
}

fn elsewhere(error: Error) -> Error {
    error.or_help("choose another directory with -o")
}

#[cfg(test)]
mod tests {
    use raptors_flamegraphs::Folded;

    use super::*;

    #[test]
    fn the_phases_say_which_part_of_the_sampled_kernel_is_page_faults() {
        let text = "FLOAT_multiply 60\nFLOAT_multiply;asm_exc_page_fault_[k] 20\nmalloc 20\n";
        let profile = Profile::from(&Folded::parse(text).unwrap());
        let share = |page_fault, kernel| {
            let phases = Phases { page_fault, kernel, ..Phases::default() };
            page_faults(&phases, Stacks::new(&profile, Tag::A), &Roles::default())
        };
        // A quarter of the 80 of 100 that are kernel or page fault; the phases' absolute size does not matter.
        for times in [1.0, 1000.0] {
            assert!((share(Some(times), Some(3.0 * times)) - 20.0).abs() < 1e-9);
        }
        assert!((share(Some(5.0), None) - 80.0).abs() < 1e-9);
        // Phases are differences of measured times, and may be below zero.
        assert!((share(Some(5.0), Some(-1.0)) - 80.0).abs() < 1e-9);
        assert_eq!(share(Some(-1.0), Some(3.0)), 0.0);
        assert_eq!(share(None, Some(3.0)), 0.0);
    }
}
