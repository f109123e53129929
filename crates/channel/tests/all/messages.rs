//! Messages: what goes in comes out, what does not fit is answered or ignored.

use std::collections::BTreeMap;

use keyway_channel::ChannelLimits;
use keyway_channel::message::{
    FromHost, FromPlugin, HostRequest, HostRequestId, PluginRequestId, Refusal, ReplyShape,
    RpcError, StateMigration, ToolCall, output_from_result, output_to_result,
};
use keyway_plugin_api::{
    Content, EffectReply, EffectRequest, HttpResponse, SecretValue, ToolError, ToolErrorKind,
    ToolOutput,
};
use serde_json::value::RawValue;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn line_of(message: &FromHost) -> String {
    let mut out = Vec::new();
    message.encode(ChannelLimits::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap().trim_end().to_owned()
}

#[test]
fn arguments_travel_untouched() {
    let arguments = r#"{"a":1.0,"b":1e400,"c":"é\u0000","d":{ "x" : [ ] }}"#;
    let call = ToolCall {
        name: "search".into(),
        arguments: raw(arguments),
        call: 17,
        deadline_ms: i64::MAX,
        caller: "acme/ops/triage".into(),
    };
    let request = HostRequest::CallTool(call);
    let line = line_of(&FromHost::Request {
        id: HostRequestId(5),
        request,
    });
    assert!(line.contains(arguments), "{line}");
    assert!(!line.contains("deadline_ms"));
    let parsed = FromHost::parse(&line).unwrap();
    let FromHost::Request {
        request: HostRequest::CallTool(call),
        ..
    } = parsed
    else {
        panic!("{parsed:?}");
    };
    assert_eq!(call.arguments.get(), arguments);
    assert_eq!(call.deadline_ms, i64::MAX);
}

#[test]
fn every_output_comes_back() {
    let content = vec![Content::Text { text: "a".into() }];
    let outputs = [
        ToolOutput::Text("line\nbreak".into()),
        ToolOutput::Json(raw("null")),
        ToolOutput::Json(raw(r#"{"n":1}"#)),
        ToolOutput::Content(content),
        ToolOutput::Empty,
    ];
    for output in outputs {
        let result = output_to_result(Ok(&output)).unwrap();
        let back = output_from_result(&result).unwrap();
        assert_eq!(format!("{back:?}"), format!("{output:?}"));
    }
    for wrong in [
        "{}",
        "[]",
        r#"{"output":{"kind":"text"}}"#,
        r#"{"output":{"kind":"video"}}"#,
    ] {
        assert_eq!(
            output_from_result(&raw(wrong)).unwrap_err().code(),
            "MESSAGE_INVALID"
        );
    }
}

#[test]
fn every_reply_comes_back_in_the_shape_of_its_request() {
    let key = || "k".to_owned();
    let http = HttpResponse {
        status: 204,
        headers: vec![("a".into(), "b".into())],
        body: vec![0, 255],
    };
    let pairs = [
        (
            EffectRequest::StateGet { key: key() },
            EffectReply::Bytes(None),
        ),
        (
            EffectRequest::StateGet { key: key() },
            EffectReply::Bytes(Some(vec![0, 1, 255])),
        ),
        (
            EffectRequest::FsRead { path: key() },
            EffectReply::Bytes(Some(vec![])),
        ),
        (EffectRequest::StateDelete { key: key() }, EffectReply::Done),
        (
            EffectRequest::StateList { prefix: key() },
            EffectReply::Names(vec!["a".into()]),
        ),
        (
            EffectRequest::FsList { path: key() },
            EffectReply::Names(vec![]),
        ),
        (
            EffectRequest::SecretRead { name: key() },
            EffectReply::Secret(SecretValue::new("s")),
        ),
        (
            EffectRequest::CallTool {
                tool: key(),
                arguments: "{}".into(),
            },
            EffectReply::Output("[1, 2]".into()),
        ),
        (
            EffectRequest::HttpFetch {
                method: "GET".into(),
                url: key(),
                headers: vec![],
                body: None,
            },
            EffectReply::Http(http),
        ),
    ];
    for (request, reply) in pairs {
        let shape = ReplyShape::of(&request);
        let result = shape.write(Ok(&reply)).unwrap();
        assert_eq!(shape.read(&result).unwrap(), reply);
        let other = EffectReply::Swapped(true);
        let error = shape.write(Ok(&other)).unwrap_err();
        assert_eq!(error.to_tool_error().kind, ToolErrorKind::Internal);
    }
}

#[test]
fn a_denial_reaches_the_plugin_whole() {
    use keyway_plugin_api::{Denial, DenialReason};
    let denial = Denial::new(DenialReason::NotGranted, "notes", "filesystem:read:a")
        .with_command("keyway plugin approve notes");
    let error = ToolError::from(denial);
    let answer = ReplyShape::File.write(Err(&error));
    let line = line_of(&FromHost::Answer {
        id: PluginRequestId(3),
        answer,
    });
    let FromHost::Answer { answer, .. } = FromHost::parse(&line).unwrap() else {
        panic!("{line}");
    };
    assert_eq!(answer.unwrap_err().to_tool_error(), error);
}

#[test]
fn unknown_and_unfit_requests_are_answered_and_the_channel_goes_on() {
    let unfit = r#"{"jsonrpc":"2.0","id":"p4","method":"host/fs.read","params":{"path":5}}"#;
    let unknown = r#"{"jsonrpc":"2.0","id":"p5","method":"host/gpu","params":{}}"#;
    for (line, refusal, code) in [
        (unfit, Refusal::InvalidParams, -32_602),
        (unknown, Refusal::UnknownMethod, -32_601),
    ] {
        let FromPlugin::Refused { error, .. } = FromPlugin::parse(line).unwrap() else {
            panic!("{line}");
        };
        assert_eq!((error.refusal(), error.code()), (Some(refusal), code));
    }
    let unfit = r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"x"}}"#;
    assert!(matches!(
        FromHost::parse(unfit).unwrap(),
        FromHost::Refused { .. }
    ));
}

#[test]
fn unknown_fields_and_notifications_are_ignored() {
    let line = r#"{"jsonrpc":"2.0","method":"host/unheard","params":[1],"extra":true}"#;
    assert!(matches!(
        FromPlugin::parse(line).unwrap(),
        FromPlugin::Ignored { .. }
    ));
    assert!(matches!(
        FromHost::parse(line).unwrap(),
        FromHost::Ignored { .. }
    ));
    let line = r#"{"jsonrpc":"2.0","method":"host/log","params":{"level":"loud","message":"x"}}"#;
    assert!(matches!(
        FromPlugin::parse(line).unwrap(),
        FromPlugin::Ignored { .. }
    ));
    let line =
        r#"{"jsonrpc":"2.0","id":"p1","method":"host/fs.read","params":{"path":"a","later":1}}"#;
    assert!(matches!(
        FromPlugin::parse(line).unwrap(),
        FromPlugin::Request { .. }
    ));
}

#[test]
fn ids_have_one_spelling() {
    for id in [
        "0",
        "-1",
        "1.0",
        "1e3",
        "01",
        "\"1\"",
        "null",
        "18446744073709551616",
    ] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"keyway/ping","params":{{}}}}"#);
        let parsed = FromHost::parse(&line);
        let is_request = matches!(parsed, Ok(FromHost::Request { .. }));
        assert!(!is_request, "{id}: {parsed:?}");
    }
    for id in [
        "\"p0\"",
        "\"p01\"",
        "\"P1\"",
        "\"p\"",
        "\"p1 \"",
        "1",
        "\"\\u00701\"",
    ] {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"host/fs.read","params":{{"path":"a"}}}}"#
        );
        assert!(FromPlugin::parse(&line).is_err(), "{id}");
    }
}

#[test]
fn errors_keep_what_they_say() {
    let bare: RpcError = serde_json::from_str(r#"{"code":-32602,"message":"no"}"#).unwrap();
    assert_eq!(bare.to_tool_error().kind, ToolErrorKind::InvalidArguments);
    let odd: RpcError = serde_json::from_str(r#"{"code":5,"message":"x","data":[1]}"#).unwrap();
    assert_eq!(odd.to_tool_error().kind, ToolErrorKind::Internal);
    assert_eq!(RpcError::reason("broken").to_reason(), "broken");
    assert_eq!(odd.to_reason(), "x");
}

#[test]
fn state_migrates_byte_for_byte() {
    let entries = BTreeMap::from([("a".to_owned(), vec![0, 1, 255]), ("b".to_owned(), vec![])]);
    let result = StateMigration::entries_to_result(&entries).unwrap();
    assert_eq!(
        StateMigration::entries_from_result(&result).unwrap(),
        entries
    );
}
