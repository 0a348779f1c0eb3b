//! The command's part in rounds that a tracer watches: it starts the tracer when the driver is ready, and hands back
//! what it saw, for the run file.

use std::path::PathBuf;

use crate::analysis;
use crate::model::error::Error;
use crate::model::protocol::{Go, Spec};
use crate::model::tool::Tool;
use crate::tracers::engines::{self, Traced, Watching};
use crate::tracers::tool;

/// The tracers of one run.
pub struct Tracing {
    tracers: Vec<Tool>,
    recording: PathBuf,
    /// The one at work, or why there is none.
    current: Option<Result<Watching, Traced>>,
}

impl Tracing {
    /// None at work yet.
    pub fn new(spec: &Spec) -> Self {
        Self { tracers: spec.tracers.clone(), recording: PathBuf::from(&spec.recording), current: None }
    }

    /// The driver, process `pid`, is ready for the tracer of this number: starts it, and gives the answer.
    /// `interrupted` tells whether the user has asked to end the run.
    pub fn ready(&mut self, number: usize, pid: u32, interrupted: &dyn Fn() -> bool) -> Go {
        let Some(&tracer) = self.tracers.get(number) else {
            return Go { go: false };
        };
        let started = self.start(tracer, pid, interrupted);
        let go = started.is_ok();
        self.current = Some(started.map_err(|error| Traced::refused(tracer, &error)));
        Go { go }
    }

    fn start(&self, tracer: Tool, pid: u32, interrupted: &dyn Fn() -> bool) -> Result<Watching, Error> {
        let plan = analysis::plan(&self.recording, pid)?;
        engines::start(&tool::find(tracer)?, &plan, interrupted)
    }

    /// The driver has run the rounds of the tracer of this number: ends it, and gives what it saw.
    pub fn traced(&mut self, number: usize) -> Traced {
        match self.current.take() {
            Some(Ok(watching)) => watching.finish().unwrap_or_else(|error| {
                let tracer = self.tracers.get(number).copied().unwrap_or(Tool::Bpftrace);
                Traced::refused(tracer, &error)
            }),
            Some(Err(refused)) => refused,
            None => Traced::default(),
        }
    }
}
