//! Whatever runtime a plugin runs in, callers see the same: one suite, linked and as a process.

mod twin;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::audit::AuditEvent;
use keyway_host::view::CallOptions;
use keyway_plugin_api::{Denial, DenialReason, Plugin as _, PluginId};
use keyway_test_support::{TestHost, denials};
use serde_json::{Value, json};

use crate::support::{Site, code, eventually, running};
use twin::Twin;

/// A host with the twin, and what keeps it alive.
struct Runs {
    kind: &'static str,
    host: TestHost,
    _site: Option<Site>,
}

/// The executable that cargo makes of the example.
fn executable() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("examples/twin");
    assert!(
        path.exists(),
        "run: cargo test -p keyway-process ({})",
        path.display()
    );
    path
}

async fn both() -> [Runs; 2] {
    both_with(false).await
}

/// Both, with a manifest that asks for state in the background, or not.
async fn both_with(background: bool) -> [Runs; 2] {
    let twin = |kind| Twin { kind, background };
    let linked = TestHost::with(twin("linked")).await;
    let site = Site::new();
    site.packages.write("twin", &twin("process").manifest());
    let program = std::fs::read(executable()).unwrap();
    site.packages.write_file("twin", "bin/twin", &program);
    let process = running(&site).await;
    [
        Runs {
            kind: "linked",
            host: linked,
            _site: None,
        },
        Runs {
            kind: "process",
            host: process,
            _site: Some(site),
        },
    ]
}

#[tokio::test]
async fn answers_are_the_same() {
    for Runs { kind, host, .. } in &both().await {
        let greeted = host
            .call("twin/greet", json!({ "name": "Ada", "times": 2 }))
            .await;
        assert_eq!(greeted.unwrap(), json!("Hello Ada!Hello Ada!"), "{kind}");
        let first = host.call("twin/count", json!({})).await.unwrap();
        let second = host.call("twin/count", json!({})).await.unwrap();
        assert_eq!(
            [first, second],
            [json!({ "total": 1 }), json!({ "total": 2 })],
            "{kind}"
        );
    }
}

#[tokio::test]
async fn descriptors_are_the_same() {
    let [linked, process] = &both().await;
    let descriptors = |runs: &Runs| -> Vec<Value> {
        let listing = runs.host.view().list();
        let tools = listing.tools.iter();
        tools
            .map(|tool| serde_json::to_value(tool.descriptor()).unwrap())
            .collect()
    };
    assert_eq!(descriptors(linked), descriptors(process));
    assert_eq!(descriptors(linked).len(), 7);
}

#[tokio::test]
async fn r04_r05_failures_are_the_same() {
    for Runs { kind, host, .. } in &both().await {
        let call = async |tool: &str, arguments: Value| code(&host.call(tool, arguments).await);
        assert_eq!(
            call("twin/greet", json!({ "name": 7 })).await,
            "INVALID_ARGUMENTS",
            "{kind}"
        );
        assert_eq!(
            call("twin/greet", json!({})).await,
            "INVALID_ARGUMENTS",
            "{kind}"
        );
        assert_eq!(call("twin/refuse", json!({})).await, "CONFLICT", "{kind}");
        assert_eq!(
            call("twin/nothing", json!({})).await,
            "UNKNOWN_TOOL",
            "{kind}"
        );
        assert_eq!(
            call("twin/greet", json!({ "name": "Mallory" })).await,
            "HOOK_BLOCKED",
            "{kind}"
        );
        assert!(host.call("twin/panic", json!({})).await.is_err(), "{kind}");
        assert_eq!(
            call("twin/greet", json!({ "name": "Ada" })).await,
            "worked: \"Hello Ada!\""
        );
    }
}

#[tokio::test]
async fn l07_denials_are_the_same() {
    for Runs { kind, host, .. } in &both().await {
        let denied = host.call("twin/peek", json!({})).await.unwrap_err();
        assert_eq!(denied.code(), "DENIED", "{kind}");
        let denial = denied.denial().unwrap();
        assert!(
            denial.to_string().contains("filesystem:read:secret.txt"),
            "{kind}: {denial}"
        );
        let is_denial = |event: &AuditEvent| matches!(event, AuditEvent::EffectDenied { .. });
        assert_eq!(
            host.audit_events().iter().filter(|e| is_denial(e)).count(),
            1,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn s_c9_requests_outside_calls_are_refused_unless_they_are_granted_so() {
    let is_ended = |denial: &Denial| denial.reason == DenialReason::CallEnded;
    for Runs { kind, host, .. } in &both_with(false).await {
        let refused = host.call("twin/alone", json!({})).await.unwrap_err();
        assert_eq!(refused.code(), "DENIED", "{kind}: {refused}");
        assert_eq!(
            denials(host).iter().filter(|d| is_ended(d)).count(),
            1,
            "{kind}"
        );
        // The control: in a call the same state is there.
        host.call("twin/count", json!({})).await.unwrap();
    }
    for Runs { kind, host, .. } in &both_with(true).await {
        let stored = host.call("twin/alone", json!({})).await;
        assert_eq!(stored.unwrap(), json!("stored"), "{kind}");
        assert!(!denials(host).iter().any(is_ended), "{kind}");
    }
}

#[tokio::test]
async fn logs_and_progress_arrive() {
    for Runs { kind, host, .. } in &both().await {
        host.call("twin/count", json!({})).await.unwrap();
        let twin = PluginId::parse("twin").unwrap();
        eventually("the log line", || {
            host.effects()
                .log_of(&twin)
                .iter()
                .any(|(_, line)| line == "counted to 1")
        })
        .await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let options =
            CallOptions::new().watched(move |progress| ear.lock().unwrap().push(progress.done));
        let view = host.view();
        let waits = view.call_with(options, "twin/wait", "{}");
        tokio::select! {
            ended = waits => panic!("{kind}: {ended:?}"),
            () = eventually("the progress", || !heard.lock().unwrap().is_empty()) => {}
        }
        assert_eq!(*heard.lock().unwrap(), [1], "{kind}");
        let options = CallOptions::new().within(Duration::from_millis(500));
        let waited = view.call_with(options, "twin/wait", "{}").await;
        assert_eq!(waited.unwrap_err().code(), "DEADLINE_EXCEEDED", "{kind}");
    }
}
