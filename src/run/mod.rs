//! Runs a comparison: starts the driver, follows it, and reads what it recorded.

mod driver;
mod file;
mod spec;
mod tracing;

use crate::analysis;
use crate::cli::options::CompareOptions;
use crate::comparison::Comparison;
use crate::error::Error;
use crate::interpreter::{self, Interpreter, Surroundings};
use crate::machine;
use driver::Ending;
use file::RunFile;

/// Where a run is told to be; the command draws it on a terminal.
pub trait Progress {
    /// `fraction` of the whole run is done (0 to 1); `text` says what is being done, in a few words.
    fn update(&mut self, fraction: f64, text: &str);
}

/// Runs both sides and compares them.
///
/// # Errors
/// When the interpreter, the statements or the observers fail.
pub fn compare(options: &CompareOptions, progress: &mut dyn Progress) -> Result<Comparison, Error> {
    let interpreter = interpreter(options)?;
    for shape in &options.shapes {
        for dtype in &options.dtypes {
            machine::check_fits(shape, *dtype)?;
        }
    }
    let run_file = RunFile::create(options.save.as_deref())?;
    progress.update(0.0, "measuring this machine's memory limit");
    let machine = machine::describe(options.measure_limit, options.verbose)?;
    let spec = spec::Spec::new(options, run_file.recording(), machine);
    let ending = driver::run(&interpreter, options, &spec, progress)?;
    conclude(run_file, ending, progress)
}

/// Reads what was recorded, also by a driver that did not come to its end, and gives the file its name.
fn conclude(
    run_file: RunFile,
    ending: Ending,
    progress: &mut dyn Progress,
) -> Result<Comparison, Error> {
    progress.update(1.0, "reading the run");
    match ending {
        Ending::Finished => {
            let comparison = analysis::read(run_file.recording(), false)?;
            run_file.keep()?;
            Ok(comparison)
        }
        Ending::Interrupted => {
            let mut comparison = analysis::read(run_file.recording(), false).map_err(|error| {
                Error::new("interrupted before anything was measured").caused_by(error)
            })?;
            comparison.cut_short();
            run_file.keep()?;
            Ok(comparison)
        }
        Ending::Failed(error) => Err(error),
        Ending::Died(error) => match run_file.keep_what_is_whole()? {
            Some(path) => Err(error.mend(format!(
                "what was measured until then is kept: raptors-trace show {}",
                path.display()
            ))),
            None => Err(error),
        },
    }
}

fn interpreter(options: &CompareOptions) -> Result<Interpreter, Error> {
    let host = options.host.python.clone();
    interpreter::find(&Surroundings::collect(options.python.clone(), host))
}
