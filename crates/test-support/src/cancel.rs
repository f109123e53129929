//! Gives up on a call at each of its await points.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use keyway_host::audit::AuditEvent;
use serde_json::Value;

use crate::TestHost;

/// Polls a future at most `polls` times and gives `None` when it was not ready by then; it is
/// dropped in the middle of what it was doing.
///
/// Between two polls it waits until the future wakes its task, so that nothing spins.
pub async fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// How a call behaved when it was given up at each of its await points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallPolls {
    /// Calls that were given up in the middle.
    pub given_up: usize,
}

/// Calls are given up after this many polls at most.
const MOST_POLLS: usize = 10_000;

impl TestHost {
    /// Calls a tool again and again, each time giving up one await point later, until a call
    /// gets through; asserts that every call left exactly one event about its end.
    ///
    /// # Panics
    /// When a call left none or several, when the call waits for an operator or never ends.
    pub async fn give_up_everywhere(&self, tool: &str, arguments: &Value) -> CallPolls {
        let view = self.view();
        for polls in 1..MOST_POLLS {
            drop(self.audit().take());
            let ended = poll_at_most(polls, view.call(tool, arguments)).await;
            let ends: Vec<_> = self
                .audit_events()
                .into_iter()
                .filter(ends_a_call)
                .collect();
            assert_eq!(
                ends.len(),
                1,
                "a call of {tool} given up after {polls} polls left {ends:#?}"
            );
            if ended.is_some() {
                return CallPolls {
                    given_up: polls - 1,
                };
            }
            let cancelled = matches!(
                &ends[..],
                [AuditEvent::ToolCalled { outcome, .. }] if outcome == "CANCELLED"
            );
            assert!(
                cancelled,
                "a call given up after {polls} polls left {ends:?}"
            );
        }
        panic!("a call of {tool} did not end within {MOST_POLLS} polls");
    }
}

fn ends_a_call(event: &AuditEvent) -> bool {
    matches!(
        event,
        AuditEvent::ToolCalled { .. } | AuditEvent::CallDenied { .. }
    )
}
