//! Trace events, as chrome://tracing and Perfetto read them: a side is a process.

use serde::Serialize;
use serde_json::{Value, json};

use super::{by_thread, frames, side};
use crate::profile::{FrameId, Sample, Unit};
use crate::{Error, Profile};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    trace_events: Vec<Event<'a>>,
    display_time_unit: &'static str,
    other_data: Value,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    /// `X` is a function from its beginning to its end, `M` describes a process or thread.
    ph: &'static str,
    pid: u32,
    tid: u32,
    /// Microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Value>,
}

pub(super) fn write(profile: &Profile, title: &str) -> Result<Vec<u8>, Error> {
    let mut events = Vec::new();
    for ((tag, thread), samples) in by_thread(profile) {
        let (pid, tid) = (u32::from(tag.0) + 1, thread + 1);
        let about = |name, value: &str| Event {
            name,
            ph: "M",
            pid,
            tid,
            ts: None,
            dur: None,
            args: Some(json!({ "name": value })),
        };
        events.push(about("process_name", &side(tag)));
        events.push(about("thread_name", profile.thread(thread)));
        events.extend(functions(profile, samples).into_iter().map(|(id, start, end)| Event {
            name: &profile.frame(id).name,
            ph: "X",
            pid,
            tid,
            ts: Some(start / 1e3),
            dur: Some((end - start) / 1e3),
            args: None,
        }));
    }
    let axis = match profile.unit() {
        Unit::Samples => "a microsecond is a thousand samples",
        Unit::NanosecondsPerOperation => "one operation, put together from all samples",
    };
    super::json(&File {
        trace_events: events,
        display_time_unit: "ns",
        other_data: json!({ "title": title, "axis": axis }),
    })
}

/// Functions with their beginning and end, callers before callees. Samples with the same beginning are adjacent, so
/// each function occurs once.
fn functions(profile: &Profile, samples: Vec<&Sample>) -> Vec<(FrameId, f64, f64)> {
    let mut stacks: Vec<(Vec<FrameId>, f64)> =
        samples.iter().map(|sample| (frames(profile, sample), sample.weight)).collect();
    stacks.sort_by(|one, other| one.0.cmp(&other.0));
    let mut done: Vec<(FrameId, f64, f64)> = Vec::new();
    // The functions that have begun, as indices into the result.
    let mut open: Vec<usize> = Vec::new();
    let mut now = 0.0;
    for (stack, weight) in &stacks {
        let alike = open.iter().zip(stack).take_while(|&(&index, id)| done[index].0 == *id).count();
        open.truncate(alike);
        for &id in &stack[alike..] {
            open.push(done.len());
            done.push((id, now, now));
        }
        now += weight;
        for &index in &open {
            done[index].2 = now;
        }
    }
    done
}
