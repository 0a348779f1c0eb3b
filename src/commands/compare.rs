//! `raptors-trace compare`, and the comparison that `phases`, `calls` and `show` print as well.

use super::against::Against;
use super::command::{self, Invocation};
use super::documents::Documents;
use super::output::{Output, first_failure};
use super::subject::{CallArguments, SubjectArguments};
use crate::analysis::against::{self as earlier, Baseline};
use crate::model::comparison::Comparison;
use crate::model::error::{Error, Exit};
use crate::run::options::Source;
use crate::run::{self, Outcome};
use crate::views::{self, Part, TextOptions};

/// Compare two sides: which is faster, by how much, in which phase, through which calls
///
/// Without options it compares NumPy's `a * 2.5` with Raptors' `scale`: float32, 512², 1024² and 2048², the
/// operation alone and the round trip. --setup, --a and --b compare any two Python statements. Use `explain` to
/// find the cause of a difference.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    calls: CallArguments,
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    against: Against,
    #[command(flatten)]
    output: Output,
}

impl command::Arguments for Arguments {
    type Task = Task;

    fn check(self, invocation: &Invocation) -> Result<Task, clap::Error> {
        let documents = self.documents.check()?;
        let mut options = self.subject.check(invocation, self.output.verbose)?;
        options.engines = self.calls.engine.unwrap_or_default();
        options.sampling = documents.sampling();
        let source = Source::Run(Box::new(options));
        Ok(Task { source, part: Part::All, documents, against: self.against, output: self.output })
    }
}

/// A comparison to print.
#[derive(Debug, PartialEq)]
pub struct Task {
    pub source: Source,
    pub part: Part,
    pub documents: Documents,
    pub against: Against,
    pub output: Output,
}

impl Task {
    /// A single part of a comparison.
    pub fn of_part(part: Part, source: Source, output: Output) -> Self {
        Self { source, part, documents: Documents::default(), against: Against::default(), output }
    }

    fn outcome(&self) -> Result<Outcome, Error> {
        match &self.source {
            Source::File { path, lossy } => Outcome::read(path, *lossy, self.documents.html.is_some()),
            Source::Run(options) => run::compare(options, &mut self.output.bar()),
        }
    }
}

impl command::Task for Task {
    fn run(&self) -> Result<(), Error> {
        // Checked before minutes of measuring, and before --save may replace the file.
        self.documents.check_writable()?;
        let baseline = self.against.file.as_deref().map(Baseline::read).transpose()?;
        let Outcome { mut comparison, timings, samples, failure, .. } = self.outcome()?;
        earlier::add(&mut comparison, &timings, baseline.as_ref(), self.against.fail_below);
        self.output.print(&comparison, |looks| views::text(&comparison, &TextOptions { part: self.part, ..*looks }))?;
        let written = self.documents.write(&comparison, &samples);
        let verdict = verdict(&comparison).and_then(|()| earlier::judge(&comparison));
        first_failure([verdict.err(), written.err(), failure])
    }
}

/// The verdict on a printed comparison, for the exit code.
///
/// # Errors
/// A failed control, engines that count different calls, calls that could not be recorded.
pub fn verdict(comparison: &Comparison) -> Result<(), Error> {
    if let Some(control) = comparison.controls.iter().find(|control| !control.ok) {
        let sentence = format!(
            "the {} observers did not see the control `{}`, so their counts prove nothing",
            control.engine, control.name
        );
        let help =
            "report this with the header above: this NumPy calls its BLAS in a way that the observers do not know";
        return Err(Error::new(sentence).help(help).exit(Exit::NothingObserved));
    }
    if let Some(engine) = comparison.engines.iter().find(|engine| !engine.differences.is_empty()) {
        let (name, difference) = (&engine.cost.engine, &engine.differences[0]);
        let help =
            "trust neither count; this happens if a statement's calls differ from round to round, otherwise report it";
        let sentence = format!("{name} and the in-process observers count different calls: {difference}");
        return Err(Error::new(sentence).help(help));
    }
    if comparison.lost_records > 0 {
        let help = "free disk space or --save to another disk, or give less --time or fewer sizes";
        let sentence = "some calls could not be recorded, so phases and call counts are too low";
        return Err(Error::new(sentence).help(help));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::super::command::testing::{checked, refusal as refusal_of};
    use super::super::show;
    use super::*;
    use crate::model::subject::{Dtype, Shape};
    use crate::model::tool::{Engine, Engines, Tool};
    use crate::run::options::CompareOptions;

    fn run(line: &[&str]) -> CompareOptions {
        match checked::<Arguments>(line).unwrap().source {
            Source::Run(options) => *options,
            Source::File { path, .. } => panic!("no run: {path:?}"),
        }
    }

    fn refusal(line: &[&str]) -> String {
        refusal_of::<Arguments>(line)
    }

    #[test]
    fn without_options_it_is_the_main_job() {
        let options = run(&[]);
        assert!(options.subject.is_main_job());
        let shapes: Vec<String> = options.shapes.iter().map(Shape::to_string).collect();
        assert_eq!(shapes, ["512 × 512", "1024 × 1024", "2048 × 2048"]);
        assert_eq!(options.dtypes, [Dtype::Float32]);
        assert_eq!(options.command, ["raptors-trace", "command"]);
    }

    #[test]
    fn sizes_and_dtypes_are_lists() {
        let options = run(&["--size", "512,4x3x2,7x", "--dtype", "float32,float64", "--time", "0.5"]);
        let lengths: Vec<&[u64]> = options.shapes.iter().map(Shape::lengths).collect();
        assert_eq!(lengths, [&[512, 512][..], &[4, 3, 2], &[7]]);
        assert_eq!(options.dtypes, [Dtype::Float32, Dtype::Float64]);
        assert_eq!(options.budget.timed, Duration::from_millis(500));
    }

    #[test]
    fn a_setup_makes_its_own_arrays_unless_a_size_is_given() {
        let custom = ["--setup", "x = 1", "--a", "-x", "--b", "x"];
        let options = run(&custom);
        assert!(options.shapes.is_empty() && options.dtypes.is_empty());
        let options = run(&[&custom[..], &["--size", "8"]].concat());
        assert_eq!((options.shapes.len(), options.dtypes), (1, vec![Dtype::Float32]));
        assert!(refusal(&[&custom[..], &["--dtype", "float64"]].concat()).contains("--dtype needs --size"));
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error_that_says_so() {
        assert!(refusal(&["--size", "0"]).contains("a size of 0 leaves nothing to measure"));
        assert!(refusal(&["--size", "big"]).contains("`big` is not a size"));
        assert!(refusal(&["--size", "9999999999999"]).contains("more elements than any memory holds"));
        assert!(refusal(&["--dtype", "int8"]).contains("float64"));
        assert!(refusal(&["--time", "0"]).contains("more than 0 seconds"));
        assert!(refusal(&["--time", "nan"]).contains("more than 0 seconds"));
        assert!(refusal(&["--setup", "x = 1"]).contains("--a"));
        assert!(refusal(&["--a", " "]).contains("it is empty"));
        for threads in ["0", "1025", "100000", "-1", "two"] {
            assert!(refusal(&["--threads", threads]).contains("1 to 1024"));
        }
        assert_eq!(run(&["--threads", "1024"]).threads, NonZeroU32::new(1024));
        assert!(refusal(&["--size", "-5"]).contains("`-5` is not a size"));
        assert!(refusal(&["--time", "-1"]).contains("more than 0 seconds"));
    }

    #[test]
    fn sides_of_one_name_are_refused() {
        let custom = ["--a", "1", "--b", "2"];
        for names in [&["--name-a", "x", "--name-b", " x "][..], &["--name-a", "raptors"]] {
            assert!(refusal(names).contains("both sides"));
        }
        assert!(refusal(&[&["--name-b", "A"], &custom[..]].concat()).contains("both sides"));
        let options = run(&[&["--name-a", "raptors"], &custom[..]].concat());
        assert_eq!(options.subject.names(), ["raptors", "B"]);
    }

    #[test]
    fn its_engines_are_those_of_calls() {
        assert!(refusal(&["--engine", "perf"]).contains("bpftrace"));
        assert_eq!(run(&["--engine", "bpftrace"]).engines, Engines::one(Engine::Outside(Tool::Bpftrace)));
    }

    #[test]
    fn a_run_is_held_against_an_earlier_one_or_a_limit() {
        held::<Arguments>(&[]);
        held::<show::Arguments>(&["new.rtrace"]);
    }

    fn held<A: command::Arguments<Task = Task>>(command: &[&str]) {
        let against = |line: &[&str]| checked::<A>(&[command, line].concat()).unwrap().against;
        assert_eq!(against(&[]), Against::default());
        let expected = Against { file: Some("old.rtrace".into()), fail_below: Some(0.95) };
        assert_eq!(against(&["--against", "old.rtrace", "--fail-below", "0.95"]), expected);
        for nonsense in ["0", "-1", "inf", "nan", "5 %", ""] {
            let told = refusal_of::<A>(&[command, &["--fail-below", nonsense]].concat());
            assert!(told.contains("give a factor above 0"), "{told}");
        }
    }

    #[test]
    fn a_page_has_every_case_run_and_the_operation_sampled_for_as_long_as_it_is_timed() {
        let options = run(&["--html", "p.html", "--time", "2"]);
        assert_eq!((options.budget.sampled, options.operation_only), (Duration::from_secs(2), false));
        assert!(options.sampling.is_some());
        assert!(run(&["--md", "p.md"]).sampling.is_none());
    }
}
