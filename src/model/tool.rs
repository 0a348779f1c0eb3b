//! The tools that look at a process from outside, and who sees what it does.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A tool that looks at a process from outside. What each needs and how it is run: `tracers::tool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// bpftrace 0.17 or later (Linux).
    Bpftrace,
    /// DTrace: macOS's, or DTrace 2 on Linux.
    Dtrace,
    /// perf (Linux).
    Perf,
    /// `sample` (macOS).
    Sample,
    /// Apple's Instruments, by `xcrun xctrace` (macOS).
    Instruments,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bpftrace, Self::Dtrace, Self::Perf, Self::Sample, Self::Instruments];

    /// Its name on the command line and in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bpftrace => "bpftrace",
            Self::Dtrace => "dtrace",
            Self::Perf => "perf",
            Self::Sample => "sample",
            Self::Instruments => "instruments",
        }
    }

    /// Its name in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dtrace => "DTrace",
            Self::Instruments => "Instruments",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who sees calls, or samples stacks: observers in the process itself, or a tool from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "Cow<'_, str>")]
pub enum Engine {
    /// The process itself; no root, no frames of the operating system's kernel.
    #[default]
    Inprocess,
    /// A tool.
    Outside(Tool),
}

impl Engine {
    /// Its name on the command line and in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inprocess => "inprocess",
            Self::Outside(tool) => tool.as_str(),
        }
    }

    /// The tool, where it is one.
    pub fn tool(self) -> Option<Tool> {
        match self {
            Self::Inprocess => None,
            Self::Outside(tool) => Some(tool),
        }
    }
}

impl From<Engine> for &'static str {
    fn from(engine: Engine) -> Self {
        engine.as_str()
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let tools = Tool::ALL.into_iter().map(Self::Outside);
        let mut all = [Self::Inprocess].into_iter().chain(tools);
        all.find(|engine| engine.as_str() == name).ok_or_else(|| format!("there is no engine `{name}`"))
    }
}

impl TryFrom<Cow<'_, str>> for Engine {
    type Error = String;

    fn try_from(name: Cow<'_, str>) -> Result<Self, String> {
        name.parse()
    }
}

impl JsonSchema for Engine {
    fn schema_name() -> Cow<'static, str> {
        "SampledBy".into()
    }

    /// Where JSON holds one, it is a sampler of stacks in rounds.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Who samples stacks.",
            "oneOf": [
                {
                    "const": "inprocess",
                    "description":
                        "A sampler in the process itself; no root, no frames of the operating system's kernel.",
                    "type": "string",
                },
                { "const": "perf", "description": "perf (Linux), which shows them.", "type": "string" },
            ],
        })
    }
}

/// The engines of one run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engines(pub &'static [Engine]);

impl Engines {
    /// All that see calls, beside each other.
    pub const ALL: Self = Self(&[Engine::Inprocess, Engine::Outside(Tool::Bpftrace), Engine::Outside(Tool::Dtrace)]);

    /// One alone.
    pub fn one(engine: Engine) -> Self {
        let place = Self::ALL.0.iter().position(|&other| other == engine);
        Self(place.map_or(&[], |place| &Self::ALL.0[place..=place]))
    }

    /// The tools among them.
    pub fn tools(self) -> Vec<Tool> {
        self.0.iter().filter_map(|engine| engine.tool()).collect()
    }

    /// Their names, as the JSON has them.
    pub fn names(self) -> Vec<&'static str> {
        self.0.iter().map(|engine| engine.as_str()).collect()
    }
}

impl Default for Engines {
    fn default() -> Self {
        Self::one(Engine::Inprocess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_read_by_the_name_it_is_written_with() {
        for engine in [Engine::Inprocess].into_iter().chain(Tool::ALL.map(Engine::Outside)) {
            let text = serde_json::to_string(&engine).unwrap();
            assert_eq!(text, format!("\"{}\"", engine.as_str()));
            assert_eq!(serde_json::from_str::<Engine>(&text).unwrap(), engine);
        }
        let error = serde_json::from_str::<Engine>("\"gdb\"").unwrap_err();
        assert!(error.to_string().contains("there is no engine `gdb`"), "{error}");
    }

    #[test]
    fn a_run_has_one_engine_or_all_that_see_calls() {
        assert_eq!(Engines::default().names(), ["inprocess"]);
        assert_eq!(Engines::one(Engine::Outside(Tool::Dtrace)).tools(), [Tool::Dtrace]);
        assert_eq!(Engines::ALL.names(), ["inprocess", "bpftrace", "dtrace"]);
    }
}
