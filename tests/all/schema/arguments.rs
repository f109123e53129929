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
fn only(schema: Value, arguments: Value) -> (String, String) {
    let mut found = problems(&schema, &arguments);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn each_problem_names_the_place_and_what_to_send() {
    let cases = [
        (
            json!({"properties": {"a": {"type": "integer"}}}),
            json!({"a": "7"}),
            "/a",
            "expected an integer, found a string",
        ),
        (
            json!({"properties": {"a": {"type": ["string", "null"]}}}),
            json!({"a": 7}),
            "/a",
            "expected null or a string, found a number",
        ),
        (
            json!({"required": ["a"]}),
            json!({}),
            "",
            "the member \"a\" is missing",
        ),
        (
            json!({"properties": {"query": {}, "limit": {}}, "additionalProperties": false}),
            json!({"qery": 1}),
            "",
            "the member `qery` is not known; leave it out (known: limit, query)",
        ),
        (
            json!({"items": {"enum": ["red", "green"]}}),
            json!(["blue"]),
            "/0",
            "expected one of \"red\", \"green\"",
        ),
        (json!({"const": 5}), json!(6), "", "expected 5"),
        (
            json!({"minimum": 1}),
            json!(0),
            "",
            "send a number of at least 1",
        ),
        (
            json!({"exclusiveMaximum": 1}),
            json!(1),
            "",
            "send a number less than 1",
        ),
        (
            json!({"maxItems": 1}),
            json!([1, 2]),
            "",
            "send at most 1 entries",
        ),
        (
            json!({"minLength": 3}),
            json!("ab"),
            "",
            "send at least 3 characters",
        ),
        (
            json!({"pattern": "^[a-z]+$"}),
            json!("A1"),
            "",
            "expected text that matches `^[a-z]+$`",
        ),
        (
            json!({"propertyNames": {"maxLength": 2}}),
            json!({"abc": 1}),
            "",
            "a member's name is refused: send at most 2 characters",
        ),
        (
            json!({"uniqueItems": true}),
            json!([1, 1]),
            "",
            "an entry stands twice; send each once",
        ),
        (
            json!({"multipleOf": 5}),
            json!(7),
            "",
            "send a multiple of 5",
        ),
        (
            json!({"properties": {"a": false}}),
            json!({"a": 1}),
            "/a",
            "nothing may stand here; leave it out",
        ),
        (
            json!({"oneOf": [{"type": "number"}, {"minimum": 0}]}),
            json!(1),
            "",
            "fits more than one alternative; send what fits exactly one",
        ),
    ];
    for (schema, arguments, path, message) in cases {
        assert_eq!(
            only(schema, arguments),
            (path.to_owned(), message.to_owned())
        );
    }
}

#[test]
fn of_alternatives_the_closest_is_explained() {
    let shape = |op: &str, member: &str| {
        json!({"type": "object", "required": ["op", member],
            "properties": {"op": {"const": op}, member: {"type": "number"}}})
    };
    let schema = json!({"anyOf": [shape("circle", "radius"), shape("square", "side")]});
    let (_, message) = only(schema, json!({"op": "square", "side": "4"}));
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
    let (_, message) = only(schema, json!({ name: 1 }));
    assert!(message.chars().count() < 300, "{message}");
    let schema = json!({"enum": vec!["long"; 2_000]});
    assert!(only(schema, json!(1)).1.chars().count() < 300);
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
