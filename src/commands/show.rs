//! `raptors-trace show`: prints a saved run.

use std::path::PathBuf;

use super::against::Against;
use super::documents::Documents;
use super::output::Output;
use super::{command, compare};
use crate::run::options::Source;
use crate::views::Part;

/// Print a saved run
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run file that `--save` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the readable part of a damaged or truncated FILE
    #[arg(long)]
    lossy: bool,
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    against: Against,
    #[command(flatten)]
    output: Output,
}

impl command::Arguments for Arguments {
    type Task = compare::Task;

    fn check(self, _: &command::Invocation) -> Result<compare::Task, clap::Error> {
        Ok(compare::Task {
            source: Source::File { path: self.file, lossy: self.lossy },
            part: Part::All,
            documents: self.documents.check()?,
            against: self.against,
            output: self.output,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::testing::{checked, refusal};
    use super::*;

    #[test]
    fn a_file_is_shown_whole() {
        let shown = checked::<Arguments>(&["x.rtrace", "--lossy"]).unwrap();
        let source = Source::File { path: "x.rtrace".into(), lossy: true };
        assert_eq!(shown, compare::Task::of_part(Part::All, source, Output::default()));
        assert!(refusal::<Arguments>(&[]).contains("FILE"));
    }

    #[test]
    fn it_is_also_written_as_documents() {
        let documents = checked::<Arguments>(&["f", "--html", "p", "--md", "q"]).unwrap().documents;
        assert_eq!((documents.html, documents.md), (Some("p".into()), Some("q".into())));
        assert!(refusal::<Arguments>(&["f", "--html", "p", "--md", "p"]).contains("the same file"));
    }
}
