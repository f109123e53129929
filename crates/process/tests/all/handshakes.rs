//! What must not come up: attacks on the handshake, and plugins that do not finish their start.

use std::time::Duration;

use keyway_host::limits::Limits;
use serde_json::json;

use crate::support::{
    CEILING, Site, failure, failures_in_trail, generous, is_listed, program_of, quick, running,
};

/// How long a start may take that does not end by itself. The plugin beside it has to be there by then.
const HANGING: Duration = Duration::from_secs(5);

/// Starts a plugin that misbehaves beside one that does not, and returns how it failed.
#[track_caller]
fn refused(switch: &'static str) -> impl Future<Output = (String, String)> {
    let caller = std::panic::Location::caller();
    async move {
        let is_hanging = switch.starts_with("hang-") || switch == "slow-handshake";
        let start = if is_hanging { HANGING } else { CEILING };
        let site = Site::new().stress("bad", &[switch]).stress("good", &[]);
        let limits = Limits {
            start,
            ..generous()
        };
        let host = site.start_with(|host| host.limits(limits)).await;
        let failed = failure(&host, "bad");
        assert!(!is_listed(&host, "bad/echo"), "{caller}");
        // The control: the same program without the switch runs, in the same host.
        assert!(host.call("good/echo", json!({})).await.is_ok(), "{caller}");
        assert_eq!(failures_in_trail(&host, "bad").len(), 1, "{caller}");
        let scratch = site.store().join("scratch");
        let left = std::fs::read_dir(&scratch).unwrap().count();
        assert_eq!(left, 1, "one process: that of the good one; {caller}");
        failed
    }
}

#[tokio::test]
async fn l11_s_d8_handshake_attacks_are_refused_and_the_child_is_gone() {
    for (switch, code) in [
        ("bad-mac", "BAD_MAC"),
        ("replay-nonce", "HANDSHAKE_DOWNGRADE"),
        ("wrong-ipc", "IPC_VERSION"),
        ("wrong-api", "API_VERSION"),
        ("other-identity", "IDENTITY_MISMATCH"),
        ("second-hello", "HANDSHAKE_AGAIN"),
    ] {
        let (found, reason) = refused(switch).await;
        assert_eq!(found, code, "{switch}: {reason}");
    }
}

#[tokio::test]
async fn s_b2_a_start_that_goes_wrong_before_the_handshake_fails_in_time_with_the_reason() {
    for (switch, code, words) in [
        (
            "exit-before-hello",
            "PLUGIN_EXITED",
            "leaving before the hello",
        ),
        (
            "garbage-first-line",
            "NOT_A_PLUGIN",
            "Welcome to \\x1b[31mmy",
        ),
        ("not-utf8", "NOT_A_PLUGIN", "\\xff\\xfe{}"),
        ("huge-line", "NOT_A_PLUGIN", "xxxx"),
        ("hang-in-handshake", "HANDSHAKE_TIMEOUT", "5000 ms"),
        ("slow-handshake", "HANDSHAKE_TIMEOUT", "5000 ms"),
    ] {
        let (found, reason) = refused(switch).await;
        assert_eq!(found, code, "{switch}: {reason}");
        assert!(reason.contains(words), "{switch}: {reason}");
    }
}

#[tokio::test]
async fn s_b2_control_a_host_without_a_limit_goes_on_waiting() {
    let hour = Duration::from_secs(3_600);
    let limits = Limits {
        start: hour,
        ..generous()
    };
    let site = Site::with(quick().with_handshake(hour)).stress("bad", &["hang-in-handshake"]);
    let start = site.start_with(|host| host.limits(limits));
    let waited = tokio::time::timeout(HANGING + HANGING / 5, start).await;
    assert!(waited.is_err());
}

#[tokio::test]
async fn r04_a_register_or_start_that_fails_leaves_nothing() {
    for (switch, code, words) in [
        (
            "register-fails",
            "REGISTER_FAILED",
            "two tools and then no more",
        ),
        (
            "register-undeclared",
            "UNDECLARED_CONTRIBUTION",
            "tool `undeclared`",
        ),
        ("exit-in-register", "PLUGIN_EXITED", "exited with code 101"),
        ("hang-in-register", "START_TIMED_OUT", "register"),
        ("hang-in-start", "START_TIMED_OUT", "start"),
        ("start-fails", "START_FAILED", "it does not want to start"),
    ] {
        let (found, reason) = refused(switch).await;
        assert_eq!(found, code, "{switch}: {reason}");
        assert!(reason.contains(words), "{switch}: {reason}");
    }
}

#[tokio::test]
async fn r12_a_plugin_that_does_not_register_what_it_declares_is_incomplete() {
    let (code, reason) = refused("register-less").await;
    assert_eq!(code, "CONTRIBUTIONS_INCOMPLETE", "{reason}");
    assert!(reason.contains("tool stuck"), "{reason}");
}

#[tokio::test]
async fn r05_a_gate_hook_blocks_and_fails_closed_while_its_process_is_away() {
    let contributes = json!({ "tools": ["echo"], "hooks": ["pre_tool_call"] });
    let policy = keyway_process::supervisor::SupervisorPolicy {
        backoff_ms: 600_000,
        backoff_max_ms: 600_000,
        ..Default::default()
    };
    let site = Site::with(quick().with_supervision(policy))
        .plugin("guard", &[], json!({ "contributes": contributes }))
        .stress("other", &[]);
    let host = running(&site).await;
    assert!(host.call("other/echo", json!({})).await.is_ok());
    let blocked = host.call("other/echo", json!({ "block": true })).await;
    assert_eq!(blocked.unwrap_err().code(), "HOOK_BLOCKED");
    let pid = program_of(&site, "guard").unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    crate::support::eventually("the guard is gone", || !is_listed(&host, "guard/echo")).await;
    let unguarded = host.call("other/echo", json!({})).await;
    assert_eq!(unguarded.unwrap_err().code(), "HOOK_BLOCKED");
}

/// Not at the first start: nobody has seen the tools then, and whatever they are gets pinned.
#[tokio::test]
async fn ready_says_which_tools_are_approved_from_the_second_start_on() {
    let site = Site::new().stress("looker", &[]);
    let host = running(&site).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let seen = host.call("looker/look", json!({})).await.unwrap();
        told.push(seen["tools_expected"].clone());
        host.disable("looker").await;
        host.enable("looker").await;
    }
    assert_eq!(told[0], json!(null));
    assert!(told[1].as_str().unwrap().starts_with("sha256:"), "{told:?}");
    assert_eq!(told[1], told[2]);
}
