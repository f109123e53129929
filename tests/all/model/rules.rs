//! The rules, each as a table: a schema in, a schema out.

use keyway_host::model::rules::{
    Members, annotations, are_disjoint, close_bounds, const_to_enum, merge_all_of, normalise_input,
    object_output, one_of_to_any_of, open_object, recursion, settle_property_names, split_types,
};
use keyway_plugin_api::{Effect, Need};
use serde_json::{Value, json};

use super::descriptor;

#[track_caller]
fn table(rule: impl Fn(&mut Members), rows: &[(Value, Value)]) {
    for (before, after) in rows {
        let mut schema = before.as_object().unwrap().clone();
        rule(&mut schema);
        assert_eq!(&Value::Object(schema), after, "of {before}");
    }
}

#[test]
fn rules_2_3_5_and_8_are_the_canonical_form() {
    let within = |property: Value| json!({"type": "object", "properties": {"p": property}});
    for (before, after) in [
        (json!(true), json!({})),
        (json!(false), json!({"not": {}})),
        (
            json!({"type": "integer", "format": "uint8"}),
            json!({"type": "integer", "minimum": 0, "maximum": 255}),
        ),
        (
            json!({"type": "number", "format": "double"}),
            json!({"type": "number"}),
        ),
        (json!({"$ref": "#/$defs/T"}), json!({"type": "string"})),
        (
            json!({"$ref": "#/$defs/T", "description": "d"}),
            json!({"type": "string", "description": "d"}),
        ),
    ] {
        let mut whole = within(before);
        whole["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        whole["$defs"] = json!({"T": {"type": "string"}});
        assert_eq!(normalise_input(&whole), Ok(within(after)));
    }
    for (root, code) in [
        (json!(null), "SCHEMA_ROOT"),
        (json!({"type": "string"}), "SCHEMA_ROOT"),
        (json!({"oneOf": [{"type": "object"}]}), "SCHEMA_ROOT"),
        (json!({"type": "object", "oneOf": []}), "SCHEMA_ROOT"),
    ] {
        assert_eq!(normalise_input(&root).unwrap_err().code(), code, "{root}");
    }
}

#[test]
fn rule_4_several_types_become_any_of() {
    table(
        split_types,
        &[
            (json!({"type": "string"}), json!({"type": "string"})),
            (json!({"type": ["string"]}), json!({"type": "string"})),
            (
                json!({"type": ["integer", "array", "null"], "minimum": 1, "items": {},
                       "description": "d"}),
                json!({"description": "d", "anyOf": [
                    {"type": "integer", "minimum": 1},
                    {"type": "array", "items": {}},
                    {"type": "null"},
                ]}),
            ),
            (
                json!({"type": ["string", "null"], "enum": ["a", 1, null]}),
                json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
            ),
            (
                json!({"type": ["string", "null"], "enum": ["a"]}),
                json!({"type": "string", "enum": ["a"]}),
            ),
            (
                json!({"type": ["string", "null"], "const": 1, "title": "T"}),
                json!({"not": {}, "title": "T"}),
            ),
            (
                json!({"type": ["string", "null"], "not": {"const": "x"}}),
                json!({"not": {"const": "x"}, "anyOf": [{"type": "string"}, {"type": "null"}]}),
            ),
            (
                json!({"type": ["string", "null"], "anyOf": [{"minLength": 1}]}),
                json!({"type": ["string", "null"], "anyOf": [{"minLength": 1}]}),
            ),
        ],
    );
}

#[test]
fn rule_6_const_becomes_enum() {
    table(
        const_to_enum,
        &[
            (json!({"const": 1}), json!({"enum": [1]})),
            (json!({"const": null}), json!({"enum": [null]})),
            (json!({"const": 1, "enum": [1, 2]}), json!({"enum": [1]})),
            (json!({"const": 3, "enum": [1, 2]}), json!({"enum": []})),
            (json!({"enum": [1]}), json!({"enum": [1]})),
        ],
    );
}

#[test]
fn rule_6_one_of_becomes_any_of_and_says_whether_that_is_the_same() {
    let object = |name: &str, closed: bool| {
        let mut object = json!({"type": "object", "properties": {name: {}}, "required": [name]});
        object["additionalProperties"] = json!(!closed);
        object
    };
    let tagged = |tag: &str| json!({"type": "object", "properties": {"kind": {"const": tag}}, "required": ["kind"]});
    for (a, b, expected) in [
        (json!({"type": "string"}), json!({"type": "integer"}), true),
        (json!({"type": "number"}), json!({"type": "integer"}), false),
        (
            json!({"type": ["string", "null"]}),
            json!({"type": "null"}),
            false,
        ),
        (json!({"const": "a"}), json!({"const": "b"}), true),
        (json!({"const": 1}), json!({"const": 1.0}), false),
        (json!({"enum": ["a", "b"]}), json!({"enum": ["b"]}), false),
        (json!({"enum": ["a"]}), json!({"type": "integer"}), true),
        (
            json!({"const": {"a": 1}}),
            json!({"const": {"a": 1.0}}),
            false,
        ),
        (json!({}), json!({"type": "string"}), false),
        (tagged("x"), tagged("y"), true),
        (tagged("x"), tagged("x"), false),
        (object("a", true), object("b", true), true),
        (object("a", true), object("b", false), true),
        (object("a", false), object("b", false), false),
        (json!({"minLength": 1}), json!({"maxLength": 0}), false),
    ] {
        assert_eq!(are_disjoint(&a, &b), expected, "{a} {b}");
        assert_eq!(are_disjoint(&b, &a), expected, "{b} {a}");
        let mut schema = Members::from_iter([("oneOf".to_owned(), json!([a, b]))]);
        assert_eq!(one_of_to_any_of(&mut schema), expected);
        assert_eq!(Value::Object(schema), json!({"anyOf": [a, b]}));
    }
    let both = json!({"oneOf": [], "anyOf": []});
    let mut schema = both.as_object().unwrap().clone();
    assert!(!one_of_to_any_of(&mut schema));
    assert_eq!(Value::Object(schema), both);
}

#[test]
fn rule_6_all_of_is_joined_where_that_is_the_same() {
    table(
        merge_all_of,
        &[
            (
                json!({"allOf": [{"type": "string"}, {"type": "string", "maxLength": 1}]}),
                json!({"type": "string", "maxLength": 1}),
            ),
            (
                json!({"required": ["b"], "allOf": [{"required": ["a", "b"]}]}),
                json!({"required": ["a", "b"]}),
            ),
            (
                json!({"description": "out", "allOf": [{"description": "in"}]}),
                json!({"description": "out"}),
            ),
            // A closed object counts only the properties beside it.
            (
                json!({"additionalProperties": false, "allOf": [{"properties": {"a": {}}}]}),
                json!({"additionalProperties": false, "allOf": [{"properties": {"a": {}}}]}),
            ),
            (
                json!({"minimum": 1, "allOf": [{"minimum": 2}]}),
                json!({"minimum": 1, "allOf": [{"minimum": 2}]}),
            ),
            (
                json!({"items": {}, "allOf": [{"prefixItems": [{}]}]}),
                json!({"items": {}, "allOf": [{"prefixItems": [{}]}]}),
            ),
        ],
    );
}

#[test]
fn rule_6_open_bounds_of_integers_close() {
    let integer = |keyword: &str, bound: Value| json!({"type": "integer", keyword: bound});
    let huge = i64::MAX;
    table(
        close_bounds,
        &[
            (
                integer("exclusiveMinimum", json!(0)),
                integer("minimum", json!(1)),
            ),
            (
                integer("exclusiveMaximum", json!(0)),
                integer("maximum", json!(-1)),
            ),
            (
                integer("exclusiveMinimum", json!(0.5)),
                integer("exclusiveMinimum", json!(0.5)),
            ),
            (
                integer("exclusiveMinimum", json!(huge)),
                integer("exclusiveMinimum", json!(huge)),
            ),
            (
                json!({"type": "number", "exclusiveMinimum": 0}),
                json!({"type": "number", "exclusiveMinimum": 0}),
            ),
            (
                json!({"type": "integer", "exclusiveMaximum": 9, "maximum": 3}),
                json!({"type": "integer", "maximum": 3}),
            ),
        ],
    );
}

#[test]
fn rule_7_property_names_that_an_api_refuses_are_taken_out() {
    let mut schema = json!({
        "properties": {"a b": {}, "list": {"items": {
            "properties": {"c d": {"type": "string"}, "e": {}}, "required": ["c d"],
        }}},
    });
    let bad = settle_property_names(&mut schema, |name| !name.contains(' '));
    let bad: Vec<_> = bad
        .iter()
        .map(|b| (&b.at[..], &b.name[..], b.is_required))
        .collect();
    assert_eq!(
        bad,
        [("", "a b", false), ("/properties/list/items", "c d", true)]
    );
    assert!(!schema.to_string().contains("c d\":{"));
}

#[test]
fn rule_8_a_type_that_holds_itself_is_found() {
    let tree = json!({"type": "object", "properties": {"kids": {"items": {"$ref": "#"}}}});
    assert_eq!(recursion(&tree), Some("/properties/kids/items".to_owned()));
    assert_eq!(
        recursion(&json!({"properties": {"$ref": {"type": "string"}}})),
        None
    );
}

#[test]
fn rule_9_an_open_object_is_found() {
    let closed = json!({"type": "object", "additionalProperties": false});
    assert_eq!(open_object(&closed), None);
    let list = json!({"type": "array", "items": {"type": ["object", "null"]}});
    assert_eq!(open_object(&list), Some("/items".to_owned()));
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    assert_eq!(open_object(&map), Some(String::new()));
}

#[test]
fn rule_10_older_clients_get_an_object_as_output() {
    let object = json!({"type": "object", "properties": {}});
    assert_eq!(object_output(&object).schema, object);
    assert!(!object_output(&object).is_wrapped);
    let wrapped = |inner: Value, defs: Value| {
        let mut whole = json!({
            "type": "object", "properties": {"result": inner}, "required": ["result"],
        });
        if !defs.is_null() {
            whole["$defs"] = defs;
        }
        whole
    };
    let list = json!({"type": "array", "items": {"type": "integer"}});
    let tree = json!({"type": "array", "items": {"$ref": "#"}});
    let named =
        json!({"anyOf": [{"$ref": "#/$defs/T"}], "$defs": {"T": {"items": {"$ref": "#/$defs/T"}}}});
    for (schema, expected) in [
        (&list, wrapped(list.clone(), Value::Null)),
        (
            &tree,
            wrapped(
                json!({"$ref": "#/$defs/$root"}),
                json!({"$root": {"type": "array", "items": {"$ref": "#/$defs/$root"}}}),
            ),
        ),
        (
            &named,
            wrapped(
                json!({"anyOf": [{"$ref": "#/$defs/T"}]}),
                named["$defs"].clone(),
            ),
        ),
    ] {
        let output = object_output(schema);
        assert!(output.is_wrapped);
        assert_eq!(output.schema, expected);
    }
    let validator = jsonschema::validator_for(&object_output(&tree).schema).unwrap();
    assert!(validator.is_valid(&json!({"result": [[], [[]]]})));
    assert!(!validator.is_valid(&json!({"result": [[1]]})));
}

#[test]
fn rule_11_hints_are_four_booleans() {
    let network = Need::Network {
        hosts: vec!["api.example.org".to_owned()],
    };
    for (effect, idempotent, needs, expected) in [
        (Effect::Read, false, None, [true, false, true, false]),
        (Effect::Write, true, None, [false, false, true, false]),
        (
            Effect::Destructive,
            false,
            None,
            [false, true, false, false],
        ),
        (
            Effect::Execute,
            false,
            Some(network),
            [false, true, false, true],
        ),
    ] {
        let mut tool = descriptor(json!({"type": "object"})).with_needs(needs);
        tool.effect = effect;
        let hints = annotations(&tool.with_idempotent(idempotent));
        let names = [
            "readOnlyHint",
            "destructiveHint",
            "idempotentHint",
            "openWorldHint",
        ];
        assert_eq!(
            names.map(|name| hints[name].as_bool().unwrap()),
            expected,
            "{effect:?}"
        );
    }
}
