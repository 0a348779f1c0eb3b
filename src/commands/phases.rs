//! `raptors-trace phases`: the phases of a comparison; and what it has in common with `calls`.

use super::command::{self, Invocation};
use super::compare;
use super::output::Output;
use super::subject::{CallArguments, FileArguments, SubjectArguments};
use crate::views::Part;

/// Print the time of one operation by phase, from a new run or a saved one
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    file: FileArguments,
    #[command(flatten)]
    subject: SubjectArguments,
    #[command(flatten)]
    pub calls: CallArguments,
    #[command(flatten)]
    pub output: Output,
}

impl Arguments {
    /// Checks them; `part` is what is printed.
    ///
    /// # Errors
    /// Arguments that contradict each other.
    pub fn check_part(self, part: Part, invocation: &Invocation) -> Result<compare::Task, clap::Error> {
        let Self { file, subject, calls, output } = self;
        let source = file.or_run(|| {
            let mut options = subject.check(invocation, output.verbose)?;
            options.engines = calls.engine.unwrap_or_default();
            Ok(options)
        })?;
        Ok(compare::Task::of_part(part, source, output))
    }
}

impl command::Arguments for Arguments {
    type Task = compare::Task;

    fn check(self, invocation: &Invocation) -> Result<compare::Task, clap::Error> {
        self.check_part(Part::Phases, invocation)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::testing::{checked, refusal};
    use super::*;
    use crate::run::options::Source;

    #[test]
    fn they_are_of_a_new_run_or_of_a_file() {
        let Source::Run(options) = checked::<Arguments>(&[]).unwrap().source else { panic!("no run") };
        assert!(options.subject.is_main_job());
        assert!(refusal::<Arguments>(&["x.rtrace", "--size", "8"]).contains("cannot be used with"));
        // Parts of a comparison are not a whole result.
        assert!(refusal::<Arguments>(&["--html", "p"]).contains("unexpected argument"));
    }
}
