//! One span for each call, in the words of OpenTelemetry; nothing where nobody wants it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use keyway_host::approval::{ApproveAll, DecideLater};
use keyway_host::catalog::{Approval, Operation};
use keyway_host::view::View;
use keyway_host::{Host, Outcome};
use keyway_plugin_api::{Plugin, Register, RegisterError, tool};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::plugins::Sums;
use super::{id, operator};

/// Waits for ever.
#[tool(effect = read)]
async fn wait() {
    std::future::pending::<()>().await;
}

struct Waits;

impl Plugin for Waits {
    fn manifest(&self) -> Cow<'static, str> {
        super::plugins::SUMS
            .replace("sums", "waits")
            .replace(r#""add", "keep", "wipe""#, r#""wait""#)
            .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Wait)?;
        Ok(())
    }
}

/// Keeps the spans of calls, with their fields and whether they were closed.
#[derive(Default)]
struct Recording {
    is_interested: bool,
    spans: Mutex<Vec<Span>>,
    entered: AtomicUsize,
}

#[derive(Debug, Default, Clone)]
struct Span {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
    is_closed: bool,
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

/// A subscriber is shared with the test that looks at it.
struct Shared(Arc<Recording>);

impl Subscriber for Shared {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.is_interested && metadata.is_span() && metadata.target() == "keyway::call"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.0.spans.lock().unwrap();
        let mut kept = Span {
            name: span.metadata().name(),
            ..Span::default()
        };
        span.record(&mut Fields(&mut kept.fields));
        spans.push(kept);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = self.0.spans.lock().unwrap();
        values.record(&mut Fields(&mut spans[at(span)].fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {
        self.0.entered.fetch_add(1, Ordering::SeqCst);
    }

    fn exit(&self, _: &Id) {}

    fn try_close(&self, span: Id) -> bool {
        // A clone of a span is not counted here, so the last word counts.
        self.0.spans.lock().unwrap()[at(&span)].is_closed = true;
        true
    }
}

fn at(span: &Id) -> usize {
    usize::try_from(span.into_u64()).unwrap() - 1
}

/// Runs calls of a view under a subscriber; returns the spans.
fn under(is_interested: bool, host: &Host, calls: impl AsyncFnOnce(View)) -> Arc<Recording> {
    let recording = Arc::new(Recording {
        is_interested,
        ..Recording::default()
    });
    let view = host.view("acme/support/triage".parse().unwrap());
    // tracing may keep "nobody wants it" of a span whose first use, in another test, runs while a
    // subscriber is made: the first use is over before this one is.
    block_on(view.call("sums/add", "{}")).unwrap_err();
    let dispatch = Dispatch::new(Shared(Arc::clone(&recording)));
    tracing::dispatcher::with_default(&dispatch, || block_on(calls(view)));
    recording
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

fn started() -> Host {
    let host = Host::builder("test", "1.0.0")
        .approver(ApproveAll)
        .plugin(Sums::default())
        .plugin(Waits)
        .build()
        .unwrap();
    block_on(host.start());
    host
}

#[track_caller]
fn only(recording: &Recording) -> Span {
    match &recording.spans.lock().unwrap()[..] {
        [span] => span.clone(),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_call_is_a_span_in_the_words_of_opentelemetry() {
    let recording = under(true, &started(), async |view| {
        view.call("sums/add", r#"{"a":1,"b":41999}"#).await.unwrap();
    });
    let span = only(&recording);
    assert_eq!(span.name, "execute_tool");
    let number = span.fields["gen_ai.tool.call.id"].clone();
    number.parse::<u64>().unwrap();
    let expected = [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.call.id", &number),
        ("gen_ai.tool.description", "Adds two numbers."),
        ("gen_ai.tool.name", "sums/add"),
        ("keyway.caller", "acme/support/triage"),
        ("keyway.plugin", "sums"),
        ("otel.name", "execute_tool sums/add"),
    ];
    let expected = expected.map(|(name, value)| (name, value.to_owned()));
    assert_eq!(span.fields, BTreeMap::from(expected));
    assert!(span.is_closed);
    assert!(recording.entered.load(Ordering::SeqCst) > 0);
    assert!(!format!("{span:?}").contains("41999"), "arguments stay out");
}

#[test]
fn a_call_that_fails_says_its_code_and_an_unknown_tool_is_no_call() {
    let recording = under(true, &started(), async |view| {
        view.call("sums/add", r#"{"a":1}"#).await.unwrap_err();
        view.call("sums/none", "{}").await.unwrap_err();
    });
    let span = only(&recording);
    assert_eq!(span.fields["error.type"], "INVALID_ARGUMENTS");
    assert_eq!(span.fields["otel.status_code"], "ERROR");
}

#[test]
fn a_call_that_is_dropped_says_that_it_was_cancelled() {
    let host = started();
    let recording = under(true, &host, async |view| {
        let call = view.call("waits/wait", "{}");
        let limit = std::time::Duration::from_millis(20);
        tokio::time::timeout(limit, call).await.unwrap_err();
    });
    let span = only(&recording);
    assert_eq!(span.fields["error.type"], "CANCELLED");
    assert!(span.is_closed);
}

#[test]
fn a_call_that_waits_for_an_operator_is_no_error() {
    let host = Host::builder("test", "1.0.0")
        .approver(DecideLater)
        .plugin(Sums::default())
        .build()
        .unwrap();
    block_on(host.start());
    let plugin = id("sums");
    let approval = Approval::by(operator("ada"));
    block_on(host.run(&Operation::Approve { plugin, approval })).unwrap();
    let recording = under(true, &host, async |view| {
        let outcome = view.call("sums/wipe", "{}").await.unwrap();
        assert!(matches!(outcome, Outcome::NeedsApproval(_)));
    });
    let span = only(&recording);
    assert_eq!(span.fields["gen_ai.tool.name"], "sums/wipe");
    assert_eq!(span.fields.get("error.type"), None);
}

#[test]
fn a_subscriber_that_wants_no_calls_gets_none() {
    let recording = under(false, &started(), async |view| {
        view.call("sums/add", r#"{"a":1,"b":2}"#).await.unwrap();
    });
    assert!(recording.spans.lock().unwrap().is_empty());
    assert_eq!(recording.entered.load(Ordering::SeqCst), 0);
}
