//! What the gate lets through, asked over the channel.

use keyway_host::audit::AuditEvent;
use keyway_plugin_api::DenialReason;
use keyway_test_support::denials;
use serde_json::{Value, json};

use crate::support::{Site, notice, recalled, running};

fn fetch(url: &str) -> Value {
    json!({ "method": "host/http.fetch", "params": {
        "method": "GET", "url": url, "headers": [], "body": null,
    }})
}

/// The kind of a refused request, as the plugin sees it.
fn kind(answer: &Value) -> &str {
    answer["error"]["data"]["kind"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn l06_the_granted_host_and_no_other() {
    let network = json!([{ "kind": "network", "hosts": ["api.test"], "methods": ["GET"],
        "reason": "weather" }]);
    let site = Site::new().plugin("net", &[], json!({ "capabilities": network }));
    let host = running(&site).await;
    let granted = host
        .call("net/ask", fetch("https://api.test/now"))
        .await
        .unwrap();
    assert_eq!(granted["result"]["status"], json!(404), "{granted}");
    for other in [
        "https://api.test.evil.test/",
        "https://evil.test/",
        "https://api.test@evil.test/",
        "https://xn--pi-7ka.test/",
        "file:///etc/passwd",
    ] {
        let answer = host.call("net/ask", fetch(other)).await.unwrap();
        assert!(answer.get("result").is_none(), "{other}: {answer}");
    }
    let denied = |event: &AuditEvent| matches!(event, AuditEvent::EffectDenied { .. });
    assert!(host.audit_events().iter().any(denied));
}

#[tokio::test]
async fn l07_an_undeclared_effect_is_denied_audited_and_named_to_the_plugin() {
    let site = Site::new().stress("poor", &[]);
    let host = running(&site).await;
    let read = json!({ "method": "host/fs.read", "params": { "path": "notes/a.md" } });
    let answer = host.call("poor/ask", read).await.unwrap();
    assert_eq!(kind(&answer), "denied", "{answer}");
    let denial = &answer["error"]["data"]["denial"];
    assert!(denial.to_string().contains("filesystem"), "{answer}");
    let events = host.audit_events();
    let audited = events.iter().any(|event| match event {
        AuditEvent::EffectDenied { plugin, .. } => plugin.as_str() == "poor",
        _ => false,
    });
    assert!(audited);
    // The kernel says the same to a program that does not ask.
    let file = tempfile::NamedTempFile::new().unwrap();
    let targets = json!({ "file": file.path() });
    let report = host.call("poor/attack", targets).await.unwrap();
    assert_eq!(report["read a file of the host"], json!(false), "{report}");
}

#[tokio::test]
async fn s_c9_a_call_of_a_call_holds_what_both_hold() {
    let tools = json!([{ "kind": "tool", "tools": ["rich/ask"], "reason": "delegates" }]);
    let state = json!([{ "kind": "state", "quotaBytes": 1000, "reason": "notes" }]);
    let site = Site::new()
        .plugin("rich", &[], json!({ "capabilities": state }))
        .plugin("broker", &[], json!({ "capabilities": tools }));
    let host = site.start().await;
    if host.report().failures().next().is_some() {
        panic!("{:#?}", host.report());
    }
    let get = json!({ "method": "host/state.get", "params": { "key": "k" } });
    // The control: on its own behalf the plugin with the grant may.
    let own = host.call("rich/ask", get.clone()).await.unwrap();
    assert!(own.get("result").is_some(), "{own}");
    let through = json!({ "method": "host/tools.call", "params": {
        "tool": "rich/ask", "arguments": get,
    }});
    let answer = host.call("broker/ask", through).await.unwrap();
    let inner = &answer["result"]["output"];
    assert_eq!(kind(inner), "denied", "the caller holds no state: {answer}");
}

#[tokio::test]
async fn r06_a_failure_and_a_return_are_one_change_each() {
    let site = Site::new().stress("bad", &[]);
    let host = running(&site).await;
    let (changes, mut notices) = (host.host().changes(), host.host().notices());
    let before = *changes.borrow();
    assert!(host.call("bad/echo", json!({})).await.is_ok());
    assert_eq!(*changes.borrow(), before, "a call changes nothing");
    drop(host.call("bad/crash", json!({})).await);
    notice(&mut notices, "failed").await;
    notice(&mut notices, "runs again").await;
    assert!(host.call("bad/echo", json!({})).await.is_ok());
    assert_eq!(*changes.borrow(), before + 2);
}

/// A plugin that asks for its state right behind its start, outside any call.
fn asking_without_call(background: bool) -> Site {
    let state = json!([{ "kind": "state", "quotaBytes": 1000, "reason": "notes",
        "background": background }]);
    let more = json!({ "capabilities": state });
    Site::new().plugin("rich", &["capability-without-call"], more)
}

#[tokio::test]
async fn s_c9_a_request_without_a_call_is_refused_and_recorded_unless_granted_so() {
    let site = asking_without_call(false);
    let host = running(&site).await;
    let refused = recalled(&host, "rich").await;
    assert_eq!(kind(&refused), "denied", "{refused}");
    assert!(refused.to_string().contains("call_ended"), "{refused}");
    let is_ended = |denial: &keyway_plugin_api::Denial| denial.reason == DenialReason::CallEnded;
    assert!(denials(&host).iter().any(is_ended), "it is recorded");
    // The control: the same request of a plugin whose grant says `background`.
    let site = asking_without_call(true);
    let host = running(&site).await;
    let answered = recalled(&host, "rich").await;
    assert_eq!(answered, json!({ "result": { "value": null } }));
    assert!(!denials(&host).iter().any(is_ended));
}
