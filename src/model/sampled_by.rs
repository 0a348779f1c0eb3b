//! The samplers of stacks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sampler of stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SampledBy {
    /// A sampler in the process itself; no root, no frames of the operating system's kernel.
    #[default]
    Inprocess,
    /// perf (Linux), which shows those frames.
    Perf,
}
