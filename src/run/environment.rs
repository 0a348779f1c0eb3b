//! Environment variables that affect a run: checked before it, and withheld from the driver if they would harm it.

use raptors_signposts::VARIABLE as SIGNPOSTS;

use crate::machine::platform::{SYSTEM, System};
use crate::model::error::Error;
use crate::run::options::CompareOptions;

/// Makes the kernel write its spans on every call, inside the measured time.
pub const LOG: &str = "RAPTORS_LOG";

/// Rejects values that the kernel would reject at its first call, in the middle of the run.
///
/// # Errors
/// An invalid value of `RAPTORS_BACKEND`, `RAPTORS_THREADS` or `RAPTORS_SIGNPOSTS`.
pub fn check(options: &CompareOptions) -> Result<(), Error> {
    let value = std::env::var(SIGNPOSTS).ok();
    raptors_signposts::asked(value.as_deref())
        .map_err(|sentence| Error::new(sentence).help(format!("unset {SIGNPOSTS}, or set it to 1")))?;
    for result in raptors_kernel::check_environment() {
        let Err(error) = result else { continue };
        let raptors_kernel::Error::Environment { variable, .. } = &error else {
            return Err(Error::new(error.to_string()));
        };
        // --threads replaces the variable in the driver.
        if *variable == "RAPTORS_THREADS" && options.threads.is_some() {
            continue;
        }
        let help = format!("unset {variable}, or set it to a valid value");
        return Err(Error::new(error.to_string()).help(help));
    }
    Ok(())
}

/// Variables that are not passed on to the driver.
pub fn withheld() -> impl Iterator<Item = &'static str> {
    // On other systems the driver could only report that it has no effect; the warnings do that.
    let signposts = (SYSTEM != System::MacOs).then_some(SIGNPOSTS);
    [LOG].into_iter().chain(signposts)
}

/// Warnings about the environment's effect on the figures.
pub fn warnings() -> Vec<String> {
    let logging = std::env::var_os(LOG).is_some_and(|value| !value.is_empty());
    let value = std::env::var(SIGNPOSTS).ok();
    let signposts = raptors_signposts::asked(value.as_deref()) == Ok(true);
    warnings_of(logging, signposts.then_some(SYSTEM))
}

/// The system, if signposts are requested.
fn warnings_of(logging: bool, signposts: Option<System>) -> Vec<String> {
    let log = format!(
        "{LOG} was not passed on to the sides, because writing its log would be measured as a part of every operation"
    );
    let signposts = signposts.map(|system| match system {
        System::MacOs => format!(
            "{SIGNPOSTS} is on: times are of rounds with a signpost at each end, but phases and calls are of \
             operations with signposts in them, which take longer"
        ),
        _ => format!("{SIGNPOSTS} has no effect here: signposts need Apple's Instruments on macOS"),
    });
    logging.then_some(log).into_iter().chain(signposts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_figures_or_is_not_done_is_warned_of() {
        assert!(warnings_of(false, None).is_empty());
        assert!(warnings_of(true, None)[0].starts_with("RAPTORS_LOG was not passed on"));
        let elsewhere = warnings_of(false, Some(System::Linux));
        assert!(elsewhere[0].starts_with("RAPTORS_SIGNPOSTS has no effect here"));
        assert!(warnings_of(false, Some(System::MacOs))[0].contains("take longer"));
    }
}
