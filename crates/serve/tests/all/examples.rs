//! The example plugins in other languages do what they say.

use keyway_channel::message::{FromHost, HostRequest};
use keyway_plugin_api::{LogLevel, ToolErrorKind};
use serde_json::json;

use super::support::{Scene, example};

fn python() -> Scene {
    Scene::ready(&example("python-notes", "python3", "plugin.py"))
}

fn node() -> Scene {
    Scene::ready(&example("node-text", "node", "plugin.mjs"))
}

#[test]
fn the_python_plugin_keeps_finds_and_removes_notes() {
    let mut scene = python();
    let note = json!({"name": "todo", "text": "buy milk"});
    assert_eq!(scene.call("add_note", &note).unwrap(), "stored `todo`");
    scene
        .call("add_note", &json!({"name": "k\u{e4}se", "text": "brie"}))
        .unwrap();
    assert_eq!(scene.host.world.state["notes/todo"], b"buy milk");
    let found = scene.call("find_notes", &json!({"words": "MILK"})).unwrap();
    assert_eq!(
        found,
        json!({"notes": [{"name": "todo", "text": "buy milk"}]})
    );
    let all = scene.call("find_notes", &json!({})).unwrap();
    assert_eq!(all["notes"].as_array().unwrap().len(), 2);
    assert_eq!(scene.host.world.progress.last(), Some(&(2, Some(2))));
    let (level, line) = &scene.host.world.log[0];
    assert_eq!(
        (*level, line.as_str()),
        (LogLevel::Info, "stored a note of 8 characters")
    );
    scene.call("remove_note", &json!({"name": "todo"})).unwrap();
    let error = scene
        .call("remove_note", &json!({"name": "todo"}))
        .unwrap_err()
        .to_tool_error();
    assert_eq!(error.kind, ToolErrorKind::NotFound);
    assert_eq!(error.case.as_deref(), Some("no_such_note"));
    let error = scene
        .call("add_note", &json!({"name": 5}))
        .unwrap_err()
        .to_tool_error();
    assert_eq!(error.kind, ToolErrorKind::InvalidArguments);
    scene.ask(HostRequest::Drain).unwrap();
    scene.ask(HostRequest::Shutdown).unwrap();
    let (code, out, err) = scene.ended();
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
}

#[test]
fn the_node_plugin_counts_sorts_and_compares() {
    let mut scene = node();
    let counted = scene
        .call("count_words", &json!({"text": "the cat\nthe h\u{e4}t"}))
        .unwrap();
    assert_eq!(counted["lines"], 2);
    assert_eq!(counted["words"], 4);
    assert_eq!(counted["characters"], 15);
    assert_eq!(counted["most"][0], json!({"word": "the", "times": 2}));
    let sorted = scene
        .call("sort_lines", &json!({"text": "b\na\nb"}))
        .unwrap();
    assert_eq!(sorted, "a\nb");
    let texts = json!({"first": "a\nb", "second": "b\nc"});
    let compared = scene.call("compare_texts", &texts).unwrap();
    assert_eq!(compared, json!({"only_first": ["a"], "only_second": ["c"]}));
    assert_eq!(scene.host.world.progress, [(1, Some(2)), (2, Some(2))]);
    assert_eq!(scene.host.world.state["uses/sort_lines"], b"1");
    let error = scene
        .call("sort_lines", &json!({}))
        .unwrap_err()
        .to_tool_error();
    assert_eq!(error.kind, ToolErrorKind::InvalidArguments);
    scene.ask(HostRequest::Drain).unwrap();
    scene.ask(HostRequest::Shutdown).unwrap();
    let (code, out, err) = scene.ended();
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
}

#[test]
fn a_cancelled_call_asks_for_nothing_more() {
    let mut scene = python();
    let number = scene.start_call(9, "find_notes", &json!({}));
    // The request of the call is on its way; the call is cancelled before it is answered.
    let first = scene.host.must_line().unwrap();
    scene.host.send(&FromHost::Cancelled { call: 9 }).unwrap();
    scene
        .host
        .world
        .state
        .insert("notes/a".into(), b"a".to_vec());
    scene.host.take(&first).unwrap();
    let error = scene.host.answer_to(number).unwrap().unwrap_err();
    assert_eq!(error.to_tool_error().kind, ToolErrorKind::Cancelled);
}
