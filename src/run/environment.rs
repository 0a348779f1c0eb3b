//! Environment variables that a run depends on: checked before it, and kept from the driver where they would harm it.

use crate::cli::options::CompareOptions;
use crate::error::Error;

/// Has the kernel write its spans: on every call, inside what is measured.
pub const LOG: &str = "RAPTORS_LOG";

/// Refuses what the kernel would refuse at its first call, in the middle of the run.
///
/// # Errors
/// `RAPTORS_BACKEND` or `RAPTORS_THREADS` with a value that is not taken.
pub fn check(options: &CompareOptions) -> Result<(), Error> {
    for result in raptors_kernel::check_environment() {
        let Err(error) = result else { continue };
        let raptors_kernel::Error::Environment { variable, .. } = &error else {
            return Err(Error::new(error.to_string()));
        };
        // --threads takes the variable's place in the driver.
        if *variable == "RAPTORS_THREADS" && options.threads.is_some() {
            continue;
        }
        let mend = format!("unset {variable}, or set it to what is taken");
        return Err(Error::new(error.to_string()).mend(mend));
    }
    Ok(())
}

/// What the user has to know of the environment's effect on the figures.
pub fn warnings() -> Vec<String> {
    warnings_of(std::env::var_os(LOG).is_some_and(|value| !value.is_empty()))
}

fn warnings_of(logging: bool) -> Vec<String> {
    let text = format!(
        "{LOG} was not passed on to the sides: writing its log would have been measured as a part of every operation"
    );
    logging.then_some(text).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_asked_for_is_warned_of() {
        assert!(warnings_of(false).is_empty());
        assert!(warnings_of(true)[0].starts_with("RAPTORS_LOG was not passed on"));
    }
}
