//! A plugin's life in its process, when nothing goes wrong.

use std::time::Duration;

use keyway_host::runtime::Enforcement;
use serde_json::json;

use crate::support::{Site, eventually, is_listed, program_of, quick, running};

/// How long a plugin is idle before it sleeps.
const IDLE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_plugin_starts_confined_answers_and_stops() {
    let site = Site::new().stress("life", &[]);
    let host = running(&site).await;
    let outcome = host.report().plugin("life").unwrap();
    assert!(outcome.is_running(), "{outcome:?}");
    let answer = host.call("life/echo", json!({ "text": "hello" })).await;
    assert_eq!(answer.unwrap(), json!({ "text": "hello" }));
    host.disable("life").await;
    assert!(!is_listed(&host, "life/echo"));
    host.host().shutdown().await;
    // Nothing of the process is left behind.
    let left = std::fs::read_dir(site.store().join("scratch"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_level_that_was_reached_is_reported() {
    let site = Site::new().stress("life", &[]);
    let host = running(&site).await;
    let expected = keyway_sandbox::Jail::new().expected().level();
    let reached = match &host.report().plugin("life").unwrap().status {
        keyway_host::PluginStatus::Running { enforcement, .. } => *enforcement,
        other => panic!("{other:?}"),
    };
    assert_eq!(reached.to_string(), expected.to_string());
    assert_eq!(reached, Enforcement::Enforced, "this machine can");
}

#[tokio::test]
async fn calls_run_at_the_same_time_and_each_gets_its_own_answer() {
    let site = Site::new().stress("life", &[]);
    let host = running(&site).await;
    let slow = host.call("life/sleep", json!({ "ms": 400 }));
    let quick = async {
        for number in 0..20 {
            let answer = host.call("life/echo", json!({ "number": number })).await;
            assert_eq!(answer.unwrap(), json!({ "number": number }));
        }
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert_eq!(slow.unwrap(), json!("slept"));
    let many = (0..32).map(|number| {
        let view = host.view();
        tokio::spawn(async move {
            let arguments = json!({ "number": number });
            view.call("life/echo", &arguments).await.unwrap()
        })
    });
    for task in many.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_on_is_cancelled_in_the_plugin() {
    let site = Site::new().stress("life", &[]);
    let host = running(&site).await;
    let view = host.view();
    let limit = Duration::from_millis(100);
    let started = tokio::time::Instant::now();
    let result = view
        .call_within(limit, "life/sleep", r#"{"ms":60000}"#)
        .await;
    assert_eq!(result.unwrap_err().code(), "DEADLINE_EXCEEDED");
    assert!(started.elapsed() < Duration::from_secs(50));
    // The plugin is none the worse.
    assert!(host.call("life/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn effects_of_a_call_go_through_the_gate() {
    let capabilities = json!([{ "kind": "state", "quotaBytes": 1000, "reason": "notes" }]);
    let site = Site::new().plugin("life", &[], json!({ "capabilities": capabilities }));
    let host = running(&site).await;
    let put = json!({ "method": "host/state.put", "params": { "key": "k", "value": "aGk=" } });
    assert_eq!(
        host.call("life/ask", put).await.unwrap(),
        json!({ "result": {} })
    );
    let get = json!({ "method": "host/state.get", "params": { "key": "k" } });
    let got = host.call("life/ask", get).await.unwrap();
    assert_eq!(got, json!({ "result": { "value": "aGk=" } }));
}

#[tokio::test]
async fn a_lazy_plugin_starts_with_its_first_call_and_sleeps_when_idle() {
    let site = Site::with(quick().with_lazy_start(true).with_idle_stop(Some(IDLE)))
        .stress("lazybones", &[]);
    // The first start makes its tools known.
    let first = running(&site).await;
    first.host().shutdown().await;
    let host = running(&site).await;
    let scratch = site.store().join("scratch");
    let processes = || std::fs::read_dir(&scratch).unwrap().count();
    assert!(is_listed(&host, "lazybones/echo"));
    assert_eq!(processes(), 0, "no process yet");
    // Single flight: many first calls, one process. The first of them goes on.
    let call = |tool: &'static str| {
        let view = host.view();
        tokio::spawn(async move { view.call(tool, r#"{"ms":200000}"#).await.is_ok() })
    };
    let slow = call("lazybones/sleep");
    for quick in [(); 8].map(|()| call("lazybones/echo")) {
        assert!(quick.await.unwrap());
    }
    // It does not go to sleep under a call that takes longer than the idle time.
    tokio::time::sleep(IDLE * 3).await;
    assert_eq!(processes(), 1);
    slow.abort();
    eventually("the process sleeps", || processes() == 0).await;
    assert!(host.call("lazybones/echo", json!({})).await.is_ok());
    host.host().shutdown().await;
    assert_eq!(processes(), 0);
}

#[tokio::test]
async fn a_lazy_plugin_outlives_the_runtime_of_its_first_caller_and_stops_without_a_call() {
    let site = Site::with(quick().with_lazy_start(true))
        .stress("called", &[])
        .stress("uncalled", &[]);
    running(&site).await.host().shutdown().await;
    let host = running(&site).await;
    let view = host.view();
    let first_call = move || {
        let mut short = tokio::runtime::Builder::new_current_thread();
        let short = short.enable_all().build().unwrap();
        short.block_on(async { view.call("called/echo", "{}").await.is_ok() })
    };
    assert!(tokio::task::spawn_blocking(first_call).await.unwrap());
    let program = program_of(&site, "called");
    assert!(program.is_some());
    assert!(host.call("called/echo", json!({})).await.is_ok());
    assert_eq!(program_of(&site, "called"), program, "the same process");
    host.disable("uncalled").await;
    assert!(host.call("uncalled/echo", json!({})).await.is_err());
    assert_eq!(program_of(&site, "uncalled"), None);
    host.host().shutdown().await;
}
