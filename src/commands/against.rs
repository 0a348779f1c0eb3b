//! `--against` and `--fail-below`: the earlier run or the limit that a run is compared with.

use std::path::PathBuf;

/// What a comparison is compared with.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[group(id = "earlier", multiple = true)]
pub struct Against {
    /// Compare with an earlier run, case by case: FILE is a run that --save kept
    #[arg(long = "against", id = "against", value_name = "FILE.rtrace")]
    pub file: Option<PathBuf>,
    /// Exit with code 4 if B is surely too slow: the whole interval of a case is below R
    ///
    /// With --against, R limits the change: 0.95 means that B lost 5 % against A since the earlier run. Without it, R
    /// limits A's time ÷ B's: 1 means that B must not be slower than A.
    #[arg(long, value_name = "R", value_parser = limit, allow_negative_numbers = true)]
    pub fail_below: Option<f64>,
}

fn limit(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(limit) if limit > 0.0 && limit.is_finite() => Ok(limit),
        Ok(_) => Err("give a factor above 0, such as 0.95".to_owned()),
        Err(_) => Err("not a number; give a factor above 0, such as 0.95".to_owned()),
    }
}
