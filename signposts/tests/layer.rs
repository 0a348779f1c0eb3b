//! The intervals that spans begin and end, recorded by a sink that keeps a list.

use std::sync::{Arc, Mutex, PoisonError};

use raptors_kernel::{Backend, Request, scaled};
use raptors_signposts::{Detail, Name, Round, Side, Signposts, Sink};
use tracing::{info_span, trace_span};
use tracing_subscriber::layer::SubscriberExt;

/// The events that a sink got: `+` begins, `-` ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    sign: char,
    name: Name,
    id: u64,
    message: String,
}

#[derive(Clone, Default)]
struct List {
    told: Arc<Mutex<Vec<Told>>>,
    deaf: bool,
}

impl List {
    fn add(&self, sign: char, name: Name, id: u64, message: &str) {
        let message = message.to_owned();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(Told { sign, name, id, message });
    }

    fn all(&self) -> Vec<Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn shown(&self) -> Vec<String> {
        let show = |told: &Told| format!("{}{} {}", told.sign, told.name.text(), told.message);
        self.all().iter().map(|told| show(told).trim_end().to_owned()).collect()
    }
}

impl Sink for List {
    fn listens(&self) -> bool {
        !self.deaf
    }

    fn begin(&self, name: Name, id: u64, message: &str) {
        self.add('+', name, id, message);
    }

    fn end(&self, name: Name, id: u64) {
        self.add('-', name, id, "");
    }
}

/// Levels belong to the process, and each test has its own layer.
static ALONE: Mutex<()> = Mutex::new(());

/// The events that the spans of `work` add to a list.
fn listened(list: &List, work: impl FnOnce(&Detail)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let layer = Signposts::new(list.clone());
    let detail = layer.detail();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || work(&detail));
}

/// Every interval that begins ends once, before its id begins another one.
fn paired(told: &[Told]) {
    let mut open: Vec<(Name, u64)> = Vec::new();
    for one in told {
        let key = (one.name, one.id);
        assert!(one.id != 0 && one.id != u64::MAX);
        match one.sign {
            '+' => {
                assert!(!open.contains(&key), "{key:?} begins twice");
                open.push(key);
            }
            _ => {
                let place = open.iter().position(|other| *other == key);
                open.remove(place.unwrap_or_else(|| panic!("{key:?} ends and never began")));
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn the_kernel_s_spans_have_names_of_their_own_and_nest() {
    let list = List::default();
    listened(&list, |_| {
        let request = Request { backend: Some(Backend::SCALAR), ..Request::default() };
        drop(scaled(&[1.0_f32, 2.0], 2.5, &request).unwrap());
    });
    let shown = list.shown();
    paired(&list.all());
    assert_eq!(
        shown,
        [
            "+scale n=2 item_size=4 kind=0",
            "+alloc bytes=8",
            "-alloc",
            "+backend backend=scalar n=2",
            "-backend",
            "-scale",
            "+free bytes=8",
            "-free",
        ]
    );
}

#[test]
fn no_span_of_the_kernel_is_without_a_name() {
    let source = include_str!("../../kernel/src/trace.rs");
    let literal = |line: &str| {
        let (before, after) = line.split_once('"')?;
        let makes = ["span!(", "within!(work; ", "choice, n); "];
        let makes = makes.iter().any(|call| before.ends_with(call));
        makes.then(|| after.split_once('"').map(|(name, _)| name.to_owned()))?
    };
    // A span's name may be on the line below its macro.
    let joined = source.replace("span!(\n", "span!(");
    let joined: Vec<String> = joined.lines().map(|line| line.replace("(            ", "(")).collect();
    let names: Vec<String> = joined.iter().filter_map(|line| literal(line)).collect();
    assert_eq!(names, ["scale", "backend", "chunk", "alloc", "free", "convert"]);
    for name in names {
        assert_ne!(Name::of(&name), Name::Span, "{name} is not in the list");
    }
}

#[test]
fn threads_have_intervals_of_their_own() {
    let list = List::default();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(Signposts::new(list.clone())));
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for thread in 0..2_u32 {
            let (dispatch, barrier) = (&dispatch, &barrier);
            scope.spawn(move || {
                tracing::dispatcher::with_default(dispatch, || {
                    let _entered = trace_span!(target: "raptors", "chunk", thread).entered();
                    // Both are open at the same time.
                    barrier.wait();
                });
            });
        }
    });
    let told = list.all();
    paired(&told);
    let signs: String = told.iter().map(|told| told.sign).collect();
    assert_eq!(signs, "++--");
    assert_ne!(told[0].id, told[1].id);
}

#[test]
fn a_span_that_is_entered_again_goes_on_with_its_interval() {
    let list = List::default();
    listened(&list, |_| {
        let span = trace_span!(target: "raptors", "scale");
        let outer = span.enter();
        let inner = span.enter();
        drop(inner);
        assert_eq!(list.shown(), ["+scale"]);
        drop(outer);
        assert_eq!(list.shown(), ["+scale", "-scale"]);
        span.in_scope(|| ());
    });
    paired(&list.all());
    assert_eq!(list.shown(), ["+scale", "-scale", "+scale", "-scale"]);
}

#[test]
fn a_span_that_is_never_entered_and_those_of_others_have_none() {
    let list = List::default();
    listened(&list, |_| {
        drop(trace_span!(target: "raptors", "scale"));
        trace_span!(target: "somebody", "scale").in_scope(|| ());
    });
    assert!(list.shown().is_empty());
}

#[test]
fn a_name_out_of_the_list_is_in_the_message() {
    let list = List::default();
    listened(&list, |_| {
        trace_span!(target: "raptors", "brew", cups = 2, of = "te\0a").in_scope(|| ());
        let long = "é".repeat(2000);
        trace_span!(target: "raptors", "x", long).in_scope(|| ());
    });
    let told = list.all();
    paired(&told);
    assert_eq!(list.shown()[..2], ["+span brew cups=2 of=tea", "-span"]);
    assert!(told[2].message.len() <= 512 && told[2].message.starts_with("x long=éé"));
}

#[test]
fn nothing_is_begun_while_nobody_listens() {
    let list = List { deaf: true, ..List::default() };
    listened(&list, |_| {
        trace_span!(target: "raptors", "scale").in_scope(|| ());
    });
    assert!(list.shown().is_empty());
}

#[test]
fn without_detail_the_kernel_is_unheard_and_rounds_are_not() {
    use tracing::level_filters::LevelFilter;

    let list = List::default();
    listened(&list, |detail| {
        let both = || {
            info_span!(target: "raptors", "side A").in_scope(|| {
                drop(scaled(&[1.0_f32], 2.5, &Request::default()).unwrap());
            });
        };
        detail.set(false);
        // The check that the kernel does before it makes a span.
        assert!(LevelFilter::current() < LevelFilter::TRACE);
        both();
        assert_eq!(list.shown(), ["+side A", "-side A"]);
        detail.set(true);
        assert_eq!(LevelFilter::current(), LevelFilter::TRACE);
        both();
    });
    paired(&list.all());
    assert!(list.shown().len() > 6);
}

#[test]
fn a_round_is_read_from_the_message_of_its_interval() {
    let round = Round { ops: 200, kind: "timed", case: "operation float32 512 × 512", name: "num=py ops=3" };
    for side in Side::ALL {
        let list = List::default();
        listened(&list, |_| round.span(side).in_scope(|| ()));
        let told = list.all();
        paired(&told);
        assert_eq!(Side::of(told[0].name.text()), Some(side));
        assert_eq!(told[0].message, round.to_string());
        assert_eq!(Round::parse(&told[0].message), Some(round));
    }
}
