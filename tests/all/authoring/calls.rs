//! What a call of a derived tool does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyway_plugin_api::{
    Args, CallCx, Content, Denial, DenialReason, Effect, EffectReply, EffectRequest, FileStat,
    FsRead, FsWrite, Json, Log, LogLevel, Secret, SecretName, SecretValue, State, Tool, ToolError,
    ToolErrorKind, ToolInput, ToolOutput, ToolValue, Tools, tool, tools,
};
use serde_json::{Value, json};

use super::harness::{FakeHost, call};

#[derive(ToolInput)]
struct AddArgs {
    a: i64,
    b: i64,
}

/// Adds two numbers.
#[tool(effect = read)]
fn add(Args(args): Args<AddArgs>) -> Json<i64> {
    Json(args.a + args.b)
}

#[tokio::test]
async fn arguments_are_parsed_and_the_result_is_json() {
    let table = [
        (r#"{"a": 1, "b": 2}"#, Ok(json!(3))),
        (r#"{"a": 1.0, "b": 2e1}"#, Ok(json!(21))),
        (r#"{"a": 1}"#, Err("missing field `b`")),
        (r#"{"a": 1, "b": 2, "c": 3}"#, Err("unknown field `c`")),
        (r#"{"a": 1, "a": 1, "b": 2}"#, Err("duplicate field `a`")),
        (r#"{"a": 1.0, "a": 1, "b": 2}"#, Err("invalid type")),
        (r#"{"a": 1.5, "b": 2}"#, Err("invalid type: floating point")),
        ("[1, 2]", Err("invalid type: sequence")),
        ("", Err("EOF")),
    ];
    for (arguments, expected) in table {
        match (call(&Add, arguments).await, expected) {
            (Ok(output), Ok(value)) => assert_eq!(output.to_value(), value, "{arguments}"),
            (Err(error), Err(text)) => {
                assert_eq!(error.kind, ToolErrorKind::InvalidArguments, "{arguments}");
                assert!(error.message.contains(text), "{arguments}: {error}");
            }
            (outcome, _) => panic!("{arguments}: {outcome:?}"),
        }
    }
}

#[test]
fn the_function_stays_a_function() {
    assert_eq!(add(Args(AddArgs { a: 1, b: 2 })).0, 3);
}

/// Takes nothing.
#[tool(effect = read)]
async fn idle() {}

#[tokio::test]
async fn a_tool_without_arguments_refuses_arguments() {
    for arguments in ["{}", " { } ", "{\n}"] {
        let output = call(&Idle, arguments).await.unwrap();
        assert!(matches!(output, ToolOutput::Empty), "{arguments}");
    }
    for arguments in ["", "[]", "null", r#"{"a":1}"#, "{", "}", "{]"] {
        let error = call(&Idle, arguments).await.unwrap_err();
        assert_eq!(error.kind, ToolErrorKind::InvalidArguments, "{arguments}");
    }
}

/// Repeats a word.
#[tool(effect = read)]
fn repeat(
    #[arg] word: String,
    cx: &CallCx,
    #[arg]
    #[serde(default)]
    times: u8,
) -> String {
    let caller = &cx.info().caller;
    format!("{} ({caller})", word.repeat(times.into()))
}

#[tokio::test]
async fn marked_parameters_arrive_in_their_places() {
    let output = call(&Repeat, r#"{"times": 2, "word": "ab"}"#)
        .await
        .unwrap();
    assert_eq!(output.to_value(), "abab (acme/web/triage)");
    let error = call(&Repeat, r#"{"word": "ab", "cx": {}}"#)
        .await
        .unwrap_err();
    assert!(error.message.contains("unknown field `cx`"), "{error}");
}

/// Returns parts.
#[tool(effect = read)]
fn parts(#[arg] fail: bool) -> Result<Vec<Content>, Denial> {
    if fail {
        return Err(Denial::new(DenialReason::NotGranted, "authoring", "state"));
    }
    Ok(vec![Content::Text { text: "a".into() }])
}

/// Returns a ready output.
#[tool(effect = read)]
fn ready() -> ToolOutput {
    ToolOutput::text("ready")
}

/// Returns borrowed text.
#[tool(effect = read)]
fn borrowed() -> Result<&'static str, ToolError> {
    Ok("borrowed")
}

#[tokio::test]
async fn every_kind_of_result_becomes_an_output() {
    let table: [(&dyn Tool, &str, Value); 3] = [
        (
            &Parts,
            r#"{"fail": false}"#,
            json!([{"type": "text", "text": "a"}]),
        ),
        (&Ready, "{}", json!("ready")),
        (&Borrowed, "{}", json!("borrowed")),
    ];
    for (tool, arguments, expected) in table {
        assert_eq!(call(tool, arguments).await.unwrap().to_value(), expected);
    }
    let error = call(&Parts, r#"{"fail": true}"#).await.unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::Denied);
    assert!(error.denial.is_some());
}

struct Token;
impl SecretName for Token {
    const NAME: &'static str = "TOKEN";
}

/// Uses every handle once.
#[tool(effect = destructive)]
async fn use_everything(
    read: FsRead,
    write: FsWrite,
    state: State,
    secret: Secret<Token>,
    tools: Tools,
    log: Log,
) -> Result<Json<Vec<Value>>, ToolError> {
    log.warn("careful").await;
    let seen = vec![
        json!(read.read("f").await?),
        json!(read.read_text("f").await?),
        json!(read.list("d").await?),
        json!(read.stat("f").await?),
        json!(state.get("none").await?),
        json!(state.get_json::<Vec<u8>>("json").await?),
        json!(state.cas("k", None, "v").await?),
        json!(state.list("p").await?),
        json!(secret.reveal().await?.expose()),
        tools.call("calc/add", &json!({"a": 1})).await?,
    ];
    write.write("f", "text").await?;
    write.remove("f").await?;
    state.put("k", "v").await?;
    state.put_json("j", &[1]).await?;
    state.delete("k").await?;
    Ok(Json(seen))
}

fn answer(request: &EffectRequest) -> Result<EffectReply, ToolError> {
    Ok(match request {
        EffectRequest::CallTool { .. } => EffectReply::Output(r#"{"sum": 1}"#.into()),
        EffectRequest::FsList { .. } | EffectRequest::StateList { .. } => {
            EffectReply::Names(vec!["a".into(), "b".into()])
        }
        EffectRequest::FsRead { .. } => EffectReply::Bytes(Some(b"hi".to_vec())),
        EffectRequest::FsStat { .. } => EffectReply::Stat(FileStat {
            is_directory: false,
            bytes: 2,
        }),
        EffectRequest::SecretRead { .. } => EffectReply::Secret(SecretValue::new("s3cret")),
        EffectRequest::StateCas { .. } => EffectReply::Swapped(true),
        EffectRequest::StateGet { key } => {
            EffectReply::Bytes((key == "json").then(|| b"[1]".to_vec()))
        }
        _ => EffectReply::Done,
    })
}

#[tokio::test]
async fn handles_send_their_request_and_unwrap_the_reply() {
    let host = FakeHost::new(answer);
    let output = host.call(&UseEverything, "{}").await.unwrap();
    assert_eq!(
        output.to_value(),
        json!([
            [104, 105], "hi", ["a", "b"], {"is_directory": false, "bytes": 2}, null, [1], true,
            ["a", "b"], "s3cret", {"sum": 1}
        ])
    );
    let asked = host.asked();
    assert_eq!(asked.len(), 16);
    let warning = EffectRequest::Log {
        level: LogLevel::Warn,
        message: "careful".into(),
    };
    let cas = EffectRequest::StateCas {
        key: "k".into(),
        expected: None,
        value: b"v".to_vec(),
    };
    let secret = EffectRequest::SecretRead {
        name: "TOKEN".into(),
    };
    let nested = EffectRequest::CallTool {
        tool: "calc/add".into(),
        arguments: r#"{"a":1}"#.into(),
    };
    let write = EffectRequest::FsWrite {
        path: "f".into(),
        bytes: b"text".to_vec(),
    };
    for request in [warning, cas, secret, nested, write] {
        assert!(asked.contains(&request), "{request:?}");
    }
}

/// Logs and reads.
#[tool(effect = read)]
async fn log_and_read(fs: FsRead, log: Log) -> Result<String, ToolError> {
    log.info("reading").await;
    fs.read_text("f").await
}

#[tokio::test]
async fn a_denial_reaches_the_caller_and_a_refused_log_line_does_not() {
    let host = FakeHost::new(|request| {
        let denial = Denial::new(DenialReason::NotGranted, "authoring", "filesystem:read:f");
        match request {
            EffectRequest::Log { .. } => Err(ToolError::internal("the log is full")),
            _ => Err(denial.into()),
        }
    });
    let error = host.call(&LogAndRead, "{}").await.unwrap_err();
    assert_eq!(error.denial.unwrap().asked, "filesystem:read:f");
}

#[tokio::test]
async fn a_reply_of_another_kind_is_the_hosts_bug() {
    let host = FakeHost::new(|_| Ok(EffectReply::Done));
    let error = host.call(&LogAndRead, "{}").await.unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::Internal);
    assert!(error.message.contains("bug in the host"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_text_is_said_to_be_none() {
    let host = FakeHost::new(|_| Ok(EffectReply::Bytes(Some(vec![0xff]))));
    let error = host.call(&LogAndRead, "{}").await.unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::Conflict);
}

/// Counts, shared by its tools.
#[derive(Default)]
struct Counter(AtomicU64);

/// A name that the macro must not take away.
type Count = u64;

#[tools]
impl Counter {
    /// Adds to the counter.
    #[tool(effect = write)]
    async fn count(&self, Args(by): Args<ByArgs>, log: Log) -> Result<Json<Count>, ToolError> {
        log.trace("counting").await;
        Ok(Json(self.raise(by.by)))
    }

    /// Shows the counter.
    #[tool(effect = read, name = "show")]
    fn show_it(&self, #[arg] prefix: String) -> String {
        format!("{prefix}{}", self.raise(0))
    }

    fn raise(&self, by: u64) -> u64 {
        self.0.fetch_add(by, Ordering::Relaxed) + by
    }
}

#[derive(ToolInput)]
struct ByArgs {
    by: Count,
}

#[derive(ToolValue)]
struct By {
    by: Count,
}

#[tokio::test]
async fn methods_share_one_value() {
    let counter = Arc::new(Counter::default());
    let tools = Arc::clone(&counter).tools();
    let facts: Vec<_> = tools
        .iter()
        .map(|t| (t.descriptor().name.as_str(), t.descriptor().effect))
        .collect();
    assert_eq!(facts, [("count", Effect::Write), ("show", Effect::Read)]);

    let host = FakeHost::new(|_| Ok(EffectReply::Done));
    for expected in [2, 4] {
        let output = host.call(&*tools[0], r#"{"by": 2}"#).await.unwrap();
        assert_eq!(output.to_value(), expected);
    }
    let output = call(&*tools[1], r#"{"prefix": "n="}"#).await.unwrap();
    assert_eq!(output.to_value(), "n=4");
    assert_eq!(counter.show_it("still ".into()), "still 4");
}

#[derive(ToolInput)]
struct LooseArgs {
    #[serde(default)]
    values: Vec<Loose>,
}

/// Enums whose variants cannot be told apart by a name in one place.
#[derive(ToolValue)]
#[serde(untagged)]
enum Loose {
    Number(i64),
    Adjacent(Adjacent),
    Mixed(Mixed),
}

#[derive(ToolValue)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Text(String),
}

#[derive(ToolValue)]
enum Mixed {
    Named(Merged),
    #[serde(untagged)]
    Other(Vec<u8>),
}

#[derive(ToolValue)]
#[serde(tag = "kind")]
enum Merged {
    Holding(By),
}

/// Echoes what it understood.
#[tool(effect = read)]
fn echo(Args(args): Args<LooseArgs>) -> Json<Vec<Loose>> {
    Json(args.values)
}

#[tokio::test]
async fn enums_of_every_representation_go_in_and_out() {
    let values = json!([
        7, {"t": "Unit"}, {"t": "Text", "c": "x"}, {"Named": {"kind": "Holding", "by": 3}}, [1, 2]
    ]);
    let schema = &Echo.descriptor().input_schema;
    let arguments = json!({"values": values});
    assert!(
        jsonschema::draft202012::is_valid(schema, &arguments),
        "{schema}"
    );
    let output = call(&Echo, &arguments.to_string()).await.unwrap();
    assert_eq!(output.to_value(), values);
    let published = Echo.descriptor().output_schema.as_ref().unwrap();
    assert!(
        jsonschema::draft202012::is_valid(published, &values),
        "{published}"
    );
    assert!(!Echo.descriptor().typed);
}
