//! What every audit sink does.

use std::thread;

use keyway_host::audit::{AuditEvent, AuditSink, Head};
use keyway_plugin_api::LogLevel;

/// Holds an [`AuditSink`] to its contract.
///
/// `make` makes an empty sink and a function that reads back what it keeps, in order.
///
/// # Panics
/// With the rule that does not hold.
#[track_caller]
pub fn audit_sink<S, Read>(make: impl Fn() -> (S, Read))
where
    S: AuditSink,
    Read: Fn() -> Vec<AuditEvent>,
{
    let (sink, read) = make();
    events_are_kept_in_order(&sink, &read);
    let (sink, read) = make();
    a_durable_record_takes_everything_before_it_along(&sink, &read);
    let (sink, _read) = make();
    heads_go_forward(&sink);
    let (sink, read) = make();
    threads_lose_nothing(&sink, &read);
    let (sink, read) = make();
    what_was_written_stays_as_it_was(&sink, &read);
}

fn note(text: impl Into<Box<str>>) -> AuditEvent {
    AuditEvent::Notice {
        level: LogLevel::Info,
        plugin: None,
        message: text.into(),
    }
}

#[track_caller]
fn flush(sink: &impl AuditSink) {
    if let Err(error) = sink.flush() {
        panic!("flush failed: {error}");
    }
}

#[track_caller]
fn durably(sink: &impl AuditSink, event: AuditEvent) -> Head {
    match sink.record_durably(event) {
        Ok(head) => head,
        Err(error) => panic!("a healthy sink must record durably: {error}"),
    }
}

#[track_caller]
fn events_are_kept_in_order(sink: &impl AuditSink, read: &impl Fn() -> Vec<AuditEvent>) {
    assert!(
        sink.health().is_healthy(),
        "a new sink must be healthy, it is {:?}",
        sink.health()
    );
    let events: Vec<_> = (0..100).map(|i| note(i.to_string())).collect();
    for event in &events {
        sink.record(event.clone());
    }
    flush(sink);
    assert_eq!(
        read(),
        events,
        "a thread's events must be kept in their order"
    );
}

#[track_caller]
fn a_durable_record_takes_everything_before_it_along(
    sink: &impl AuditSink,
    read: &impl Fn() -> Vec<AuditEvent>,
) {
    sink.record(note("first"));
    sink.record(note("second"));
    durably(sink, note("third"));
    assert_eq!(
        read(),
        [note("first"), note("second"), note("third")],
        "what a thread recorded before a durable record must be kept when that returns"
    );
}

#[track_caller]
fn heads_go_forward(sink: &impl AuditSink) {
    let mut last = Head::empty();
    for i in 0..10 {
        sink.record(note("in between"));
        let head = durably(sink, note(i.to_string()));
        assert!(
            head.seq > last.seq && head.hash != last.hash,
            "each durable record must have a place of its own: {head} after {last}"
        );
        last = head;
    }
}

#[track_caller]
fn threads_lose_nothing(sink: &impl AuditSink, read: &impl Fn() -> Vec<AuditEvent>) {
    const THREADS: usize = 4;
    const EACH: usize = 50;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for i in 0..EACH {
                    let event = note(format!("{thread} {i:03}"));
                    match i % 10 {
                        9 => drop(sink.record_durably(event)),
                        _ => sink.record(event),
                    }
                }
            });
        }
    });
    flush(sink);
    let kept = read();
    assert_eq!(
        kept.len(),
        THREADS * EACH,
        "events of concurrent threads must all be kept, once"
    );
    for thread in 0..THREADS {
        let mine = format!("{thread} ");
        let texts: Vec<_> = kept.iter().filter_map(text).collect();
        let of_thread: Vec<_> = texts.into_iter().filter(|t| t.starts_with(&mine)).collect();
        assert!(
            of_thread.len() == EACH && of_thread.is_sorted(),
            "each thread's events must be kept in its order"
        );
    }
}

fn text(event: &AuditEvent) -> Option<&str> {
    match event {
        AuditEvent::Notice { message, .. } => Some(message),
        _ => None,
    }
}

#[track_caller]
fn what_was_written_stays_as_it_was(sink: &impl AuditSink, read: &impl Fn() -> Vec<AuditEvent>) {
    durably(sink, note("one"));
    let before = read();
    durably(sink, note("two"));
    let after = read();
    assert!(
        after.starts_with(&before) && after.len() == before.len() + 1,
        "a trail must only grow: {before:?} became {after:?}"
    );
}
