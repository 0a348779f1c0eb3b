//! `--against` and `--fail-below`: what a run is held against.

use std::path::PathBuf;

use crate::analysis::against::Options;

/// What `compare` and `show` take.
#[derive(Debug, clap::Args)]
#[group(id = "earlier", multiple = true)]
pub struct Args {
    /// Tell what changed since an earlier run that --save kept, in every case that both have
    #[arg(long, value_name = "FILE.rtrace")]
    against: Option<PathBuf>,
    /// Exit with 4 where the whole interval of a case is below R: that of the change with --against (0.95: B lost 5 %
    /// against A), else that of A's time ÷ B's
    #[arg(long, value_name = "R", value_parser = limit, allow_negative_numbers = true)]
    fail_below: Option<f64>,
}

impl From<Args> for Options {
    fn from(args: Args) -> Self {
        Self { file: args.against, fail_below: args.fail_below }
    }
}

fn limit(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(limit) if limit > 0.0 && limit.is_finite() => Ok(limit),
        Ok(_) => Err("give a factor above 0, as in 0.95".to_owned()),
        Err(_) => Err("it is no number; give a factor above 0, as in 0.95".to_owned()),
    }
}
