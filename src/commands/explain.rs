//! `raptors-trace explain`: finds causes, prints them, and writes them as documents.

use super::command::{self, Invocation};
use super::compare::verdict;
use super::documents::Documents;
use super::output::{Output, first_failure};
use super::subject::{FileArguments, SubjectArguments};
use crate::explain;
use crate::model::budget::Budget;
use crate::model::error::Error;
use crate::run::Outcome;
use crate::run::options::{CompareOptions, Source};
use crate::views;

/// Find the cause of a difference: switch possible causes off, one at a time, and measure the effect of each
///
/// Without options it explains the main comparison at 2048², in about a minute. --time sets the time for each size;
/// more time decides more causes. FILE is a run that explain saved.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    file: FileArguments,
    /// Explain the main comparison at 512², 1024² and 2048², and test the three hypotheses that the project began with
    #[arg(long, group = "new_run", conflicts_with_all = ["size", "dtype", "setup", "a", "b", "in_place"])]
    seed: bool,
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    output: Output,
}

impl command::Arguments for Arguments {
    type Task = Task;

    fn check(self, invocation: &Invocation) -> Result<Task, clap::Error> {
        let Self { file, seed, subject, documents, output } = self;
        let documents = documents.check()?;
        let subject = if seed { subject } else { subject.of_one_size() };
        let source = file.or_run(|| {
            let budget = Budget::explain(subject.time);
            let options = subject.check(invocation, output.verbose)?;
            Ok(CompareOptions { budget, sampling: documents.sampling(), ..options })
        })?;
        Ok(Task { source, documents, output })
    }
}

/// An explanation to print.
#[derive(Debug, PartialEq)]
pub struct Task {
    source: Source,
    documents: Documents,
    output: Output,
}

impl command::Task for Task {
    fn run(&self) -> Result<(), Error> {
        self.documents.check_writable()?;
        let Outcome { comparison, samples, failure, .. } = explain::explain(&self.source, &mut self.output.bar())?;
        self.output.print(&comparison, |looks| views::explain::text(&comparison, looks))?;
        let written = self.documents.write(&comparison, &samples);
        first_failure([verdict(&comparison).err(), written.err(), failure])
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::testing::{checked, refusal};
    use super::*;

    #[test]
    fn it_is_of_one_size_unless_it_is_told_otherwise() {
        let sizes = |line: &[&str]| match checked::<Arguments>(line).unwrap().source {
            Source::Run(options) => options.shapes.len(),
            Source::File { path, .. } => panic!("no run: {path:?}"),
        };
        assert_eq!(sizes(&[]), 1);
        assert_eq!(sizes(&["--seed"]), 3);
        assert_eq!(sizes(&["--size", "8,9"]), 2);
        assert_eq!(sizes(&["--setup", "x = 1", "--a", "x", "--b", "x"]), 0);
        assert!(refusal::<Arguments>(&["--seed", "--size", "8"]).contains("cannot be used with"));
        for new in ["--seed", "--in-place"] {
            assert!(refusal::<Arguments>(&["x.rtrace", new]).contains("cannot be used with"));
        }
    }
}
