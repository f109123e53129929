//! The calls in an answer, and what is told of them, in each API's shape.

use keyway_host::model::{IntoTold, ModelApi, ModelTools, Told};
use keyway_host::{CallError, Outcome};
use keyway_plugin_api::{Content, ToolOutput};
use serde_json::{Value, json};

use super::{APIS, one};

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["q"],
        "additionalProperties": false,
    })
}

/// An answer of each API that calls `plug__do`, as its documentation shows it.
fn answers(api: ModelApi) -> Vec<Value> {
    match api {
        ModelApi::Anthropic => vec![json!({
            "id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "tool_use",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "c1", "name": "plug__do", "input": {"q": "x"}},
            ],
        })],
        ModelApi::Gemini => {
            let content = json!({"role": "model", "parts": [
                {"text": "Let me look."},
                {"functionCall": {"id": "c1", "name": "plug__do", "args": {"q": "x"}},
                 "thoughtSignature": "c2ln"},
            ]});
            vec![json!({"candidates": [{"content": content}]}), content]
        }
        ModelApi::OpenAi => {
            let message = json!({"role": "assistant", "content": null, "tool_calls": [{
                "id": "c1", "type": "function",
                "function": {"name": "plug__do", "arguments": r#"{"q":"x"}"#},
            }]});
            vec![
                json!({"choices": [{"index": 0, "message": message}]}),
                message,
            ]
        }
        ModelApi::OpenAiResponses => {
            let items = json!([
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "plug__do",
                 "arguments": r#"{"q":"x"}"#, "status": "completed"},
            ]);
            vec![json!({"id": "resp_1", "output": items}), items]
        }
        _ => panic!("a new API wants an answer here"),
    }
}

#[test]
fn the_calls_of_every_api_are_found() {
    for api in APIS {
        let tools = one(api, schema());
        for answer in answers(api) {
            let calls = tools.calls(&answer).unwrap();
            let [call] = &calls[..] else {
                panic!("{api:?}: {calls:?}");
            };
            assert_eq!(call.id.as_deref(), Some("c1"), "{api:?}");
            assert_eq!((call.tool.as_str(), call.is_offered), ("plug/do", true));
            assert_eq!(call.arguments, r#"{"q":"x"}"#, "{api:?}");
        }
    }
}

#[test]
fn an_answer_without_calls_has_none_and_what_is_no_answer_is_refused() {
    let talk = [
        (
            ModelApi::Anthropic,
            json!({"content": [{"type": "text", "text": "Done."}]}),
        ),
        (
            ModelApi::Gemini,
            json!({"role": "model", "parts": [{"text": "Done."}]}),
        ),
        (
            ModelApi::OpenAi,
            json!({"role": "assistant", "content": "Done."}),
        ),
        (
            ModelApi::OpenAiResponses,
            json!([{"type": "message", "content": []}]),
        ),
    ];
    for (api, answer) in talk {
        assert_eq!(one(api, schema()).calls(&answer), Ok(vec![]), "{api:?}");
        let error = one(api, schema()).calls(&json!({"oops": 1})).unwrap_err();
        assert_eq!(error.code(), "ANSWER_MALFORMED");
        assert!(
            error
                .to_string()
                .starts_with("no answer of this model API: expected `")
        );
    }
}

#[test]
fn a_call_without_a_name_and_too_many_calls_are_refused() {
    let tools = one(ModelApi::Anthropic, schema());
    let answer = json!({"content": [{"type": "tool_use", "id": "c1", "input": {}}]});
    let error = tools.calls(&answer).unwrap_err();
    assert_eq!(error.code(), "TOOL_CALL_UNNAMED");
    assert_eq!(error.to_string(), "tool call 1 has no name");
    let many = vec![json!({"type": "tool_use", "id": "c", "name": "plug__do", "input": {}}); 257];
    let error = tools.calls(&json!({"content": many})).unwrap_err();
    assert_eq!(error.code(), "TOO_MANY_TOOL_CALLS");
    assert_eq!(
        error.to_string(),
        "the answer has 257 tool calls, 256 are taken"
    );
}

#[test]
fn what_was_not_offered_stays_what_the_model_said() {
    for api in APIS {
        let call = one(api, schema()).call(None, "plug__undo", "{}");
        assert_eq!((call.tool.as_str(), call.is_offered), ("plug__undo", false));
    }
}

#[test]
fn arguments_that_are_no_json_reach_the_host_as_they_are() {
    for (said, expected) in [
        ("", "{}"),
        ("  ", "{}"),
        ("{\"q\": ", "{\"q\": "),
        ("null", "null"),
    ] {
        let call = one(ModelApi::OpenAi, schema()).call(None, "plug__do", said);
        assert_eq!(call.arguments, expected);
    }
}

#[test]
fn only_a_strict_tool_of_openai_takes_null_for_absent() {
    let said = r#"{"n":null,"q":"x"}"#;
    for api in APIS {
        let strict_openai = matches!(api, ModelApi::OpenAi | ModelApi::OpenAiResponses);
        let expected = if strict_openai { r#"{"q":"x"}"# } else { said };
        assert_eq!(
            one(api, schema()).call(None, "plug__do", said).arguments,
            expected
        );
        let tool = super::descriptor(schema());
        let plain = ModelTools::without_strict(api, [("plug/do", &tool)]);
        assert_eq!(
            plain.call(None, "plug__do", said).arguments,
            said,
            "{api:?}"
        );
    }
}

fn results() -> [Told; 4] {
    let picture = Content::Image {
        data: "AAAA".to_owned(),
        mime_type: "image/png".to_owned(),
    };
    let text = Content::Text {
        text: "a picture:".to_owned(),
    };
    let parts = ToolOutput::Content(vec![text, picture]);
    let error = CallError::TimedOut { limit_ms: 5 };
    [
        Ok(Outcome::Done(ToolOutput::json(&json!({"n": 1})).unwrap())),
        Ok(Outcome::Done(ToolOutput::Empty)),
        Ok(Outcome::Done(parts)),
        Err(error),
    ]
    .map(|result| result.told())
}

/// Everything that `oracle.rs` shows to the vendors' libraries.
pub(super) fn all_told() -> Vec<(ModelApi, Value)> {
    let mut all = Vec::new();
    for api in APIS {
        let tools = one(api, schema());
        let call = tools.call(Some("c1".to_owned()), "plug__do", "{}");
        all.extend(
            results()
                .iter()
                .map(|told| (api, tools.answer(&call, told))),
        );
    }
    all
}

#[test]
fn what_came_of_a_call_has_the_shape_of_each_api() {
    let error = "{\"error\":{\"code\":\"DEADLINE_EXCEEDED\",\"message\":\"the call took longer \
                 than 5 ms\",\"retryable\":true}}";
    let chat = |content: &str| json!({"role": "tool", "tool_call_id": "c1", "content": content});
    let item =
        |output: Value| json!({"type": "function_call_output", "call_id": "c1", "output": output});
    let block = |rest: Value| {
        let mut block = json!({"type": "tool_result", "tool_use_id": "c1"});
        block
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        block
    };
    let part = |response: Value| {
        json!({"functionResponse": {
            "id": "c1", "name": "plug__do", "response": response,
        }})
    };
    let expected = [
        block(json!({"content": "{\"n\":1}"})),
        block(json!({})),
        block(json!({"content": [
            {"type": "text", "text": "a picture:"},
            {"type": "image",
             "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ]})),
        block(json!({"content": error, "is_error": true})),
        part(json!({"output": {"n": 1}})),
        part(json!({"output": null})),
        part(json!({"output": "a picture:\n[a picture, image/png]"})),
        part(json!({"error": {"code": "DEADLINE_EXCEEDED",
                              "message": "the call took longer than 5 ms", "retryable": true}})),
        chat("{\"n\":1}"),
        chat(""),
        chat("a picture:\n[a picture, image/png]"),
        chat(error),
        item(json!("{\"n\":1}")),
        item(json!("")),
        item(json!([
            {"type": "input_text", "text": "a picture:"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        ])),
        item(json!(error)),
    ];
    let told: Vec<Value> = all_told().into_iter().map(|(_, told)| told).collect();
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}
