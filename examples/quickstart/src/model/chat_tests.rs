use keyway_host::model::{ModelApi, ModelTools};
use serde_json::json;

use super::{Assembler, ChunkError, Finish, RESULT_MAX, error_text, result_text};
use crate::model::{ModelTurn, ToolCall};

#[track_caller]
fn assembled(pieces: &[serde_json::Value]) -> Result<(ModelTurn, Option<Finish>), ChunkError> {
    let mut assembler = Assembler::default();
    let mut streamed = String::new();
    for piece in pieces {
        streamed += &assembler.take(&piece.to_string())?;
    }
    let finish = assembler.finish_reason().cloned();
    let turn = assembler.into_turn(&ModelTools::of(ModelApi::OpenAi, []))?;
    assert_eq!(streamed, turn.text);
    Ok((turn, finish))
}

fn delta(delta: impl Into<serde_json::Value>) -> serde_json::Value {
    json!({ "choices": [{ "index": 0, "delta": delta.into(), "finish_reason": null }] })
}

fn call(id: &str, tool: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.to_owned(),
    }
}

#[test]
fn two_calls_whose_arguments_come_in_pieces_are_put_together() {
    let (turn, finish) = assembled(&[
        delta(json!({ "role": "assistant", "content": "Let me " })),
        delta(json!({ "content": "look.", "tool_calls": null })),
        delta(json!({ "tool_calls": [
            { "index": 0, "id": "c1", "type": "function",
              "function": { "name": "a__b", "arguments": "" } }] })),
        delta(json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "{\"q\":" } }] })),
        delta(json!({ "tool_calls": [
            { "index": 1, "id": "c2", "function": { "name": "a__c", "arguments": "{}" } },
            { "index": 0, "function": { "arguments": "1}" } }] })),
        json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] }),
        json!({ "choices": [], "usage": { "total_tokens": 3 } }),
    ])
    .unwrap();
    assert_eq!(turn.text, "Let me look.");
    let expected = [call("c1", "a__b", "{\"q\":1}"), call("c2", "a__c", "{}")];
    assert_eq!(turn.calls, expected);
    assert_eq!(finish, Some(Finish::Said));
}

#[test]
fn the_habits_of_other_servers_are_understood() {
    for (habit, pieces, expected) in [
        (
            "no index, the id on the first piece only",
            vec![
                json!([{ "id": "x", "function": { "name": "t", "arguments": "{\"a\"" } }]),
                json!([{ "function": { "arguments": ":1}" } }]),
                json!([{ "id": "y", "function": { "name": "u" } }]),
            ],
            vec![call("x", "t", "{\"a\":1}"), call("y", "u", "{}")],
        ),
        (
            "the id and name on every piece",
            vec![
                json!([{ "index": 0, "id": "x", "function": { "name": "t", "arguments": "{" } }]),
                json!([{ "index": 0, "id": "x", "function": { "name": "t", "arguments": "}" } }]),
            ],
            vec![call("x", "t", "{}")],
        ),
        (
            "arguments as an object, no id at all",
            vec![json!([{ "index": 0, "function": { "name": "t", "arguments": { "a": 1 } } }])],
            vec![call("call_0", "t", "{\"a\":1}")],
        ),
        (
            "empty ids and null arguments after the first piece",
            vec![
                json!([{ "index": 0, "id": "x", "function": { "name": "t", "arguments": null } }]),
                json!([{ "index": 0, "id": "", "function": { "name": "", "arguments": "{}" } }]),
            ],
            vec![call("x", "t", "{}")],
        ),
    ] {
        let pieces: Vec<_> = pieces
            .into_iter()
            .map(|calls| delta(json!({ "tool_calls": calls })))
            .collect();
        assert_eq!(assembled(&pieces).unwrap().0.calls, expected, "{habit}");
    }
}

#[test]
fn what_does_not_fit_is_an_error_and_never_a_call() {
    for (piece, expected) in [
        (
            json!({ "error": { "message": "overloaded" } }),
            "overloaded",
        ),
        (json!({ "error": "flat" }), "flat"),
        (delta(json!({ "tool_calls": [{ "index": 0 }] })), "no name"),
        (delta(json!({ "content": 5 })), "invalid type"),
        (json!([1]), "invalid"),
    ] {
        let error = assembled(std::slice::from_ref(&piece)).unwrap_err();
        assert!(
            format!("{error:?}").contains(expected),
            "{piece} gave {error:?}"
        );
    }
    let calls: Vec<_> = (0..65)
        .map(|i| json!({ "index": i, "function": { "name": "t" } }))
        .collect();
    assert!(assembled(&[delta(json!({ "tool_calls": calls }))]).is_err());
}

#[test]
fn the_sentence_of_an_error_body_is_found() {
    for (body, expected) in [
        (json!({ "error": { "message": "a", "code": 1 } }), "a"),
        (json!({ "error": "b" }), "b"),
        (json!({ "message": "c" }), "c"),
        (json!({ "detail": "d" }), "d"),
        (json!({ "odd": 1 }), "{\"odd\":1}"),
    ] {
        assert_eq!(error_text(&body), expected);
    }
}

#[test]
fn a_result_is_told_as_text_and_a_long_one_is_cut() {
    assert_eq!(result_text(&json!("plain")), "plain");
    assert_eq!(result_text(&json!({ "a": 1 })), "{\"a\":1}");
    let exact = "ä".repeat(RESULT_MAX);
    assert_eq!(result_text(&json!(exact)), exact);
    let long = result_text(&json!("ä".repeat(RESULT_MAX + 1)));
    assert!(long.starts_with(&exact) && long.ends_with("ask for less)"));
}
