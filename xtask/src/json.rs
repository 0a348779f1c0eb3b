//! The output of the command with `--json`.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

/// Parses it; skips notes on standard error, which come in the same stream.
pub fn parsed<T: DeserializeOwned>(output: &str) -> Result<T> {
    let start = output.find("{\n").context("the command printed no JSON")?;
    let mut documents = serde_json::Deserializer::from_str(&output[start..]).into_iter();
    let run = documents.next().context("the command printed no JSON")?;
    run.context("the command printed JSON of another form")
}
