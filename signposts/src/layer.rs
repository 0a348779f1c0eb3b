//! The layer: it maps spans to intervals.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::{Name, TARGET};

/// Longest message, in bytes: the system cuts longer ones at an arbitrary place.
const LONGEST: usize = 512;

/// The destination of intervals.
pub trait Sink: Send + Sync + 'static {
    /// Whether anything records intervals; if not, none is begun.
    fn listens(&self) -> bool;
    /// An interval begins. `id` distinguishes it from other open intervals of the same name; it is neither 0 nor
    /// `u64::MAX`.
    fn begin(&self, name: Name, id: u64, message: &str);
    /// The interval of that name and id ends.
    fn end(&self, name: Name, id: u64);
}

/// A layer that begins an interval when a span of the target [`TARGET`] is entered and ends it when the span is left.
///
/// A span that is entered again while it is entered, on any thread, keeps its interval until it was left as often as it
/// was entered. A span that is never entered has no interval.
#[derive(Debug)]
pub struct Signposts<K> {
    sink: K,
    detail: Detail,
}

impl<K: Sink> Signposts<K> {
    /// A layer that writes to `sink`. It includes the kernel's spans from the beginning.
    pub fn new(sink: K) -> Self {
        let detail = Detail(Arc::new(AtomicBool::new(true)));
        Self { sink, detail }
    }

    /// Switches the kernel's spans off and on.
    pub fn detail(&self) -> Detail {
        self.detail.clone()
    }
}

/// Whether spans below the level INFO, which are the kernel's, become intervals too. While they do not, and no other
/// layer asks for them, they cost what they cost without any layer.
#[derive(Clone, Debug)]
pub struct Detail(Arc<AtomicBool>);

impl Detail {
    /// Sets it.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
        // This recomputes the level that call sites compare with; nothing else does.
        tracing_core::callsite::rebuild_interest_cache();
    }

    fn level(&self) -> Level {
        if self.0.load(Ordering::Relaxed) { Level::TRACE } else { Level::INFO }
    }
}

/// The data kept with a span.
struct Interval {
    name: Name,
    message: String,
    /// Entries minus exits; the interval is open while this is not 0.
    entered: u32,
    /// Whether the sink got the beginning.
    begun: bool,
}

impl<S, K> Layer<S> for Signposts<K>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    K: Sink,
{
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.detail.level().into())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        // Another layer may have asked for more than this one wants.
        let wanted = metadata.target() == TARGET && *metadata.level() <= self.detail.level();
        if !(wanted && self.sink.listens()) {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let name = Name::of(metadata.name());
        let mut message = Message::default();
        if name == Name::Span {
            message.0.push_str(metadata.name());
        }
        attributes.record(&mut message);
        span.extensions_mut().insert(Interval { name, message: message.finish(), entered: 0, begun: false });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(interval) = extensions.get_mut::<Interval>() else {
            return;
        };
        interval.entered += 1;
        if interval.entered == 1 {
            self.sink.begin(interval.name, id.into_u64(), &interval.message);
            interval.begun = true;
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(interval) = extensions.get_mut::<Interval>() else {
            return;
        };
        interval.entered = interval.entered.saturating_sub(1);
        if interval.entered == 0 && interval.begun {
            interval.begun = false;
            self.sink.end(interval.name, id.into_u64());
        }
    }
}

/// A span's fields as `name=value`, in their order.
#[derive(Default)]
struct Message(String);

impl Message {
    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let gap = if self.0.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = write!(self.0, "{gap}{}={value}", field.name());
    }

    /// The text without NUL, which would end it early, and no longer than the system accepts.
    fn finish(mut self) -> String {
        self.0.retain(|c| c != '\0');
        let end = (0..=LONGEST.min(self.0.len())).rfind(|&end| self.0.is_char_boundary(end));
        self.0.truncate(end.unwrap_or(0));
        self.0
    }
}

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}
