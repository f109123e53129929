//! A tracer for tests: keeps the spans of MCP and of calls, and joins them across the wire.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use keyway_mcp::{TraceContext, TraceLink};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// The trace in which every span is.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// One span, as it was left.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    pub(crate) name: &'static str,
    pub(crate) fields: BTreeMap<&'static str, String>,
    /// The span around it in this process.
    pub(crate) around: Option<usize>,
    /// The span that came along over the wire.
    pub(crate) came: Option<usize>,
    pub(crate) is_closed: bool,
}

impl Kept {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Spans {
    all: Vec<Kept>,
    /// Those that are entered, innermost last.
    entered: Vec<usize>,
    /// How many hold each.
    handles: Vec<usize>,
}

/// Keeps spans. Clones share what they keep.
#[derive(Clone, Default)]
pub(crate) struct Recording(Arc<Mutex<Spans>>);

impl Recording {
    /// Runs a future, and all that it spawns, on this thread and under this tracer.
    ///
    /// `first` runs before it under no tracer: tracing may keep "nobody wants it" of a span whose first
    /// use, in another test, runs while a tracer is made.
    pub(crate) fn of<T>(
        first: impl Future<Output = ()>,
        then: impl AsyncFnOnce(Self) -> T,
    ) -> (T, Self) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(first);
        let recording = Self::default();
        let dispatch = Dispatch::new(recording.clone());
        let result = tracing::dispatcher::with_default(&dispatch, || {
            runtime.block_on(then(recording.clone()))
        });
        (result, recording)
    }

    /// Returns the spans in the order in which they were opened.
    pub(crate) fn spans(&self) -> Vec<Kept> {
        self.lock().all.clone()
    }

    /// Returns the spans of one side, `mcp.client` or `mcp.server`, that have a field's value, and
    /// their places.
    pub(crate) fn with(&self, name: &str, field: &str, value: &str) -> Vec<(usize, Kept)> {
        let spans = self.spans().into_iter().enumerate();
        let is_it = |(_, span): &(usize, Kept)| span.name == name && span.field(field) == value;
        spans.filter(is_it).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Spans> {
        self.0.lock().unwrap()
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

fn id(place: usize) -> Id {
    Id::from_u64(place as u64 + 1)
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Recording {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let is_ours = target.starts_with("keyway_mcp::") || target == "keyway::call";
        metadata.is_span() && is_ours && *metadata.level() <= Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.lock();
        let innermost = spans.entered.last().copied();
        let mut kept = Kept {
            name: span.metadata().name(),
            around: match span.is_contextual() {
                true => innermost,
                false => span.parent().map(place),
            },
            ..Kept::default()
        };
        span.record(&mut Fields(&mut kept.fields));
        spans.all.push(kept);
        spans.handles.push(1);
        id(spans.all.len() - 1)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = self.lock();
        values.record(&mut Fields(&mut spans.all[place(span)].fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.lock().entered.push(place(span));
    }

    fn exit(&self, span: &Id) {
        let mut spans = self.lock();
        let at = spans.entered.iter().rposition(|p| *p == place(span));
        spans.entered.remove(at.unwrap());
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.lock().handles[place(span)] += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut spans = self.lock();
        let place = place(&span);
        spans.handles[place] -= 1;
        spans.all[place].is_closed = spans.handles[place] == 0;
        spans.all[place].is_closed
    }
}

impl TraceLink for Recording {
    fn context_of(&self, span: &tracing::Span) -> Option<TraceContext> {
        let number = span.id()?.into_u64();
        let parent = format!("00-{TRACE}-{number:016x}-01");
        let trace = TraceContext::parse(&parent, Some("keyway=test"))?;
        Some(trace.with_baggage("userId=alice"))
    }

    fn adopt(&self, span: &tracing::Span, parent: &TraceContext) {
        let number = parent.parent().split('-').nth(2).unwrap();
        let number = u64::from_str_radix(number, 16).unwrap();
        let mut spans = self.lock();
        let place = place(&span.id().unwrap());
        spans.all[place].came = Some(usize::try_from(number).unwrap() - 1);
    }
}
