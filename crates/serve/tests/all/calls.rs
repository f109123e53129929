//! Calls: concurrent, cancellable, bounded, and never the end of the plugin.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use keyway_channel::message::{
    FromHost, HostRequest, Pong, Refusal, Registration, StateMigration, parse_result,
    verdict_from_result,
};
use keyway_plugin_api::{
    EffectRequest, HookEvent, HookPoint, HookVerdict, LogLevel, ToolErrorKind,
};
use serde_json::{Value, json};

use super::support::{Scene, call_of, probe, value_of};

#[test]
fn a_plugin_of_the_same_source_serves_from_a_process_of_its_own() {
    let mut scene = Scene::opened(&probe());
    let result = scene.register(&json!({})).unwrap();
    let registration = Registration::from_result(&result).unwrap();
    let names: Vec<_> = registration.tools.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "block",
            "boom",
            "count",
            "descriptors",
            "echo",
            "linger",
            "print",
            "tell"
        ]
    );
    assert_eq!(registration.hooks.len(), 1);
    scene.ask(HostRequest::Start).unwrap();
    let said = scene.call("echo", &json!({"words": "héllo\n"})).unwrap();
    assert_eq!(said, json!({"words": "héllo\n"}));
    let error = scene.call("echo", &json!({"words": 5})).unwrap_err();
    assert_eq!(error.to_tool_error().kind, ToolErrorKind::InvalidArguments);
    let error = scene.call("absent", &json!({})).unwrap_err();
    assert_eq!(error.to_tool_error().kind, ToolErrorKind::NotFound);
}

#[test]
fn effects_logs_and_progress_reach_the_host_with_their_call() {
    let mut scene = Scene::probe();
    assert_eq!(scene.call("count", &json!({})).unwrap(), "1");
    assert_eq!(scene.call("count", &json!({})).unwrap(), "2");
    assert_eq!(scene.host.world.state["count"], b"2");
    assert_eq!(
        scene.host.world.log[1],
        (LogLevel::Info, "counted to 2".into())
    );
    scene.call("tell", &json!({})).unwrap();
    let whole = Some(3);
    assert_eq!(
        scene.host.world.progress,
        [(1, whole), (2, whole), (3, whole)]
    );
    let asked = &scene.host.world.asked;
    assert!(asked.iter().all(|(call, _)| *call == Some(17)));
    let gets = asked
        .iter()
        .filter(|(_, e)| matches!(e, EffectRequest::StateGet { .. }));
    assert_eq!(gets.count(), 2);
}

#[test]
fn a_panic_fails_its_own_call_and_nothing_else() {
    let mut scene = Scene::probe();
    let error = scene.call("boom", &json!({})).unwrap_err().to_tool_error();
    assert_eq!(error.kind, ToolErrorKind::Internal);
    assert_eq!(error.message, "the tool panicked: boom 7");
    assert_eq!(
        scene.call("echo", &json!({})).unwrap(),
        json!({"words": ""})
    );
}

#[test]
fn stray_prints_never_reach_the_channel() {
    let mut scene = Scene::probe();
    assert_eq!(scene.call("print", &json!({})).unwrap(), "printed");
    assert_eq!(
        scene.call("echo", &json!({})).unwrap(),
        json!({"words": ""})
    );
    let (out, err) = scene.plugin.finish();
    assert!(
        out.contains("\"id\":3") && err.contains("\"id\":3"),
        "{out} {err}"
    );
}

#[test]
fn cancelling_reaches_the_call_and_only_that_call() {
    let mut scene = Scene::probe();
    let first = scene.start_call(1, "linger", &json!({"ms": 600_000}));
    let second = scene.start_call(2, "linger", &json!({"ms": 600_000}));
    scene.host.send(&FromHost::Cancelled { call: 99 }).unwrap();
    scene.host.send(&FromHost::Cancelled { call: 2 }).unwrap();
    let error = scene.host.answer_to(second).unwrap().unwrap_err();
    assert_eq!(error.to_tool_error().kind, ToolErrorKind::Cancelled);
    let pong = scene.ask(HostRequest::Ping).unwrap();
    assert_eq!(
        parse_result::<Pong>(&pong).unwrap().inflight,
        1,
        "the first goes on"
    );
    scene.host.send(&FromHost::Cancelled { call: 1 }).unwrap();
    assert!(scene.host.answer_to(first).unwrap().is_err());
}

#[test]
fn l12_pings_are_answered_while_every_place_is_taken_by_a_call_that_blocks() {
    let mut scene = Scene::probe();
    // Thirty-two calls that hold their threads for a minute.
    for call in 0..32 {
        scene.start_call(call, "block", &json!({"ms": 60_000}));
    }
    let refused = scene.start_call(32, "echo", &json!({}));
    let error = scene.host.answer_to(refused).unwrap().unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Overloaded));
    assert_eq!(error.to_tool_error().kind, ToolErrorKind::Unavailable);
    for _ in 0..3 {
        let pong = scene.ask(HostRequest::Ping).unwrap();
        assert_eq!(parse_result::<Pong>(&pong).unwrap().inflight, 32);
    }
    // Nor does a call that blocks keep the process when the host goes away.
    scene.host.close().unwrap();
    let (code, _, _) = scene.ended();
    assert_eq!(code, Some(1));
}

#[test]
fn l12_a_call_that_blocks_holds_up_no_other() {
    let mut scene = Scene::probe();
    for call in 1..=3 {
        scene.start_call(call, "block", &json!({"ms": 60_000}));
    }
    // Short ones, one that asks the host for something, and one that waits for a timer.
    for round in 1..=20 {
        let words = json!({"words": "quick"});
        assert_eq!(scene.call("echo", &words).unwrap(), words);
        assert_eq!(scene.call("count", &json!({})).unwrap(), round.to_string());
        assert_eq!(scene.call("linger", &json!({"ms": 1})).unwrap(), "had time");
    }
    let pong = scene.ask(HostRequest::Ping).unwrap();
    let held = parse_result::<Pong>(&pong).unwrap().inflight;
    assert_eq!(held, 3, "control: those hold their threads");
    scene.host.close().unwrap();
    assert_eq!(scene.ended().0, Some(1));
}

#[test]
fn l12_answers_do_not_wait_for_calls_that_block_behind_them() {
    let many = keyway_channel::ChannelLimits::default().with_inflight(256);
    let mut scene = Scene::opened_with(&probe(), |offer| offer.with_limits(many));
    scene.register(&json!({})).unwrap();
    // More calls that block than there are threads: those of the second half follow on the first.
    let short = [(); 70].map(|()| scene.start_call(1, "block", &json!({"ms": 500})));
    for call in 2..70 {
        scene.start_call(call, "block", &json!({"ms": 60_000}));
    }
    let mut answered = Vec::new();
    while answered.len() < 60 {
        let line = scene.host.must_line().unwrap();
        answered.extend(scene.host.take(&line).unwrap().map(|(number, _)| number));
    }
    assert!(answered.iter().all(|number| short.contains(number)));
    scene.host.close().unwrap();
    assert_eq!(scene.ended().0, Some(1));
}

#[test]
fn calls_run_at_the_same_time_and_answer_in_any_order() {
    let mut scene = Scene::probe();
    let slow = scene.start_call(1, "linger", &json!({"ms": 600_000}));
    let quick = scene.start_call(2, "echo", &json!({"words": "quick"}));
    let answer = scene.host.answer_to(quick).unwrap().unwrap();
    assert_eq!(value_of(&answer), json!({"words": "quick"}));
    scene.host.send(&FromHost::Cancelled { call: 1 }).unwrap();
    assert!(scene.host.answer_to(slow).unwrap().is_err());
}

#[test]
fn a_request_to_a_silent_host_ends_with_the_calls_deadline() {
    let mut scene = Scene::probe();
    // A deadline in the past; the host reads nothing and answers nothing.
    let number = scene.send(call_of(7, "count", &json!({}), 1));
    let mut seen = Vec::new();
    let answer = loop {
        let line = scene.host.must_line().unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        match value["id"].as_u64() == Some(number) {
            true => break value,
            false => seen.push(value),
        }
    };
    assert_eq!(
        answer["error"]["data"]["kind"], "deadline_exceeded",
        "{answer}"
    );
    assert!(seen.iter().all(|line| line["method"] == "host/state.get"));
}

#[test]
fn s_e7_an_answer_beyond_the_hosts_limit_becomes_an_error_that_fits() {
    let small = keyway_channel::ChannelLimits::default().with_frame(1_500);
    let mut scene = Scene::opened_with(&probe(), |offer| offer.with_limits(small));
    // What the probe registers is longer than 1500 bytes.
    let error = scene.register(&json!({})).unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::FrameTooLarge));
    let said = scene.call("echo", &json!({"words": "fits"})).unwrap();
    assert_eq!(said, json!({"words": "fits"}), "the channel goes on");
    // A message of the host beyond its own limit ends the plugin.
    scene.start_call(1, "echo", &json!({"words": "x".repeat(2_000)}));
    let (code, _, err) = scene.ended();
    assert_eq!(code, Some(1));
    assert!(err.contains("longer than 1500 bytes"), "{err}");
}

#[test]
fn hooks_run_and_a_panic_in_one_is_an_error() {
    let mut scene = Scene::probe();
    let mut run = |tool: &str| {
        let event = HookEvent::new(HookPoint::PreToolCall, "acme/ops/triage", tool, json!({}));
        scene.ask(HostRequest::RunHook { hook: 0, event })
    };
    let verdict = verdict_from_result(&run("files/delete").unwrap()).unwrap();
    assert_eq!(
        verdict,
        HookVerdict::Block {
            reason: "deleting is off today".into()
        }
    );
    let verdict = verdict_from_result(&run("files/read").unwrap()).unwrap();
    assert_eq!(verdict, HookVerdict::Continue);
    let error = run("files/boom").unwrap_err();
    assert_eq!(error.to_reason(), "the hook panicked: boom in a hook");
}

#[test]
fn state_is_migrated_by_the_plugin() {
    let mut scene = Scene::opened(&probe());
    scene.register(&json!({})).unwrap();
    let entries = BTreeMap::from([("a".to_owned(), vec![0, 255])]);
    let migrate = |from| StateMigration {
        from,
        to: 2,
        entries: entries.clone(),
    };
    let result = scene.ask(HostRequest::Migrate(migrate(1))).unwrap();
    let migrated = StateMigration::entries_from_result(&result).unwrap();
    assert_eq!(
        migrated,
        BTreeMap::from([("v2/a".to_owned(), vec![0, 255])])
    );
    let error = scene.ask(HostRequest::Migrate(migrate(0))).unwrap_err();
    assert_eq!(error.to_reason(), "nothing is that old");
}

#[test]
fn register_says_what_is_wrong() {
    let mut scene = Scene::opened(&probe());
    let error = scene.register(&json!({"fail_register": true})).unwrap_err();
    assert_eq!(error.to_reason(), "told to fail");
    let error = scene.register(&json!({"fail_register": 5})).unwrap_err();
    assert!(error.to_reason().contains("settings do not fit"), "{error}");
    assert!(scene.register(&json!({})).is_ok());
    let error = scene.register(&json!({})).unwrap_err();
    assert_eq!(error.to_reason(), "the plugin has registered already");
}

#[test]
fn l11_a_manifest_altered_in_a_nested_field_is_refused() {
    let mut scene = Scene::opened(&probe());
    let mut altered = scene.manifest.source().clone();
    altered["extensions"]["dev.keyway"]["state"]["version"] = 3.into();
    let mut send = |manifest: &Value| {
        let manifest = serde_json::value::to_raw_value(manifest).unwrap();
        let settings = serde_json::value::to_raw_value(&json!({})).unwrap();
        scene.ask(HostRequest::Register { manifest, settings })
    };
    let error = send(&altered).unwrap_err();
    assert!(
        error
            .to_reason()
            .contains("not the one that this program was built with")
    );
    let own = super::kit::manifest(&probe().package).unwrap();
    assert!(send(own.source()).is_ok(), "control");
}

#[test]
fn s_c7_a_program_that_the_plugin_starts_inherits_neither_channel_nor_secret() {
    let mut scene = Scene::probe();
    let inherited = scene.call("descriptors", &json!({})).unwrap();
    assert_eq!(inherited, "", "descriptors leaked into a grandchild");
    // Control: the same look at a descriptor that is not close-on-exec.
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mapping = FdMapping {
        parent_fd: ours.into(),
        child_fd: 3,
    };
    let look = "[ -e /proc/self/fd/3 ] && echo 3";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", look]).fd_mappings(vec![mapping]).unwrap();
    assert_eq!(shell.output().unwrap().stdout, b"3\n");
}
