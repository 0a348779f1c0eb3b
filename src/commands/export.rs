//! `raptors-trace export`: a saved run for other tools.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::path::PathBuf;

use super::options::OutputOptions;
use crate::machine::files;
use crate::model::error::{Error, Exit};
use crate::views::export::{self, Format, Options};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run file that `--save` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The calls as json or csv, the samples as folded, pprof, speedscope or firefox, rounds and calls as chrome
    #[arg(long, value_enum)]
    format: Format,
    /// Where it is written; `-`, or nothing, is standard output
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Only the case of this number in the run, from 1; samples of several cases need it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    case: Option<u64>,
    /// Take what a damaged or truncated FILE still holds
    #[arg(long)]
    lossy: bool,
    /// Leave out the warnings
    #[arg(long, short)]
    pub quiet: bool,
}

impl Args {
    pub fn into_options(self) -> Options {
        Options {
            file: self.file,
            format: self.format,
            output: self.output.filter(|path| path.as_os_str() != "-"),
            case: self.case,
            lossy: self.lossy,
        }
    }
}

/// Reads and writes.
///
/// # Errors
/// Those of [`export::write`], and a binary format for a terminal.
pub fn execute(options: &Options, output: &OutputOptions) -> Result<(), Error> {
    let warnings = match &options.output {
        Some(path) => {
            let mut failed = None;
            let written = files::write_with(path, |out| {
                export::write(options, out).map_err(|error| {
                    failed = Some(error);
                    std::io::Error::other("the export failed")
                })
            });
            written.map_err(|error| failed.unwrap_or(error))?
        }
        None if options.format == Format::Pprof && stdout().is_terminal() => {
            return Err(Error::new("pprof is a binary format, which a terminal cannot show")
                .help("name a file: -o run.pb.gz")
                .exit(Exit::Usage));
        }
        None => {
            let mut out = std::io::BufWriter::new(stdout().lock());
            let warnings = export::write(options, &mut out)?;
            export::finished(out.flush())?;
            warnings
        }
    };
    for warning in warnings.iter().filter(|_| !output.quiet) {
        let warning = crate::model::text::escape(warning);
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    Ok(())
}
