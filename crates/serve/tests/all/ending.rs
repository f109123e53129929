//! The ways a plugin's process ends.

use keyway_channel::message::{FromHost, HostRequest, Refusal};
use keyway_plugin_api::ToolErrorKind;
use serde_json::json;

use super::support::{Scene, probe};

#[test]
fn shutdown_stops_the_plugin_and_exits_with_0() {
    let mut scene = Scene::probe();
    scene.ask(HostRequest::Shutdown).unwrap();
    let (code, _, err) = scene.ended();
    assert_eq!(code, Some(0));
    assert_eq!(err.matches("probe stopped").count(), 1, "{err}");
    // What works outside calls knew before.
    assert!(err.contains("told: true"), "{err}");
}

#[test]
fn a_plugin_that_was_never_started_is_not_stopped() {
    let mut scene = Scene::opened(&probe());
    scene.ask(HostRequest::Shutdown).unwrap();
    let (code, _, err) = scene.ended();
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn the_end_of_the_channel_cancels_stops_and_exits_with_1() {
    let mut scene = Scene::probe();
    scene.start_call(1, "linger", &json!({"ms": 600_000}));
    scene.host.close().unwrap();
    let (code, _, err) = scene.ended();
    assert_eq!(code, Some(1));
    assert!(err.contains("probe stopped; told: true"), "{err}");
    assert!(err.contains("the host closed the channel"), "{err}");
}

#[test]
fn drain_finishes_what_is_under_way_and_takes_nothing_new() {
    let mut scene = Scene::probe();
    let slow = scene.start_call(1, "linger", &json!({"ms": 600_000}));
    let drain = scene.send(HostRequest::Drain);
    let late = scene.start_call(2, "echo", &json!({}));
    let error = scene.host.answer_to(late).unwrap().unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Draining));
    scene.host.send(&FromHost::Cancelled { call: 1 }).unwrap();
    let error = scene.host.answer_to(slow).unwrap().unwrap_err();
    assert_eq!(error.to_tool_error().kind, ToolErrorKind::Cancelled);
    assert!(
        scene.host.answer_to(drain).unwrap().is_ok(),
        "answered last"
    );
}

#[test]
fn s_e7_a_host_that_breaks_the_protocol_ends_the_plugin_with_a_reason() {
    for (line, reason) in [
        ("hello there", "not JSON"),
        (
            r#"{"jsonrpc":"2.0","id":"p9","result":{}}"#,
            "does not wait for an answer",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"keyway/hello","params":{}}"#,
            "a second time",
        ),
    ] {
        let mut scene = Scene::probe();
        scene.host.send_line(line).unwrap();
        let (code, _, err) = scene.ended();
        assert_eq!(code, Some(1), "{line}");
        assert!(err.contains(reason), "{line}: {err}");
    }
}
