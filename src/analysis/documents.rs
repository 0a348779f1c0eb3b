//! The documents of a run file: the options, the machine, the software, and the call sites.

use std::borrow::Cow;
use std::collections::HashMap;

use raptors_flamegraphs::names::Stored;
use raptors_recording::{Reader, Site};
use serde::{Deserialize, Serialize};

use super::earlier;
use crate::model::comparison::{Comparison, Explained, Finding};
use crate::model::error::Error;
use crate::model::protocol::{CaseEnd, Clock, Counters, Facts, Hooks, NotArmed, Note, Samples, Spec, VERSION, Warmup};
use crate::model::text::first_bytes;
use crate::tracers::engines::Traced;

/// The key of the document of [`Inquiry`].
pub const INQUIRY: &str = "explained";
/// The key of the document of [`Stored`].
pub const NAMES: &str = "names";

/// All documents of one run file.
#[derive(Debug, Default)]
pub struct Documents {
    /// The request.
    pub spec: Option<Spec>,
    /// The software.
    pub facts: Facts,
    /// Call sites by id.
    pub sites: HashMap<u32, Site>,
    /// Warm-ups by case.
    pub warmups: HashMap<u64, Warmup>,
    /// Cases that were run to their end or left out.
    pub cases: HashMap<u64, CaseEnd>,
    /// Hardware counts.
    pub counters: Vec<Counters>,
    /// The results of tracers from outside, in the order of their rounds.
    pub traced: Vec<Traced>,
    /// Stacks that were sampled.
    pub samples: Vec<Samples>,
    /// The names of the sampled positions, looked up when the run ended.
    pub names: Option<Stored>,
    /// Nanoseconds between two clock reads of the observers with nothing between them.
    pub clock_ns: f64,
    /// The parts that the observers of loops and routines could not arm, with the reasons.
    pub not_armed: Vec<NotArmed>,
    /// Warnings, in order.
    pub warnings: Vec<String>,
    /// The findings of `explain` about the run.
    pub inquiry: Option<Inquiry>,
}

/// The document that `explain` adds to its run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inquiry {
    /// The parts of each gap.
    pub explained: Vec<Explained>,
    /// The causes.
    pub findings: Vec<Finding>,
    /// Warnings that limit the trust in them.
    pub warnings: Vec<String>,
    /// Whether it ran to its end.
    pub complete: bool,
}

impl Inquiry {
    /// Adds it to its comparison.
    pub fn add_to(self, comparison: &mut Comparison) {
        comparison.explained.extend(self.explained);
        comparison.findings.extend(self.findings);
        comparison.warnings.extend(self.warnings);
        comparison.complete &= self.complete;
    }
}

#[derive(Deserialize)]
struct Version {
    #[serde(default = "first")]
    protocol: u32,
}

fn first() -> u32 {
    1
}

/// The documents as this version has them.
///
/// # Errors
/// Documents of a later version.
fn current(reader: &Reader) -> Result<Cow<'_, [(String, String)]>, Error> {
    let documents = reader.documents();
    let spec = documents.iter().find(|(key, _)| key == "spec");
    match spec.and_then(|(_, json)| serde_json::from_str::<Version>(json).ok()) {
        Some(Version { protocol: 1 }) => earlier::upgraded(documents)
            .map(Cow::Owned)
            .map_err(|error| Error::new("a document of the run file is damaged").caused_by(error)),
        Some(Version { protocol }) if protocol != VERSION => Err(Error::new(format!(
            "the run file has documents of version {protocol}; this raptors-trace reads version {VERSION}"
        ))
        .help("read it with the raptors-trace that made it, or make it again")),
        _ => Ok(Cow::Borrowed(documents)),
    }
}

/// Cuts the texts of a call site, which are repeated for each of its calls: those of a stranger may have megabytes.
fn shorten(site: &mut Site) {
    const LONGEST: usize = 1 << 14;
    let texts = [Some(&mut site.name), site.symbol.as_mut(), site.module.as_mut(), site.reason.as_mut()];
    for text in texts.into_iter().flatten() {
        text.truncate(first_bytes(text, LONGEST).len());
    }
}

impl Documents {
    /// Reads them; a document with an invalid form is an error that names its key.
    pub fn read(reader: &Reader) -> Result<Self, Error> {
        let mut documents = Self::default();
        for (key, json) in current(reader)?.iter() {
            documents
                .take(key, json)
                .map_err(|error| Error::new(format!("its document `{key}` is damaged")).caused_by(error))?;
        }
        Ok(documents)
    }

    /// Possible reasons that nothing was seen, as the rest of a sentence.
    pub fn blind_spots(&self) -> String {
        match self.not_armed.as_slice() {
            [] => String::new(),
            [one] => format!(" ({} cannot be observed: {})", one.what, one.why),
            [first, ..] => {
                format!(" ({} of them cannot be observed, such as {}: {})", self.not_armed.len(), first.what, first.why)
            }
        }
    }

    fn take(&mut self, key: &str, json: &str) -> serde_json::Result<()> {
        match key {
            "spec" => self.spec = Some(serde_json::from_str(json)?),
            "facts" => self.facts = serde_json::from_str(json)?,
            Site::KEY => {
                let mut site: Site = serde_json::from_str(json)?;
                shorten(&mut site);
                self.sites.insert(site.id, site);
            }
            "warmup" => {
                let warmup: Warmup = serde_json::from_str(json)?;
                self.warmups.insert(warmup.case, warmup);
            }
            "case" => {
                let end: CaseEnd = serde_json::from_str(json)?;
                self.cases.insert(end.index, end);
            }
            "hooks" => self.not_armed.extend(serde_json::from_str::<Hooks>(json)?.not_armed),
            "clock" => self.clock_ns = serde_json::from_str::<Clock>(json)?.read_ns,
            "engine" => self.traced.push(serde_json::from_str(json)?),
            "samples" => self.samples.push(serde_json::from_str(json)?),
            NAMES => self.names = Some(serde_json::from_str(json)?),
            "counters" => self.counters.push(serde_json::from_str(json)?),
            INQUIRY => self.inquiry = Some(serde_json::from_str(json)?),
            "warning" => self.warnings.push(serde_json::from_str::<Note>(json)?.text),
            _ => return Err(serde::de::Error::custom("no document of this version is called so")),
        }
        Ok(())
    }
}
