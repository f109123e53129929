//! What every approver does.

use std::time::Duration;

use keyway_host::approval::{ApprovalRequest, Approver, Decision};
use keyway_host::digest::Digest;
use serde_json::{Value, json};

/// Holds an [`Approver`] to its contract. A decision may take as long as `patience`.
///
/// # Panics
/// With the rule that does not hold.
pub async fn approver(approver: impl Approver, patience: Duration) {
    let plugin = plugin_request();
    plugins_are_approved_denied_or_left(&review(&approver, &plugin, patience).await);
    let call = call_request();
    calls_get_a_decision_that_can_be_carried_out(&review(&approver, &call, patience).await);
    reviews_run_side_by_side(&approver, patience).await;
}

async fn review(
    approver: &impl Approver,
    request: &ApprovalRequest,
    patience: Duration,
) -> Decision {
    match tokio::time::timeout(patience, approver.review(request)).await {
        Ok(decision) => decision,
        Err(_) => panic!("a review must end: {request:?} took longer than {patience:?}"),
    }
}

fn plugins_are_approved_denied_or_left(decision: &Decision) {
    match decision {
        Decision::Approve { optional } => {
            let asked = ["filesystem:write:./notes".to_owned()];
            assert!(
                optional.iter().all(|tag| asked.contains(tag)),
                "only what a plugin asks for can be granted: {optional:?}"
            );
        }
        Decision::Deny { reason } => assert_reason(reason),
        Decision::Later => {}
        other => panic!("a plugin is approved, denied or left for later, not {other:?}"),
    }
}

fn calls_get_a_decision_that_can_be_carried_out(decision: &Decision) {
    match decision {
        Decision::Approve { optional } => assert!(
            optional.is_empty(),
            "a call has no optional requests to grant: {optional:?}"
        ),
        Decision::Deny { reason } => assert_reason(reason),
        Decision::Edit { arguments } => assert!(
            arguments.is_object(),
            "arguments are an object, not {arguments}"
        ),
        _ => {}
    }
}

fn assert_reason(reason: &str) {
    assert!(
        !reason.trim().is_empty(),
        "whoever asked must be told why not"
    );
}

/// One that waits for its operator must not hold up the others.
async fn reviews_run_side_by_side(approver: &impl Approver, patience: Duration) {
    let (plugin, call) = (plugin_request(), call_request());
    let first = review(approver, &plugin, patience);
    let second = review(approver, &call, patience);
    let third = review(approver, &plugin, patience);
    tokio::join!(first, second, third);
}

fn plugin_request() -> ApprovalRequest {
    request(json!({
        "kind": "plugin",
        "plugin": "notes",
        "definition": Digest::of(b"the suite's plugin"),
        "trust": "community",
        "risk": "medium",
        "requests": [
            { "kind": "filesystem", "read": ["./notes"] },
            { "kind": "filesystem", "write": ["./notes"], "optional": true },
        ],
    }))
}

fn call_request() -> ApprovalRequest {
    request(json!({
        "kind": "call",
        "tool": "notes/wipe",
        "definition": Digest::of(b"the suite's tool"),
        "caller": "acme/support/triage",
        "effect": "destructive",
        "arguments": { "everything": true },
    }))
}

/// Requests are made by hosts alone; here one comes in as it would over a queue.
fn request(mut subject: Value) -> ApprovalRequest {
    subject["id"] = json!("0123456789abcdef0123456789abcdef");
    subject["atMs"] = json!(1_700_000_000_000_i64);
    match serde_json::from_value(subject) {
        Ok(request) => request,
        Err(error) => panic!("bug in the kit: {error}"),
    }
}
