//! The file format of speedscope, as in its `file-format-schema.json`.

use serde::Serialize;

use super::{by_thread, frames, json, thread_name, unit};
use crate::{Error, Profile};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    exporter: &'static str,
    name: &'a str,
    #[serde(rename = "activeProfileIndex")]
    active: usize,
    shared: Shared<'a>,
    profiles: Vec<Sampled>,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<Frame<'a>>,
}

#[derive(Serialize)]
struct Frame<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    start_value: f64,
    end_value: f64,
    samples: Vec<Vec<u32>>,
    weights: Vec<f64>,
}

/// One profile for each thread of each side.
pub(super) fn write(profile: &Profile, title: &str) -> Result<Vec<u8>, Error> {
    let shared = profile.frames().iter().map(|frame| Frame {
        name: &frame.name,
        file: frame.file.as_deref().or(Some(&*frame.module).filter(|path| !path.is_empty())),
        line: frame.line,
    });
    let threads = by_thread(profile).into_iter().map(|(thread, samples)| {
        let weights: Vec<f64> = samples.iter().map(|sample| sample.weight).collect();
        Sampled {
            kind: "sampled",
            name: thread_name(profile, thread),
            unit: unit(profile),
            start_value: 0.0,
            end_value: weights.iter().sum(),
            samples: samples
                .iter()
                .map(|sample| frames(profile, sample).into_iter().map(|id| id.0).collect())
                .collect(),
            weights,
        }
    });
    json(&File {
        schema: SCHEMA,
        exporter: concat!("raptors-trace ", env!("CARGO_PKG_VERSION")),
        name: title,
        active: 0,
        shared: Shared { frames: shared.collect() },
        profiles: threads.collect(),
    })
}
