//! Plugins that break down while they run: the host and the others go on.

use serde_json::json;

use crate::support::{
    Site, code, eventually, failures_in_trail, is_listed, notice, recalled, running,
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
    let late = recalled(&host, "rich").await;
    let text = late["error"]["message"].as_str().unwrap_or_default();
    assert!(text.contains("call_ended"), "{late}");
}
