//! The vendors' own libraries judge what is sent to them. They know nothing of keyway.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use keyway_host::model::{ModelApi, ModelTools};
use keyway_plugin_api::{Effect, ToolDescriptor};
use serde_json::{Value, json};

use super::odd::odd_schemas;
use super::schemas::samples;
use super::{APIS, calls, descriptor};
use crate::judges::judges;
use crate::quickstart::endpoint::tools_sent;

/// One Python for all these tests: what it brings takes seconds to load.
static ORACLE: LazyLock<Mutex<Oracle>> = LazyLock::new(|| Mutex::new(Oracle::start()));

struct Oracle {
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    #[track_caller]
    #[expect(
        clippy::zombie_processes,
        reason = "it ends when its input does, which is when these tests end"
    )]
    fn start() -> Self {
        let mut python = judges()
            .script("oracle.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            questions: python.stdin.take().unwrap(),
            answers: BufReader::new(python.stdout.take().unwrap()),
        }
    }
}

/// Asks all questions at once; an answer is what a library complains of.
#[track_caller]
fn ask(questions: &[Value]) -> Vec<Option<String>> {
    let mut oracle = ORACLE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = serde_json::to_vec(questions).unwrap();
    text.push(b'\n');
    oracle.questions.write_all(&text).unwrap();
    let mut line = String::new();
    oracle.answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn name_of(api: ModelApi) -> &'static str {
    match api {
        ModelApi::Anthropic => "anthropic",
        ModelApi::Gemini => "gemini",
        ModelApi::OpenAi => "openai",
        ModelApi::OpenAiResponses => "openai_responses",
        _ => panic!("a new API wants a judge"),
    }
}

fn question(api: ModelApi, is_strict: bool, entry: &Value) -> Value {
    json!({"api": name_of(api), "ask": "tool", "strict": is_strict, "json": entry})
}

/// Projects tools one by one to every API; no library may complain of any. Returns how many are strict.
#[track_caller]
fn judged(tools: &[(String, ToolDescriptor)]) -> [usize; 4] {
    let mut questions = Vec::new();
    let strict = APIS.map(|api| {
        let mut strict = 0;
        for (name, tool) in tools {
            let projected = ModelTools::of(api, [(name.as_str(), tool)]);
            for tool in projected.tools() {
                strict += usize::from(tool.strict);
                questions.push(question(api, tool.strict, &tool.json));
            }
        }
        strict
    });
    let answers = ask(&questions);
    assert_eq!(answers.len(), questions.len());
    for (question, answer) in questions.iter().zip(answers) {
        assert_eq!(answer, None, "{question:#}");
    }
    strict
}

/// The tools of a real server, as it says them.
fn tools_of(server: &str) -> Vec<(String, ToolDescriptor)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/descriptors");
    let text = std::fs::read_to_string(format!("{folder}/{server}.json")).unwrap();
    let tools: Vec<Value> = serde_json::from_str(&text).unwrap();
    let read = |tool: Value| {
        let name = tool["name"].as_str().unwrap();
        let description = tool["description"].as_str().unwrap_or_default();
        let schema = tool["inputSchema"].clone();
        let made = ToolDescriptor::new(name.parse().unwrap(), description, Effect::Read, schema);
        (format!("{server}/{name}"), made)
    };
    tools.into_iter().map(read).collect()
}

#[test]
fn vendors_take_the_tools_of_real_servers() {
    let servers = [("everything", 13), ("filesystem", 14), ("memory", 9)];
    let mut all = Vec::new();
    for (server, count) in servers {
        let tools = tools_of(server);
        assert_eq!(tools.len(), count, "{server}");
        all.extend(tools);
    }
    for api in APIS {
        let each = all.iter().map(|(name, tool)| (name.as_str(), tool));
        let tools = ModelTools::of(api, each);
        assert!(tools.left_out().is_empty(), "{:?}", tools.left_out());
    }
    let strict = judged(&all);
    println!("{} tools, strict for {strict:?}", all.len());
}

#[test]
fn vendors_take_odd_tools_that_are_offered() {
    let odd = odd_schemas().into_iter().enumerate();
    let odd = odd.map(|(i, (_, schema, _))| (format!("odd/t{i}"), descriptor(schema)));
    judged(&Vec::from_iter(odd));
}

#[test]
fn vendors_take_what_strict_mode_wants_rewritten() {
    let property = json!({
        "none": {"type": "string", "default": "x", "description": "d"},
        "when": {"type": "string", "format": "date-time"},
        "many": {"type": ["string", "boolean"]},
        "level": {"oneOf": [{"const": "low", "description": "L"}, {"const": "high"}]},
        "list": {"type": "array", "items": {"type": "number"}, "minItems": 1},
        "inner": {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "additionalProperties": false},
        "joined": {"allOf": [{"type": "string"}, {"title": "T"}]},
    });
    let all = json!({"type": "object", "properties": property, "additionalProperties": false});
    let empty = json!({"type": "object", "additionalProperties": false});
    let tools = [
        ("a/all".to_owned(), descriptor(all)),
        ("a/empty".to_owned(), descriptor(empty)),
    ];
    assert_eq!(judged(&tools), [2, 0, 2, 2]);
}

#[test]
fn vendors_take_any_tool() {
    let all = samples(400).into_iter().enumerate();
    let all: Vec<_> = all
        .map(|(i, schema)| (format!("any/t{i}"), descriptor(schema)))
        .collect();
    let [anthropic, gemini, openai, responses] = judged(&all);
    assert_eq!(gemini, 0);
    // Enough must be strict to mean something.
    assert!(anthropic >= 20 && openai >= 20, "{anthropic} {openai}");
    assert_eq!(openai, responses);
}

#[test]
fn vendors_take_the_tools_of_the_quickstart() {
    let tools = tools_sent();
    assert_eq!(tools.len(), 6);
    let questions: Vec<Value> = tools
        .iter()
        .map(|tool| question(ModelApi::OpenAi, tool["function"]["strict"] == true, tool))
        .collect();
    assert!(questions.iter().any(|question| question["strict"] == true));
    for (question, answer) in questions.iter().zip(ask(&questions)) {
        assert_eq!(answer, None, "{question:#}");
    }
}

#[test]
fn vendors_take_what_is_told_of_calls() {
    let told = calls::all_told();
    let question = |(api, told): &(ModelApi, Value)| json!({"api": name_of(*api), "ask": "answer", "json": told});
    let questions: Vec<Value> = told.iter().map(question).collect();
    for (question, answer) in questions.iter().zip(ask(&questions)) {
        assert_eq!(answer, None, "{question:#}");
    }
}

/// The control: the same libraries complain of what was not projected.
#[test]
fn vendors_refuse_raw_descriptors() {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"a": {"type": ["string", "null"], "minLength": 1}, "b": true},
    });
    let function = json!({"name": "a", "description": "d", "parameters": schema, "strict": true});
    let mut flat = function.clone();
    flat["type"] = json!("function");
    let raw = [
        (
            ModelApi::Anthropic,
            json!({"name": "a", "input_schema": schema, "strict": true}),
        ),
        (
            ModelApi::Gemini,
            json!({"name": "a", "parametersJsonSchema": schema}),
        ),
        (
            ModelApi::OpenAi,
            json!({"type": "function", "function": function}),
        ),
        (ModelApi::OpenAiResponses, flat),
    ];
    let questions = raw.map(|(api, entry)| question(api, true, &entry));
    for (question, answer) in questions.iter().zip(ask(&questions)) {
        assert!(answer.is_some(), "{question:#}");
    }
    let answer = json!({"api": "openai", "ask": "answer", "json": {"role": "tool"}});
    assert!(ask(&[answer])[0].is_some());
}
