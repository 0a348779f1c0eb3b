//! `raptors-trace export`: converts a saved run for other tools.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::path::{Path, PathBuf};

use super::command::{self, Invocation};
use crate::machine::files;
use crate::model::error::{Error, Exit};
use crate::views::export::{self, Format, Options};

/// Convert a saved run for other tools: its calls, its samples, or a timeline
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The run file that `--save` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format: json or csv for the calls; folded, pprof, speedscope or firefox for the samples; chrome for rounds
    /// and calls
    #[arg(long, value_enum)]
    format: Format,
    /// The output file; `-` or no option means standard output
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Only the case with this number in the run, from 1; required for samples of several cases
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    case: Option<u64>,
    /// Use the readable part of a damaged or truncated FILE
    #[arg(long)]
    lossy: bool,
    /// Print no warnings
    #[arg(long, short)]
    quiet: bool,
}

impl command::Arguments for Arguments {
    type Task = Task;

    fn check(self, _: &Invocation) -> Result<Task, clap::Error> {
        let Self { file, format, output, case, lossy, quiet } = self;
        let output = output.filter(|path| path.as_os_str() != "-");
        Ok(Task { options: Options { file, format, output, case, lossy }, quiet })
    }
}

/// A run to convert.
#[derive(Debug)]
pub struct Task {
    options: Options,
    quiet: bool,
}

impl command::Task for Task {
    fn run(&self) -> Result<(), Error> {
        let options = &self.options;
        let warnings = match &options.output {
            Some(path) => to_file(options, path)?,
            None => to_standard_output(options)?,
        };
        for warning in warnings.iter().filter(|_| !self.quiet) {
            let warning = crate::model::text::escape(warning);
            let _ = writeln!(std::io::stderr(), "warning: {warning}");
        }
        Ok(())
    }
}

/// Writes the export to a file and returns its warnings.
fn to_file(options: &Options, path: &Path) -> Result<Vec<String>, Error> {
    let mut failed = None;
    let written = files::write_with(path, |out| {
        export::write(options, out).map_err(|error| {
            failed = Some(error);
            std::io::Error::other("the export failed")
        })
    });
    written.map_err(|error| failed.unwrap_or(error))
}

/// Writes the export to standard output and returns its warnings.
fn to_standard_output(options: &Options) -> Result<Vec<String>, Error> {
    if options.format == Format::Pprof && stdout().is_terminal() {
        return Err(Error::new("pprof is a binary format, and a terminal cannot show it")
            .help("name a file: -o run.pb.gz")
            .exit(Exit::Usage));
    }
    let mut out = std::io::BufWriter::new(stdout().lock());
    let warnings = export::write(options, &mut out)?;
    export::finished(out.flush())?;
    Ok(warnings)
}
