//! The probes an operation fires, in order and with their arguments, and the spans at the same
//! places.

use std::sync::{Mutex, PoisonError};

use raptors_kernel::{Backend, Request, scale, scale_in_place, scaled};
use raptors_probes::{Observer, Text, set_observer};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::common::alone;

static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn add(event: String) {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).push(event);
}

fn text(name: Text) -> &'static str {
    name.to_c_str().to_str().unwrap()
}

static OBSERVER: Observer = Observer {
    scale_entry: |n, size, bits, kind| add(format!("scale-entry {n} {size} {bits:#x} {kind}")),
    scale_return: |n, ok| add(format!("scale-return {n} {ok}")),
    dispatch: |name, why, threads, n| {
        add(format!("dispatch {} {} {threads} {n}", text(name), text(why)));
    },
    alloc_entry: |bytes| add(format!("alloc-entry {bytes}")),
    alloc_return: |data, bytes, recycled| {
        add(format!("alloc-return {} {bytes} {recycled}", data % 64));
    },
    free_entry: |data, bytes| add(format!("free-entry {} {bytes}", data % 64)),
    free_return: |data, bytes| add(format!("free-return {} {bytes}", data % 64)),
    backend_entry: |name, n, src, dst, bits, size| {
        let place = if src == dst { "in place" } else { "out" };
        add(format!("backend-entry {} {n} {place} {bits:#x} {size}", text(name)));
    },
    backend_return: |name, n| add(format!("backend-return {} {n}", text(name))),
    chunk_entry: |thread, start, end| add(format!("chunk-entry {thread} {start}..{end}")),
    chunk_return: |thread, start, end| add(format!("chunk-return {thread} {start}..{end}")),
    ..Observer::NOOP
};

/// The events of `work`.
fn observed(work: impl FnOnce()) -> Vec<String> {
    let _alone = alone();
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    set_observer(Some(&OBSERVER));
    work();
    set_observer(None);
    std::mem::take(&mut EVENTS.lock().unwrap_or_else(PoisonError::into_inner))
}

fn by(name: &str, threads: usize) -> Request {
    Request { backend: Some(name.parse().unwrap()), threads: Some(threads), ..Request::default() }
}

#[test]
fn a_fresh_result() {
    let events = observed(|| drop(scaled(&[1.0f32; 5], 2.5, &by("simd", 1)).unwrap()));
    assert_eq!(
        events,
        [
            "scale-entry 5 4 0x40200000 0",
            "alloc-entry 20",
            "alloc-return 0 20 0",
            "dispatch simd asked for by the argument 1 5",
            "backend-entry simd 5 out 0x40200000 4",
            "backend-return simd 5",
            "scale-return 5 1",
            "free-entry 0 20",
            "free-return 0 20",
        ]
    );
}

#[test]
fn out_and_in_place() {
    let events = observed(|| {
        let mut dst = [0.0f64; 3];
        scale(&[1.0; 3], 0.5, &mut dst, &by("scalar", 1)).unwrap();
        scale_in_place(&mut dst, 0.5, &by("scalar", 1)).unwrap();
    });
    let half = "0x3fe0000000000000";
    assert_eq!(events[0], format!("scale-entry 3 8 {half} 1"));
    assert_eq!(events[2], format!("backend-entry scalar 3 out {half} 8"));
    assert_eq!(events[5], format!("scale-entry 3 8 {half} 2"));
    assert_eq!(events[7], format!("backend-entry scalar 3 in place {half} 8"));
}

#[test]
fn a_failure_returns_not_ok() {
    let events = observed(|| {
        scale(&[1.0f32; 2], 2.0, &mut [0.0; 3], &Request::default()).unwrap_err();
    });
    assert_eq!(events, ["scale-entry 2 4 0x40000000 1", "scale-return 2 0"]);
}

#[test]
fn pieces_cover_the_array_once_inside_the_backend() {
    let n = (3 << 20) + 5;
    let src = vec![1.0f32; n];
    let mut dst = vec![0.0f32; n];
    for (name, threads) in [("chunked", 1), ("parallel", 2)] {
        let events = observed(|| _ = scale(&src, 2.0, &mut dst, &by(name, threads)).unwrap());
        assert_eq!(events[2], format!("backend-entry {name} {n} out 0x40000000 4"));
        assert_eq!(events[events.len() - 2], format!("backend-return {name} {n}"));
        let mut ranges = Vec::new();
        let mut returns = 0;
        for event in &events[3..events.len() - 2] {
            let words: Vec<&str> = event.split(' ').collect();
            let (start, end) = words[2].split_once("..").unwrap();
            assert!(words[1].parse::<usize>().unwrap() < threads, "{event}");
            match words[0] {
                "chunk-entry" => ranges.push((start.parse().unwrap(), end.parse().unwrap())),
                "chunk-return" => returns += 1,
                other => panic!("{other} inside the backend"),
            }
        }
        ranges.sort_unstable();
        assert!(ranges.len() > 1 && returns == ranges.len(), "{name}: {events:?}");
        let joined = ranges.iter().fold(0, |at, (start, end): &(usize, usize)| {
            assert_eq!(at, *start, "{name}: a gap or an overlap");
            *end
        });
        assert_eq!(joined, n);
    }
}

/// Records spans as they are made, with their parents.
struct Spans;

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let path: Vec<_> = span.scope().from_root().map(|span| span.name()).collect();
        add(format!("{} {}", span.metadata().target(), path.join("/")));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let within = context.event_span(event).map_or("nothing", |span| span.name());
        add(format!("event in {within}"));
    }
}

#[test]
fn spans_are_at_the_same_places() {
    let _alone = alone();
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let subscriber = tracing_subscriber::registry().with(Spans);
    tracing::subscriber::with_default(subscriber, || {
        let request = Request { backend: Some(Backend::CHUNKED), threads: None, ..Request::default() };
        drop(scaled(&[1.0f32; 5], 2.5, &request).unwrap());
    });
    let events = std::mem::take(&mut *EVENTS.lock().unwrap());
    let expected = [
        "raptors scale",
        "raptors scale/alloc",
        "event in scale",
        "raptors scale/backend",
        "raptors scale/backend/chunk",
        "raptors free",
    ];
    assert_eq!(events, expected);
}
