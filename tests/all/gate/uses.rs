//! Grants that hold for so many calls.

use keyway_plugin_api::DenialReason;
use keyway_test_support::{Probe, TestHost, assert_denied};
use serde_json::json;

async fn with_uses(tag: &str, uses: u64) -> TestHost {
    let host = TestHost::with(Probe).await;
    host.grant_with(tag, |mut grant| {
        grant.uses_left = Some(uses);
        grant
    })
    .await;
    host.effects().put_file("in/file", "text");
    host
}

#[tokio::test]
async fn a_use_is_one_call_with_everything_the_call_does() {
    for uses in [1, 3] {
        let host = with_uses("state:4096", uses).await;
        for _ in 0..uses {
            host.call("probe/remember", json!({})).await.unwrap();
        }
        let spent = host.call("probe/remember", json!({})).await;
        assert_denied(&spent, DenialReason::UsesExhausted, "state:4096");
    }
}

#[tokio::test]
async fn an_effect_that_the_tool_did_not_declare_costs_a_use_too() {
    let host = with_uses("filesystem:read:./in", 2).await;
    let request = json!({"op": "fs_read", "path": "in/file"}).to_string();
    let ask = json!({ "request": request });
    host.call("probe/ask", &ask).await.unwrap();
    host.call("probe/ask", &ask).await.unwrap();
    let spent = host.call("probe/ask", &ask).await;
    assert_denied(&spent, DenialReason::UsesExhausted, "filesystem:read:./in");
    let spent = host.call("probe/read", json!({"path": "in/file"})).await;
    assert_denied(&spent, DenialReason::UsesExhausted, "filesystem:read:./in");
}

#[tokio::test]
async fn uses_are_counted_however_many_call_at_once() {
    let host = std::sync::Arc::new(with_uses("state:4096", 10).await);
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let host = std::sync::Arc::clone(&host);
            tokio::spawn(async move { host.call("probe/remember", json!({})).await.is_ok() })
        })
        .collect();
    let mut passed = 0;
    for call in calls {
        passed += usize::from(call.await.unwrap());
    }
    assert_eq!(passed, 10);
}

#[tokio::test]
async fn a_counted_grant_that_is_revoked_allows_nothing_more() {
    let host = with_uses("state:4096", 5).await;
    host.call("probe/remember", json!({})).await.unwrap();
    host.revoke_grant("state:4096").await;
    let refused = host.call("probe/remember", json!({})).await;
    assert_denied(&refused, DenialReason::NotGranted, "state:4096");
}
