//! The canonical form of a schema.

#![expect(
    clippy::needless_pass_by_value,
    reason = "schemas are written out where they are used"
)]

use jsonschema::draft202012;
use keyway_plugin_api::{normalise_input, normalise_output};
use serde_json::{Value, json};

/// Puts a schema into the one property of an object.
fn holding(schema: Value) -> Value {
    json!({"type": "object", "properties": {"p": schema}})
}

#[track_caller]
fn becomes(what: &str, schema: &Value, expected: &Value) {
    let normal = normalise_input(schema).unwrap();
    assert_eq!(&normal, expected, "{what}");
    assert_eq!(
        &normalise_input(&normal).unwrap(),
        expected,
        "{what}: stable"
    );
    draft202012::new(&normal).unwrap();
}

#[test]
fn a_root_becomes_a_plain_object() {
    let empty = json!({"type": "object", "properties": {}});
    let table = [
        ("nothing said", json!({}), empty.clone()),
        ("no properties", json!({"type": "object"}), empty.clone()),
        (
            "a list of one type",
            json!({"type": ["object"]}),
            empty.clone(),
        ),
        ("only properties", json!({"properties": {}}), empty.clone()),
        (
            "a reference to a definition",
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}}),
            empty,
        ),
        (
            "dialect and comments",
            json!({
                "$schema": "http://json-schema.org/draft-07/schema#", "$id": "urn:x",
                "$comment": "c", "type": "object", "properties": {}, "definitions": {"Unused": 7}
            }),
            json!({"type": "object", "properties": {}}),
        ),
    ];
    for (what, schema, expected) in table {
        becomes(what, &schema, &expected);
    }
}

#[test]
fn a_root_that_is_no_plain_object_is_refused() {
    let table = [
        (
            json!(null),
            "expected an input schema of `type: object`, found `null`",
        ),
        (
            json!(true),
            "expected an input schema of `type: object`, found `true`",
        ),
        (
            json!({"type": "array"}),
            "expected an input schema of `type: object`, found `type: \"array\"`",
        ),
        (
            json!({"type": ["object", "null"]}),
            "expected an input schema of `type: object`, found `type: [\"object\",\"null\"]`",
        ),
        (
            json!({"description": "d"}),
            "expected an input schema of `type: object`, found no `type`",
        ),
        (
            json!({"type": "object", "oneOf": []}),
            "`oneOf` at the root of an input schema is refused by model APIs; expected one plain object",
        ),
        (
            json!({"type": "object", "properties": 3}),
            "expected a schema at `/properties`",
        ),
    ];
    for (schema, text) in table {
        assert_eq!(
            normalise_input(&schema).unwrap_err().to_string(),
            text,
            "{schema}"
        );
    }
}

#[test]
fn a_result_may_have_any_root() {
    let table = [
        (json!(true), json!({})),
        (json!(false), json!({"not": {}})),
        (
            json!({"type": "array", "items": true}),
            json!({"type": "array", "items": {}}),
        ),
        (
            json!({"oneOf": [{"type": "null"}]}),
            json!({"oneOf": [{"type": "null"}]}),
        ),
    ];
    for (schema, expected) in table {
        assert_eq!(normalise_output(&schema).unwrap(), expected, "{schema}");
    }
}

#[test]
fn parts_take_their_canonical_form() {
    let table = [
        ("true", json!(true), json!({})),
        ("false", json!(false), json!({"not": {}})),
        (
            "booleans that every reader knows stay",
            json!({"type": "object", "additionalProperties": false, "unevaluatedProperties": true}),
            json!({"type": "object", "additionalProperties": false, "unevaluatedProperties": true}),
        ),
        (
            "an integer of Rust",
            json!({"type": "integer", "format": "int32"}),
            json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}),
        ),
        (
            "a range of its own is kept",
            json!({"type": ["integer", "null"], "format": "uint64", "minimum": 3}),
            json!({"type": ["integer", "null"], "minimum": 3, "maximum": u64::MAX}),
        ),
        (
            "a float of Rust",
            json!({"type": "number", "format": "double"}),
            json!({"type": "number"}),
        ),
        (
            "a standard format stays",
            json!({"type": "string", "format": "uri"}),
            json!({"type": "string", "format": "uri"}),
        ),
        (
            "an integer format on a number",
            json!({"type": "number", "format": "int32"}),
            json!({"type": "number"}),
        ),
    ];
    for (what, schema, expected) in table {
        becomes(what, &holding(schema), &holding(expected));
    }
}

#[test]
fn what_other_drafts_and_readers_write_takes_its_canonical_form() {
    let table = [
        (
            "draft 7 tuples",
            json!({"type": "array", "items": [true, {"type": "null"}], "additionalItems": false}),
            json!({"type": "array", "prefixItems": [{}, {"type": "null"}], "items": {"not": {}}}),
        ),
        (
            "draft 7 dependencies",
            json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
            json!({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["d"]}}}),
        ),
        (
            "required is a set",
            json!({"required": ["b", "a", "b"]}),
            json!({"required": ["a", "b"]}),
        ),
        (
            "names that look like keywords are names",
            json!({"properties": {"$ref": {"type": "string"}, "format": true, "$schema": {}}}),
            json!({"properties": {"$ref": {"type": "string"}, "format": {}, "$schema": {}}}),
        ),
        (
            "data is not a schema",
            json!({"default": {"$ref": "x", "format": "int32"}, "enum": [true, {"b": 1, "a": 2}]}),
            json!({"default": {"$ref": "x", "format": "int32"}, "enum": [true, {"a": 2, "b": 1}]}),
        ),
    ];
    for (what, schema, expected) in table {
        becomes(what, &holding(schema), &holding(expected));
    }
}

#[test]
fn keys_come_out_sorted() {
    let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}, "description": "d"});
    assert_eq!(
        normalise_input(&schema).unwrap().to_string(),
        r#"{"description":"d","properties":{"a":{},"b":{}},"type":"object"}"#
    );
}

#[track_caller]
fn resolves(what: &str, property: Value, definitions: Value, expected: Value) {
    let mut schema = holding(property);
    schema["$defs"] = definitions;
    becomes(what, &schema, &expected);
}

#[test]
fn references_are_replaced_by_what_they_refer_to() {
    let string = json!({"type": "string"});
    resolves(
        "plain",
        json!({"$ref": "#/$defs/A"}),
        json!({"A": string}),
        holding(string.clone()),
    );
    resolves(
        "through another",
        json!({"$ref": "#/$defs/A"}),
        json!({"A": {"$ref": "#/$defs/B"}, "B": string}),
        holding(string.clone()),
    );
    resolves(
        "escaped and encoded",
        json!({"$ref": "#/%24defs/a~1b%20c"}),
        json!({"a/b c": string}),
        holding(string.clone()),
    );
    resolves(
        "descriptions beside it win",
        json!({"$ref": "#/$defs/A", "description": "mine"}),
        json!({"A": {"type": "string", "description": "theirs"}}),
        holding(json!({"type": "string", "description": "mine"})),
    );
    resolves(
        "constraints beside it hold as well",
        json!({"$ref": "#/$defs/A", "minLength": 1}),
        json!({"A": string}),
        holding(json!({"minLength": 1, "allOf": [string]})),
    );
    resolves(
        "into a property",
        json!({"anyOf": [{"$ref": "#/$defs/A/properties/x"}]}),
        json!({"A": {"properties": {"x": true}}}),
        holding(json!({"anyOf": [{}]})),
    );
}

#[test]
fn references_stay_where_a_type_contains_itself() {
    let node = |to: &str| json!({"type": "object", "properties": {"next": {"$ref": to}}});
    resolves(
        "a definition",
        json!({"$ref": "#/$defs/Node"}),
        json!({"Node": node("#/$defs/Node")}),
        json!({
            "type": "object", "properties": {"p": {"$ref": "#/$defs/Node"}},
            "$defs": {"Node": node("#/$defs/Node")}
        }),
    );
    becomes("the root", &node("#"), &node("#"));
    // Two definitions that need each other: one is enough to break the circle.
    resolves(
        "a circle",
        json!({"$ref": "#/$defs/A"}),
        json!({"A": {"items": {"$ref": "#/$defs/B"}}, "B": {"items": {"$ref": "#/$defs/A"}}}),
        json!({
            "type": "object", "properties": {"p": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"items": {"items": {"$ref": "#/$defs/A"}}}}
        }),
    );
    becomes(
        "a place that is no definition",
        &json!({"type": "object", "properties": {"p": {"items": {"$ref": "#/properties/p"}}}}),
        &json!({
            "type": "object", "properties": {"p": {"items": {"$ref": "#/$defs/p"}}},
            "$defs": {"p": {"items": {"$ref": "#/$defs/p"}}}
        }),
    );
    becomes(
        "draft 7's place for definitions, two of one name",
        &json!({
            "type": "object",
            "properties": {"a": {"$ref": "#/definitions/x/y"}, "b": {"$ref": "#/definitions/z/y"}},
            "definitions": {
                "x": {"y": {"items": {"$ref": "#/definitions/x/y"}}},
                "z": {"y": {"not": {"$ref": "#/definitions/z/y"}}}
            }
        }),
        &json!({
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/y"}, "b": {"$ref": "#/$defs/y2"}},
            "$defs": {
                "y": {"items": {"$ref": "#/$defs/y"}},
                "y2": {"not": {"$ref": "#/$defs/y2"}}
            }
        }),
    );
}

#[test]
fn references_that_cannot_be_followed_are_refused() {
    let table = [
        (
            json!({"$ref": "#/$defs/A"}),
            "SCHEMA_REF_DEAD",
            "`$ref: #/$defs/A` at `/properties/p` leads nowhere",
        ),
        (
            json!({"$ref": "#anchor"}),
            "SCHEMA_REF_DEAD",
            "`$ref: #anchor` at `/properties/p` leads nowhere",
        ),
        (
            json!({"$ref": "https://e.com/s.json"}),
            "SCHEMA_REF_REMOTE",
            "`$ref: https://e.com/s.json` at `/properties/p` leaves the schema; references must be local",
        ),
        (
            json!({"items": {"$ref": "file:///etc/passwd#/a"}}),
            "SCHEMA_REF_REMOTE",
            "`$ref: file:///etc/passwd#/a` at `/properties/p/items` leaves the schema; references must be local",
        ),
        (
            json!({"$ref": 3}),
            "SCHEMA_INVALID",
            "expected a schema at `/properties/p`",
        ),
        (
            json!({"anyOf": {}}),
            "SCHEMA_INVALID",
            "expected a schema at `/properties/p/anyOf`",
        ),
        (
            json!({"items": 3}),
            "SCHEMA_INVALID",
            "expected a schema at `/properties/p/items`",
        ),
        (
            json!({"$dynamicRef": "#n"}),
            "SCHEMA_INVALID",
            "`$dynamicRef` at `/properties/p` is not supported; use a local `$ref`",
        ),
    ];
    for (schema, code, text) in table {
        let problem = normalise_input(&holding(schema)).unwrap_err();
        assert_eq!((problem.code(), problem.to_string().as_str()), (code, text));
    }
}

#[test]
fn s_schema_bombs_are_refused() {
    let mut nested = json!({});
    for _ in 0..70 {
        nested = json!({"items": nested});
    }
    // Each definition names the next one ten times: ten to the eighth when written out.
    let mut laughs = json!({"d8": {"type": "string"}});
    for i in 0..8 {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        laughs[format!("d{i}")] = json!({"allOf": vec![next; 10]});
    }
    let mut laughing = holding(json!({"$ref": "#/$defs/d0"}));
    laughing["$defs"] = laughs;
    // A chain of references, each to the next.
    let mut chain = holding(json!({"$ref": "#/$defs/c0"}));
    for i in 0..5_000 {
        chain["$defs"][format!("c{i}")] = json!({"$ref": format!("#/$defs/c{}", i + 1)});
    }
    let deep_data = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let wide = json!({"enum": (0..10_001).collect::<Vec<_>>()});
    let long = json!({"description": "x".repeat(300 * 1024)});
    let too_deep = "the schema nests more than 64 levels deep at `/";
    let table = [
        ("depth", holding(nested), too_deep),
        ("laughs", laughing, "the schema has more than 10000 values"),
        ("chain", chain, too_deep),
        ("data", holding(json!({"default": deep_data})), too_deep),
        (
            "nodes",
            holding(wide),
            "the schema has more than 10000 values",
        ),
        (
            "bytes",
            holding(long),
            "the schema takes more than 262144 bytes",
        ),
    ];
    for (what, schema, text) in table {
        let problem = normalise_input(&schema).unwrap_err();
        assert_eq!(problem.code(), "SCHEMA_TOO_LARGE", "{what}");
        assert!(problem.to_string().starts_with(text), "{what}: {problem}");
    }
}

/// The control of `s_schema_bombs_are_refused`: each bomb is refused for its size alone.
#[test]
fn s_schema_bombs_of_a_harmless_size_are_not_refused() {
    let nested = (0..30).fold(json!({}), |inner, _| json!({"items": inner}));
    let mut laughing = holding(json!({"$ref": "#/$defs/d0"}));
    laughing["$defs"]["d0"] = json!({"allOf": vec![json!({"$ref": "#/$defs/d1"}); 10]});
    laughing["$defs"]["d1"] = json!({"type": "string"});
    for schema in [
        holding(nested),
        laughing,
        holding(json!({"enum": (0..9_000).collect::<Vec<_>>()})),
        holding(json!({"description": "x".repeat(200 * 1024)})),
    ] {
        normalise_input(&schema).unwrap();
    }
}
