//! The Firefox Profiler's processed profile.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile as Firefox, SamplingInterval,
    ThreadHandle, Timestamp, WeightType,
};

use super::{by_thread, frames, json, side};
use crate::profile::{Kind, Sample};
use crate::{Error, Profile, Role, Roles};

/// The profiler counts in whole samples: one stands for this part of a side.
const PARTS: f64 = 10_000.0;

pub(super) fn write(profile: &Profile, title: &str) -> Result<Vec<u8>, Error> {
    let interval = SamplingInterval::from_nanos(1000);
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let mut out = Firefox::new(title, start.into(), interval);
    // The names are already in it; the profiler need not look for any.
    out.set_symbolicated(true);
    let categories = categories(&mut out);
    let roles = Roles::default().of_all(profile);
    let mut processes = HashMap::new();
    for ((tag, thread), samples) in by_thread(profile) {
        let pid = u32::from(tag.0) + 1;
        let zero = Timestamp::from_nanos_since_reference(0);
        let process = *processes.entry(tag).or_insert_with(|| out.add_process(&side(tag), pid, zero));
        let is_main = thread == 0;
        let handle = out.add_thread(process, pid * 1000 + thread, zero, is_main);
        out.set_thread_name(handle, profile.thread(thread));
        out.set_thread_samples_weight_type(handle, WeightType::Samples);
        let each = profile.tags().get(&tag).map_or(1.0, |(_, weight)| weight / PARTS);
        let mut now = 0.0;
        for sample in samples {
            let stack: Vec<FrameInfo> = stack(&mut out, profile, sample, &roles, &categories);
            add(&mut out, handle, stack, now, sample, each);
            now += sample.weight;
        }
    }
    json(&out)
}

fn add(out: &mut Firefox, thread: ThreadHandle, stack: Vec<FrameInfo>, now: f64, sample: &Sample, each: f64) {
    let stack = out.intern_stack_frames(thread, stack.into_iter());
    let time = Timestamp::from_nanos_since_reference(now as u64);
    let cpu = CpuDelta::from_nanos(sample.weight as u64);
    let parts = (sample.weight / each).round() as i32;
    out.add_sample(thread, time, stack, cpu, parts.max(1));
}

fn stack(
    out: &mut Firefox,
    profile: &Profile,
    sample: &Sample,
    roles: &[Option<Role>],
    categories: &HashMap<Option<Role>, CategoryHandle>,
) -> Vec<FrameInfo> {
    let mut role = None;
    let frames = frames(profile, sample).into_iter();
    frames
        .map(|id| {
            let frame = profile.frame(id);
            role = roles[id.0 as usize].or(role);
            let name = match frame.module_name() {
                "" => frame.name.to_string(),
                module => format!("{} ({module})", frame.name),
            };
            let flags = match frame.kind {
                Kind::Python => FrameFlags::IS_RELEVANT_FOR_JS,
                _ => FrameFlags::empty(),
            };
            FrameInfo { frame: Frame::Label(out.intern_string(&name)), category_pair: categories[&role].into(), flags }
        })
        .collect()
}

/// A category for each role, and one for frames without a role.
fn categories(out: &mut Firefox) -> HashMap<Option<Role>, CategoryHandle> {
    let colour = |role| match role {
        Role::Dispatch => CategoryColor::Blue,
        Role::Conversion => CategoryColor::Purple,
        Role::Allocation => CategoryColor::Yellow,
        Role::PageFault => CategoryColor::Red,
        Role::Kernel => CategoryColor::Green,
        Role::Sync => CategoryColor::LightBlue,
        Role::Free => CategoryColor::Brown,
        Role::Interpreter => CategoryColor::Gray,
        Role::Observer => CategoryColor::Magenta,
    };
    let role = |role: Role| (Some(role), out.add_category(role.name(), colour(role)));
    let mut categories: HashMap<_, _> = Role::ALL.into_iter().map(role).collect();
    categories.insert(None, CategoryHandle::OTHER);
    categories
}
