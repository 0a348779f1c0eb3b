//! Runs a comparison: starts the driver, follows it, and reads its recording.

pub mod doctor;
pub(crate) mod driver;
mod ending;
pub(crate) mod environment;
mod file;
pub mod options;
pub mod pictures;
pub(crate) mod spec;
mod tracing;
pub mod tune;

use std::path::Path;

use crate::analysis::{self, CaseSamples, Timing};
use crate::machine;
use crate::machine::interpreter::{self, Interpreter, Surroundings, Waiting};
use crate::machine::interrupt::{self, Interrupt};
use crate::model::comparison::Comparison;
use crate::model::error::Error;
use crate::model::progress::Progress;
use crate::model::tool::{Engine, Tool};
use crate::run::options::CompareOptions;
use crate::tracers::stacks::perf;
use ending::Ending;
use file::RunFile;
pub(crate) use file::add_document;

/// A run with a result.
#[derive(Debug)]
pub struct Outcome {
    /// The comparison.
    pub comparison: Comparison,
    /// The rounds behind each case; none if stacks were sampled.
    pub timings: Vec<Timing>,
    /// The sampled stacks, if requested.
    pub samples: Vec<CaseSamples>,
    /// Why there are none, though that was asked for.
    pub no_samples: Option<Error>,
    /// An error in spite of the result: the run was interrupted, or could not be saved.
    pub failure: Option<Error>,
}

impl Outcome {
    /// What a run file shows; its samples too where `sampled` asks for them.
    ///
    /// # Errors
    /// Those of [`analysis::read`].
    pub fn read(path: &Path, lossy: bool, sampled: bool) -> Result<Self, Error> {
        let (comparison, timings, samples) = if sampled {
            analysis::read_whole(path, lossy)?
        } else {
            let (comparison, timings) = analysis::read_timed(path, lossy)?;
            (comparison, timings, Ok(Vec::new()))
        };
        let (samples, no_samples) = samples.map_or_else(|why| (Vec::new(), Some(why)), |samples| (samples, None));
        Ok(Self { comparison, timings, samples, no_samples, failure: None })
    }
}

/// Runs both sides and compares them.
///
/// # Errors
/// A failure of the interpreter, the statements or the observers, or an interrupt before there is any result.
pub fn compare(options: &CompareOptions, progress: &mut dyn Progress) -> Result<Outcome, Error> {
    let interrupt = Interrupt::watch();
    environment::check(options)?;
    if options.sampling.is_some_and(|sampling| sampling.engine == Engine::Outside(Tool::Perf)) {
        perf::check()?;
    }
    for shape in &options.shapes {
        for dtype in &options.dtypes {
            machine::check_fits(shape, *dtype)?;
        }
    }
    let run_file = RunFile::create(options.save.as_deref())?;
    let interpreter = interpreter(options, &interrupt, progress)?;
    progress.update(0.0, "measuring this machine's memory limit");
    let machine = machine::describe(options.measure_limit, options.verbose)?;
    interrupt.check()?;
    let spec = spec::of(options, run_file.recording(), machine);
    let ending = driver::run(&interpreter, options, &spec, &interrupt, progress)?;
    conclude(run_file, ending, options.sampling.is_some(), progress)
}

/// Reads the recording, even if the driver did not come to its end, and renames the file.
fn conclude(run_file: RunFile, ending: Ending, sampled: bool, progress: &mut dyn Progress) -> Result<Outcome, Error> {
    progress.update(1.0, "reading the run");
    let read = |recording: &Path| Outcome::read(recording, false, sampled);
    match ending {
        Ending::Finished => {
            file::store_names(run_file.recording());
            let outcome = read(run_file.recording())?;
            Ok(Outcome { failure: run_file.keep().err(), ..outcome })
        }
        Ending::Interrupted => {
            file::store_names(run_file.recording());
            let mut outcome = read(run_file.recording()).map_err(|_| interrupt::too_early())?;
            outcome.comparison.cut_short();
            let failure =
                run_file.keep().map_or_else(|error| error, |path| kept(Error::new("interrupted"), path.as_deref()));
            Ok(Outcome { failure: Some(failure), ..outcome })
        }
        Ending::Failed(error) => Err(error),
        Ending::Died(error) => {
            let path = run_file.keep_what_is_whole()?;
            Err(kept(error, path.as_deref()))
        }
    }
}

/// The error with the path of the partial recording, if it was kept.
fn kept(error: Error, path: Option<&Path>) -> Error {
    let Some(path) = path else {
        return error;
    };
    error.help(format!("what was measured until then is kept: raptors-trace show {}", interpreter::quoted(path)))
}

/// The interpreter that runs both sides.
///
/// # Errors
/// No suitable interpreter.
pub(crate) fn interpreter(
    options: &CompareOptions,
    interrupt: &Interrupt,
    progress: &mut dyn Progress,
) -> Result<Interpreter, Error> {
    let host = options.host.python.clone();
    let surroundings = Surroundings::collect(options.python.clone(), host);
    let waiting = Waiting { interrupted: &|| interrupt.asked(), tell: &mut |text| progress.note(text) };
    interpreter::find(&surroundings, waiting)
}
