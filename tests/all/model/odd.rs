//! Descriptors as bad as they come: each is offered with its losses, or left out with a reason,
//! and the good tool beside it is never touched.

use keyway_host::model::{LeftOutReason, ModelApi, ModelTools};
use keyway_plugin_api::{Effect, ToolDescriptor};
use serde_json::{Value, json};

use super::{APIS, descriptor, losses, projected};

fn good() -> ToolDescriptor {
    descriptor(json!({
        "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"],
        "additionalProperties": false,
    }))
}

/// A name, an input schema, and the code of the refusal, if it is one.
type Odd = (&'static str, Value, Option<&'static str>);

/// Input schemas seen with real clients and servers.
pub(super) fn odd_schemas() -> Vec<Odd> {
    [odd_roots(), odd_references(), odd_keywords()].concat()
}

fn odd_roots() -> Vec<Odd> {
    vec![
        (
            "root oneOf, no type",
            json!({"oneOf": [{"type": "object"}]}),
            Some("SCHEMA_ROOT"),
        ),
        (
            "root oneOf and type object",
            json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            Some("SCHEMA_ROOT"),
        ),
        (
            "property true",
            json!({"type": "object", "properties": {"any": true}}),
            None,
        ),
        ("null", json!(null), Some("SCHEMA_ROOT")),
        ("an array", json!([]), Some("SCHEMA_ROOT")),
        ("empty", json!({}), None),
        (
            "unknown type",
            json!({"type": "object", "properties": {"a": {"type": "strin"}}}),
            Some("SCHEMA_INVALID"),
        ),
        (
            "unknown dialect",
            json!({"$schema": "https://example.org/no-dialect", "type": "object"}),
            None,
        ),
    ]
}

fn odd_references() -> Vec<Odd> {
    vec![
        (
            "remote reference",
            json!({"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}}),
            Some("SCHEMA_REF_REMOTE"),
        ),
        (
            "dead reference",
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}),
            Some("SCHEMA_REF_DEAD"),
        ),
        (
            "recursive reference",
            json!({"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}),
            None,
        ),
    ]
}

fn odd_keywords() -> Vec<Odd> {
    vec![
        (
            "required is no list",
            json!({"type": "object", "required": "a"}),
            Some("SCHEMA_INVALID"),
        ),
        (
            "minLength is text",
            json!({
                "type": "object", "properties": {"a": {"type": "string", "minLength": "3"}},
            }),
            Some("SCHEMA_INVALID"),
        ),
        (
            "pattern is no expression",
            json!({
                "type": "object", "properties": {"a": {"type": "string", "pattern": "("}},
            }),
            Some("SCHEMA_INVALID"),
        ),
        ("70 levels", deep(70), Some("SCHEMA_TOO_LARGE")),
        (
            "10,001 values",
            json!({"type": "object", "enum": vec![0; 10_001]}),
            Some("SCHEMA_TOO_LARGE"),
        ),
        (
            "300 KB",
            json!({"type": "object", "title": "t".repeat(300_000)}),
            Some("SCHEMA_TOO_LARGE"),
        ),
    ]
}

fn deep(levels: usize) -> Value {
    let wrap = |inner, _| json!({"type": "object", "properties": {"a": inner}});
    (0..levels).fold(json!({"type": "string"}), wrap)
}

#[test]
fn every_odd_schema_is_offered_or_left_out_with_a_reason() {
    for (name, schema, code) in odd_schemas() {
        let odd = descriptor(schema);
        let good = good();
        for api in APIS {
            let tools = ModelTools::of(api, [("plug/odd", &odd), ("plug/good", &good)]);
            let offered: Vec<&str> = tools.tools().iter().map(|t| &t.tool_id[..]).collect();
            let left_out: Vec<_> = tools.left_out().iter().map(|l| l.reason.code()).collect();
            let expected: &[&str] = match code {
                None => &["plug/good", "plug/odd"],
                Some(_) => &["plug/good"],
            };
            assert_eq!(offered, expected, "{name} {api:?}: {left_out:?}");
            assert_eq!(left_out, Vec::from_iter(code), "{name} {api:?}");
        }
    }
}

#[test]
fn a_tool_that_is_listed_twice_is_offered_once() {
    let (first, second) = (good(), descriptor(json!({"type": "object"})));
    let tools = ModelTools::of(
        ModelApi::OpenAi,
        [("plug/do", &first), ("plug/do", &second)],
    );
    assert_eq!(tools.tools().len(), 1);
    assert!(tools.tools()[0].strict);
    assert_eq!(tools.left_out()[0].reason, LeftOutReason::Duplicate);
    assert_eq!(
        tools.left_out()[0].reason.to_string(),
        "the tool is listed twice"
    );
}

#[test]
fn the_order_in_which_tools_come_changes_nothing() {
    let tool = good();
    let names = ["b/x", "a/y", "a/x.1"];
    for api in APIS {
        let forth = ModelTools::of(api, names.map(|name| (name, &tool)));
        let mut back = names;
        back.reverse();
        let back = ModelTools::of(api, back.map(|name| (name, &tool)));
        assert_eq!(forth.to_json(), back.to_json());
    }
}

#[test]
fn property_names_that_an_api_refuses() {
    let schema = |name: &str, is_required: bool| {
        let required = if is_required {
            json!([name])
        } else {
            json!([])
        };
        json!({"type": "object", "properties": {name: {"type": "string"}, "z": {"type": "string"}},
               "required": required, "additionalProperties": false})
    };
    let long = "n".repeat(65);
    for (name, anthropic, gemini) in [
        ("plain_1", true, true),
        ("with-hyphen", true, false),
        ("with.dot", true, false),
        ("9", true, false),
        ("$filter", false, false),
        ("zwei Wörter", false, false),
        (&long, false, false),
    ] {
        for (api, is_taken) in [
            (ModelApi::Anthropic, anthropic),
            (ModelApi::Gemini, gemini),
            (ModelApi::OpenAi, true),
        ] {
            let tool = projected(api, schema(name, false));
            let has_name = tool.schema()["properties"].get(name).is_some();
            assert_eq!(has_name, is_taken, "{name} {api:?}");
            assert_eq!(
                tool.losses.is_empty(),
                is_taken,
                "{name}: {:?}",
                losses(&tool)
            );
            let tools = super::one(api, schema(name, true));
            let code = tools.left_out().first().map(|left| left.reason.code());
            assert_eq!(
                code,
                (!is_taken).then_some("PROPERTY_NAME_REFUSED"),
                "{name} {api:?}"
            );
        }
    }
    let tool = projected(ModelApi::Anthropic, schema("$filter", false));
    assert_eq!(
        losses(&tool),
        [
            "the optional property `$filter` at `` is not sent",
            "not strict: a property at `` is not sent",
        ]
    );
}

#[test]
fn descriptions_are_kept_whole_and_long_ones_are_said() {
    let schema = json!({"type": "object", "additionalProperties": false});
    let told = |chars: usize, api: ModelApi| {
        let name = "do".parse().unwrap();
        let text = "ä".repeat(chars);
        let tool = ToolDescriptor::new(name, text.clone(), Effect::Read, schema.clone());
        let tools = ModelTools::of(api, [("plug/do", &tool)]);
        assert!(tools.to_json().to_string().contains(&text));
        losses(&tools.tools()[0])
    };
    assert_eq!(told(1_024, ModelApi::OpenAi), [""; 0]);
    assert_eq!(
        told(1_025, ModelApi::OpenAi),
        ["the description has 1025 characters"]
    );
    assert_eq!(told(1_025, ModelApi::Anthropic), [""; 0]);
    assert_eq!(told(1_025, ModelApi::Gemini), [""; 0]);
}

#[test]
fn a_description_of_a_megabyte_is_left_out() {
    let name = "do".parse().unwrap();
    let schema = json!({"type": "object"});
    let tool = ToolDescriptor::new(name, "a".repeat(1 << 20), Effect::Read, schema);
    for api in APIS {
        let tools = ModelTools::of(api, [("plug/do", &tool)]);
        let reason = &tools.left_out()[0].reason;
        assert_eq!(reason.code(), "TOOL_TOO_LARGE");
        assert!(
            reason.to_string().ends_with("262144 are allowed"),
            "{reason}"
        );
    }
}
