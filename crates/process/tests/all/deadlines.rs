//! Attack B4: plugins that answer pings while their handlers hang, and tools that ignore
//! cancellation.

use std::time::Duration;

use keyway_host::limits::Limits;
use keyway_process::supervisor::SupervisorPolicy;
use keyway_test_support::TestHost;
use serde_json::json;
use tokio::time::Instant;

use crate::load::Times;
use crate::support::{CEILING, Site, failures_in_trail, generous, notice, program, quick, running};

/// How long a cancelled tool may go on in these tests.
const GRACE: Duration = Duration::from_millis(100);

/// Gives up on a call that goes on, and waits until that counts as ignored.
async fn ignore_a_cancel(host: &TestHost) {
    let limit = Duration::from_millis(50);
    let view = host.view();
    let result = view.call_within(limit, "deaf/sleep", r#"{"ms":30000}"#);
    assert_eq!(result.await.unwrap_err().code(), "DEADLINE_EXCEEDED");
    tokio::time::sleep(GRACE + Duration::from_millis(150)).await;
}

#[tokio::test]
async fn s_b4_each_call_of_a_stuck_plugin_ends_at_its_deadline() {
    let site = Site::with(quick().with_cancel_grace(Duration::from_secs(60)))
        .stress("hollow", &["ping-ok-but-handlers-stuck"])
        .stress("good", &[]);
    let host = running(&site).await;
    let mut late = Vec::new();
    for ms in [50, 100, 200, 400, 800, 50, 100, 200, 400, 800] {
        let (limit, began) = (Duration::from_millis(ms), Instant::now());
        let view = host.view();
        let result = view.call_within(limit, "hollow/echo", "{}").await;
        assert_eq!(result.unwrap_err().code(), "DEADLINE_EXCEEDED");
        let lateness = began.elapsed().checked_sub(limit);
        late.push(lateness.expect("not before its time"));
        assert!(host.call("good/echo", json!({})).await.is_ok());
    }
    let late = Times::of(late);
    let (median, longest) = (late.at(50), late.at(100));
    println!("calls ended late by {median:?} in the median, {longest:?} at most (mark: 50 ms)");
    // The margins are for a machine that does other things.
    assert!(median < Duration::from_secs(2), "{median:?}");
    assert!(longest < CEILING, "{longest:?}");
    assert!(failures_in_trail(&host, "hollow").is_empty(), "it pings");
}

#[tokio::test]
async fn s_b4_control_without_a_deadline_the_same_call_stays() {
    let limits = Limits {
        call: Duration::from_secs(3_600),
        ..generous()
    };
    let site = Site::new().stress("hollow", &["ping-ok-but-handlers-stuck"]);
    let host = site.start_with(|host| host.limits(limits)).await;
    let call = host.call("hollow/echo", json!({}));
    let waited = tokio::time::timeout(Duration::from_secs(2), call).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test]
async fn s_b4_three_ignored_cancels_restart_the_plugin_and_one_does_not() {
    let site = Site::with(quick().with_cancel_grace(GRACE)).stress("deaf", &["ignore-cancel"]);
    let host = running(&site).await;
    let mut notices = host.host().notices();
    ignore_a_cancel(&host).await;
    ignore_a_cancel(&host).await;
    assert!(host.call("deaf/echo", json!({})).await.is_ok());
    assert!(
        failures_in_trail(&host, "deaf").is_empty(),
        "two are borne with"
    );
    ignore_a_cancel(&host).await;
    notice(&mut notices, "went on after they were cancelled").await;
    notice(&mut notices, "runs again").await;
    assert!(host.call("deaf/echo", json!({})).await.is_ok());
}

#[tokio::test]
async fn s_b4_control_who_does_not_count_them_keeps_a_plugin_that_ignores_cancels() {
    let policy = SupervisorPolicy {
        ignored_cancels: usize::MAX,
        ..SupervisorPolicy::default()
    };
    let options = quick().with_cancel_grace(GRACE).with_supervision(policy);
    let site = Site::with(options).stress("deaf", &["ignore-cancel"]);
    let host = running(&site).await;
    let before = program(&site);
    for _ in 0..6 {
        ignore_a_cancel(&host).await;
    }
    assert_eq!(program(&site), before);
    assert!(failures_in_trail(&host, "deaf").is_empty());
}
