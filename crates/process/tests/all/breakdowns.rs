//! Plugins that break down while they run: the host and the others go on.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Site, code, eventually, failures_in_trail, is_listed, notice, processes, quick, running,
    watchful,
};

#[tokio::test]
async fn l12_a_crash_takes_the_tools_out_tells_the_operator_and_comes_back() {
    let site = Site::new().stress("bad", &[]).stress("good", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    let crashed = host.call("bad/crash", json!({})).await;
    assert_eq!(code(&crashed), "PLUGIN_GONE");
    let told = notice(&mut notices, "failed").await;
    assert!(told.message.contains("signal 6"), "{told:?}");
    assert!(host.call("good/echo", json!({})).await.is_ok());
    notice(&mut notices, "runs again").await;
    assert!(is_listed(&host, "bad/echo"));
    assert!(host.call("bad/echo", json!({})).await.is_ok());
    assert_eq!(failures_in_trail(&host, "bad").len(), 1);
}

#[tokio::test]
async fn l12_what_breaks_the_protocol_is_ended_and_nobody_else_is() {
    for (switch, words) in [
        ("deep-json", "FRAME_TOO_DEEP"),
        ("unknown-answer", "UNKNOWN_ANSWER"),
    ] {
        let site = Site::new().stress("bad", &[switch]).stress("good", &[]);
        let host = site.start().await;
        // It breaks down right behind its start, so it may not have been shown at all.
        eventually("the breakdown is known", || !is_listed(&host, "bad/echo")).await;
        assert!(host.call("good/echo", json!({})).await.is_ok());
        // It does so each time, until the circuit opens; each is told with what it did.
        let told = || failures_in_trail(&host, "bad").concat();
        eventually("the reason is told", || told().contains(words)).await;
    }
}

#[tokio::test]
async fn s_b3_a_stopped_process_is_declared_dead_and_a_busy_one_is_not() {
    let site = Site::with(watchful())
        .stress("frozen-plugin", &["ignore-ping"])
        .stress("busy", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    // It answers no ping, as a stopped process does not; its channel stays open.
    let told = notice(&mut notices, "no sign of life").await;
    assert_eq!(told.plugin.as_str(), "frozen-plugin");
    // The control: a plugin whose only tool is stuck answers pings and lives.
    let view = host.view();
    let stuck = view
        .call_within(Duration::from_secs(2), "busy/stuck", "{}")
        .await;
    assert_eq!(stuck.unwrap_err().code(), "DEADLINE_EXCEEDED");
    assert!(is_listed(&host, "busy/echo"));
    assert!(failures_in_trail(&host, "busy").is_empty());
}

#[tokio::test]
async fn s_b4_three_ignored_cancels_restart_the_plugin_and_one_does_not() {
    let site = Site::with(quick().with_cancel_grace(Duration::from_millis(100)))
        .stress("deaf", &["ignore-cancel"]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    let view = host.view();
    let ignored = async || {
        let limit = Duration::from_millis(50);
        let result = view
            .call_within(limit, "deaf/sleep", r#"{"ms":30000}"#)
            .await;
        assert_eq!(result.unwrap_err().code(), "DEADLINE_EXCEEDED");
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    ignored().await;
    ignored().await;
    assert!(host.call("deaf/echo", json!({})).await.is_ok());
    assert!(
        failures_in_trail(&host, "deaf").is_empty(),
        "two are borne with"
    );
    ignored().await;
    notice(&mut notices, "went on after they were cancelled").await;
    notice(&mut notices, "runs again").await;
    assert!(host.call("deaf/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b3_pings_alone_do_not_keep_a_plugin_whose_handlers_are_stuck() {
    let site = Site::with(watchful().with_cancel_grace(Duration::from_millis(100)))
        .stress("hollow", &["ping-ok-but-handlers-stuck"]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    let view = host.view();
    let stuck = async |limit| {
        let result = view.call_within(limit, "hollow/echo", "{}").await;
        assert_eq!(result.unwrap_err().code(), "DEADLINE_EXCEEDED");
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    // Silent for longer than a plugin without pings is borne with.
    stuck(Duration::from_secs(2)).await;
    assert!(failures_in_trail(&host, "hollow").is_empty(), "it pings");
    stuck(Duration::from_millis(50)).await;
    stuck(Duration::from_millis(50)).await;
    notice(&mut notices, "went on after they were cancelled").await;
}

#[tokio::test]
async fn two_crashes_under_one_tool_take_that_tool_out_and_no_other() {
    let site = Site::new().stress("loop", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    for _ in 0..2 {
        let crashed = host.call("loop/crash", json!({})).await;
        assert_eq!(code(&crashed), "PLUGIN_GONE");
        notice(&mut notices, "runs again").await;
    }
    assert!(!is_listed(&host, "loop/crash"));
    assert!(host.call("loop/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b5_the_third_crash_opens_the_circuit() {
    let site = Site::new().stress("loop", &[]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    for round in 0..3 {
        let pid = crate::support::program(&site).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        let told = notice(&mut notices, "failed").await;
        let is_open = told.message.contains("tried again in 300000 ms");
        assert_eq!(is_open, round == 2, "{told:?}");
        if !is_open {
            notice(&mut notices, "runs again").await;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!is_listed(&host, "loop/echo"));
    assert!(crate::support::program(&site).is_none(), "nothing is tried");
}

#[tokio::test]
async fn s_b6_nothing_is_left_of_a_tree_after_its_plugin_stopped() {
    let site = Site::new().stress("parent", &[]);
    let host = running(&site).await;
    assert_eq!(
        host.call("parent/fork", json!({})).await.unwrap(),
        json!(true)
    );
    let word = "sleep\x004711";
    eventually("the grandchild runs", || !processes(word).is_empty()).await;
    host.disable("parent").await;
    eventually("nothing is left", || processes(word).is_empty()).await;
}

#[tokio::test]
async fn s_b6_a_grandchild_that_outlives_its_parent_ends_with_it() {
    let site = Site::new().stress("leaver", &["fork-grandchild-and-exit"]);
    let host = site.start().await;
    eventually("it is known to be gone", || {
        !is_listed(&host, "leaver/echo")
    })
    .await;
    host.host().shutdown().await;
    eventually("nothing is left", || processes("sleep\x004711").is_empty()).await;
}

#[tokio::test]
async fn s_b7_floods_of_output_and_of_log_lines_hold_nobody_up() {
    let site = Site::new()
        .stress("loud", &["print-to-stdout"])
        .stress("good", &[]);
    let host = running(&site).await;
    let view = host.view();
    let flood = tokio::spawn(async move {
        view.call_within(Duration::from_secs(3), "loud/flood", r#"{"count":200000}"#)
            .await
    });
    for _ in 0..20 {
        assert!(host.call("good/echo", json!({})).await.is_ok());
    }
    // Whether it gets to its end in time is its own affair.
    drop(flood.await.unwrap());
    let view = host.view();
    let print = r#"{"bytes":4000000}"#;
    drop(
        view.call_within(Duration::from_secs(3), "loud/print", print)
            .await,
    );
    assert!(host.call("good/echo", json!({})).await.is_ok());
    assert!(is_listed(&host, "loud/echo"));
}

#[tokio::test]
async fn s_c9_a_request_belongs_to_a_live_call_of_its_own_plugin() {
    let state = json!([{ "kind": "state", "quotaBytes": 1000, "reason": "notes" }]);
    let site = Site::new()
        .plugin("rich", &[], json!({ "capabilities": state }))
        .stress("poor", &[]);
    let host = running(&site).await;
    let get = json!({ "method": "host/state.get", "params": { "key": "k" } });
    // The control: in its own call the plugin that holds the grant may.
    let mine = host.call("rich/ask", get.clone()).await.unwrap();
    assert_eq!(mine, json!({ "result": { "value": null } }));
    // A plugin without the grant cannot borrow a call of the other one.
    let busy = host.call("rich/sleep", json!({ "ms": 500 }));
    let borrow = async {
        for number in 0..200 {
            let mut borrowed = get.clone();
            borrowed["call"] = json!(number);
            let answer = host.call("poor/ask", borrowed).await.unwrap();
            assert!(answer.get("error").is_some(), "call {number}: {answer}");
        }
    };
    let (busy, ()) = tokio::join!(busy, borrow);
    assert!(busy.is_ok());
    // Outside calls nothing was granted.
    let mut background = get.clone();
    background["call"] = json!(null);
    let answer = host.call("rich/ask", background).await.unwrap();
    assert!(answer.get("error").is_some(), "{answer}");
    // Behind its end a call's number is worth nothing.
    host.call("rich/late", get).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let late = host.call("rich/recall", json!({})).await.unwrap();
    let text = late["error"]["message"].as_str().unwrap_or_default();
    assert!(text.contains("call_ended"), "{late}");
}
