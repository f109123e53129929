//! What a model is told about arguments that do not fit.

use keyway_host::limits::Limits;
use keyway_host::schema::{PROBLEMS_MAX, Validator};
use keyway_plugin_api::{ToolError, ToolErrorKind};
use serde_json::{Value, json};

#[track_caller]
fn problems(schema: &Value, arguments: &Value) -> Vec<(String, String)> {
    let validator = Validator::compile(schema, &Limits::default()).unwrap();
    assert!(!validator.is_valid(arguments));
    let problems = validator.validate(arguments).unwrap_err();
    problems
        .iter()
        .map(|p| (p.path.clone(), p.message.clone()))
        .collect()
}

#[track_caller]
fn only(schema: &Value, arguments: &Value) -> (String, String) {
    let mut found = problems(schema, arguments);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// A schema, arguments, and where and what the problem with them is.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str, &str)] = &[
    (r#"{"properties": {"a": {"type": "integer"}}}"#, r#"{"a": "7"}"#, "/a", "expected an integer, found a string"),
    (r#"{"properties": {"a": {"type": ["string", "null"]}}}"#, r#"{"a": 7}"#, "/a", "expected null or a string, found a number"),
    (r#"{"required": ["a"]}"#, r#"{}"#, "", "the member \"a\" is missing"),
    (r#"{"properties": {"query": {}, "limit": {}}, "additionalProperties": false}"#, r#"{"qery": 1}"#, "", "the member `qery` is not known; leave it out (known: limit, query)"),
    (r#"{"items": {"enum": ["red", "green"]}}"#, r#"["blue"]"#, "/0", "expected one of \"red\", \"green\""),
    (r#"{"const": 5}"#, r#"6"#, "", "expected 5"),
    (r#"{"minimum": 1}"#, r#"0"#, "", "send a number of at least 1"),
    (r#"{"exclusiveMaximum": 1}"#, r#"1"#, "", "send a number less than 1"),
    (r#"{"maxItems": 1}"#, r#"[1, 2]"#, "", "send at most 1 entries"),
    (r#"{"minLength": 3}"#, r#""ab""#, "", "send at least 3 characters"),
    (r#"{"pattern": "^[a-z]+$"}"#, r#""A1""#, "", "expected text that matches `^[a-z]+$`"),
    (r#"{"propertyNames": {"maxLength": 2}}"#, r#"{"abc": 1}"#, "", "a member's name is refused: send at most 2 characters"),
    (r#"{"uniqueItems": true}"#, r#"[1, 1]"#, "", "an entry stands twice; send each once"),
    (r#"{"multipleOf": 5}"#, r#"7"#, "", "send a multiple of 5"),
    (r#"{"properties": {"a": false}}"#, r#"{"a": 1}"#, "/a", "nothing may stand here; leave it out"),
    (r#"{"oneOf": [{"type": "number"}, {"minimum": 0}]}"#, r#"1"#, "", "fits more than one alternative; send what fits exactly one"),
];

#[test]
fn each_problem_names_the_place_and_what_to_send() {
    for (schema, arguments, path, message) in CASES {
        let [schema, arguments] = [schema, arguments].map(|t| serde_json::from_str(t).unwrap());
        let found = only(&schema, &arguments);
        assert_eq!(found, ((*path).to_owned(), (*message).to_owned()));
    }
}

#[test]
fn of_alternatives_the_closest_is_explained() {
    let shape = |op: &str, member: &str| {
        json!({"type": "object", "required": ["op", member],
            "properties": {"op": {"const": op}, member: {"type": "number"}}})
    };
    let schema = json!({"anyOf": [shape("circle", "radius"), shape("square", "side")]});
    let (_, message) = only(&schema, &json!({"op": "square", "side": "4"}));
    assert_eq!(
        message,
        "fits none of 2 alternatives; the closest: /side: expected a number, found a string"
    );
}

#[test]
fn every_problem_is_listed_up_to_a_bound() {
    let schema = json!({"additionalProperties": {"type": "string"}, "required": ["z"]});
    assert_eq!(
        problems(&schema, &json!({"a": 1, "b": 2, "c": "x"})).len(),
        3
    );
    let many: Value = (0..100).map(|i| (format!("m{i:03}"), json!(i))).collect();
    let validator = Validator::compile(&schema, &Limits::default()).unwrap();
    let found = validator.validate(&many).unwrap_err();
    assert_eq!(found.iter().count(), PROBLEMS_MAX);
    assert!(found.has_more() && found.to_string().ends_with("; and more"));
}

#[test]
fn values_and_long_texts_stay_out_of_problems() {
    let secret = "hunter2-hunter2";
    let schemas = [
        json!({"type": "integer"}),
        json!({"enum": [1, 2]}),
        json!({"const": 1}),
        json!({"pattern": "^x$"}),
        json!({"maxLength": 3}),
        json!({"not": {"type": "string"}}),
        json!({"anyOf": [{"type": "integer"}, {"const": "x"}]}),
        json!({"contains": {"const": secret}, "type": "array"}),
    ];
    for schema in schemas {
        for (_, message) in problems(&schema, &json!(secret)) {
            assert!(!message.contains(secret), "{message}");
        }
    }
    let schema = json!({"additionalProperties": false});
    let name = "n".repeat(10_000);
    let (_, message) = only(&schema, &json!({ name: 1 }));
    assert!(message.chars().count() < 300, "{message}");
    let schema = json!({"enum": vec!["long"; 2_000]});
    assert!(only(&schema, &json!(1)).1.chars().count() < 300);
}

#[test]
fn names_cannot_act_on_the_readers_terminal() {
    let schema = json!({"additionalProperties": false, "properties": {"a": {"additionalProperties": false}}});
    let arguments = json!({"a": {"\u{1b}[2J": 1}, "\u{202e}x\n": 1});
    for (path, message) in problems(&schema, &arguments) {
        assert!(
            !path
                .chars()
                .chain(message.chars())
                .any(keyway_host::text::is_unsafe)
        );
    }
}

#[test]
fn problems_become_a_tool_error() {
    let validator = Validator::compile(&json!({"required": ["a"]}), &Limits::default()).unwrap();
    let problems = validator.validate(&json!({})).unwrap_err();
    assert_eq!(problems.code(), "INVALID_ARGUMENTS");
    let error = ToolError::from(problems);
    assert_eq!(error.kind, ToolErrorKind::InvalidArguments);
    assert_eq!(error.message, "arguments: the member \"a\" is missing");
}
