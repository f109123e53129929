//! Attack E3: schemas that make a validator slow, deep or blind.

use std::process::Command;

use keyway_host::limits::Limits;
use keyway_host::schema::{Validator, guard, guard_input, inspect};
use serde_json::{Value, json};

use super::families::FAMILIES;

/// Steps the guard may take whatever it is given: a small multiple of its own limits.
const STEPS_MAX: u64 = 250_000;

#[test]
fn s_e3_every_bomb_is_refused_within_bounded_work() {
    assert!(FAMILIES.len() >= 30);
    for family in FAMILIES {
        for &size in family.sizes {
            let schema = (family.make)(size);
            let seen = inspect(&schema, &Limits::default());
            let code = seen.verdict.as_ref().map_err(|e| e.code()).err();
            assert_eq!(code, Some(family.code), "{} × {size}", family.name);
            assert!(
                seen.steps <= STEPS_MAX,
                "{} × {size}: {} steps",
                family.name,
                seen.steps
            );
            dismantle(schema);
        }
    }
}

/// The control: what the guard refuses for cost is as costly as it says.
#[test]
fn s_e3_control_without_a_guard_the_bombs_expand() {
    for family in FAMILIES.iter().filter(|f| f.code == "SCHEMA_TOO_COSTLY") {
        let schema = (family.make)(family.sizes[0]);
        let compiled = jsonschema::options().build(&schema);
        assert!(compiled.is_ok(), "{} compiles", family.name);
        // What `unevaluated…` asks again is counted once, so it takes less by this measure.
        let asks_again = family.name.starts_with("unevaluated");
        let expected = if asks_again { 1_000 } else { 19_000 };
        assert_eq!(
            expand(&schema, &schema, expected),
            expected,
            "{}",
            family.name
        );
    }
}

/// The control: the library takes a schema whose references go in circles, and with it anything.
#[test]
fn s_e3_control_the_library_accepts_cycles_and_then_everything() {
    let schema = json!({"$ref": "#/$defs/a", "$defs": {
        "a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
    let blind = jsonschema::options().build(&schema).unwrap();
    for anything in [json!(1), json!("x"), json!(null), json!({"a": [1]})] {
        assert!(blind.is_valid(&anything));
    }
    assert_eq!(
        guard(&schema, &Limits::default()).unwrap_err().code(),
        "SCHEMA_CYCLE"
    );
}

/// Alternatives that recurse pass the guard: only deep arguments make them explode.
#[test]
fn s_e3_recursive_alternatives_are_stopped_by_their_arguments() {
    let shapes = [
        ("recursive", recursive_alternatives()),
        ("one after the other", successive_alternatives(60)),
    ];
    for (name, schema) in shapes {
        let validator = Validator::compile(&schema, &Limits::default()).unwrap();
        let fine = validator.validate(&operations(5, "a"));
        assert!(fine.is_ok(), "{name}: {fine:?}");
        let explained = validator.validate(&operations(5, "c")).unwrap_err();
        assert!(
            explained.to_string().contains("alternatives"),
            "{name}: {explained}"
        );
        for depth in [30, 45, 60] {
            for leaf in ["a", "c"] {
                let refused = validator.validate(&operations(depth, leaf)).unwrap_err();
                assert!(
                    refused.to_string().contains("too large"),
                    "{name} {depth}: {refused}"
                );
            }
        }
    }
}

/// The control: what the library does with them doubles with every level.
#[test]
fn s_e3_control_the_library_doubles_its_errors_with_every_level() {
    let raw = jsonschema::options()
        .build(&recursive_alternatives())
        .unwrap();
    let errors = |depth| {
        let arguments = operations(depth, "c");
        let found: Vec<_> = raw.iter_errors(&arguments).collect();
        found.iter().map(nested_errors).sum::<u64>()
    };
    let (four, eight) = (errors(4), errors(8));
    assert!(eight >= 15 * four, "{four} then {eight}");
}

#[test]
fn s_e3_long_lists_under_costly_schemas_are_stopped() {
    let each = json!({"allOf": vec![json!({"minimum": 0}); 800]});
    let schema = json!({"type": "array", "items": each});
    let validator = Validator::compile(&schema, &Limits::default()).unwrap();
    assert!(validator.is_valid(&json!(vec![1; 1_000])));
    let refused = validator.validate(&json!(vec![1; 100_000])).unwrap_err();
    assert!(refused.to_string().contains("fewer values"), "{refused}");
    // A plain schema takes as long a list as the arguments may be.
    let plain = json!({"type": "object", "properties": {"v": {"type": "array", "items": {"type": "number"}}}});
    let validator = Validator::compile(&plain, &Limits::default()).unwrap();
    assert!(validator.is_valid(&json!({"v": vec![1; 500_000]})));
}

#[test]
fn s_e3_arguments_nested_in_memory_are_refused_not_overflowed() {
    let validator =
        Validator::compile(&json!({"items": {"$ref": "#"}}), &Limits::default()).unwrap();
    for depth in [65, 5_000, 100_000] {
        let deep = nested(depth);
        let refused = validator.validate(&deep).unwrap_err();
        assert!(refused.to_string().contains("nested too deeply"));
        dismantle(deep);
    }
}

/// The deepest things that pass everything, on the stack of a test thread (2 MiB, unoptimised).
#[test]
fn s_e3_the_deepest_allowed_work_fits_the_stack() {
    let mut schema = json!({"properties": {"a": {"$ref": "#"}}, "additionalProperties": false});
    for _ in 0..14 {
        schema = json!({"allOf": [schema]});
    }
    let validator = Validator::compile(&schema, &Limits::default()).unwrap();
    let level = |inner, _| json!({"a": inner});
    assert!(validator.is_valid(&(0..63).fold(json!({}), level)));
    assert!(
        validator
            .validate(&(0..63).fold(json!({"b": 1}), level))
            .is_err()
    );
}

/// The control: the library itself aborts the process on nested arguments.
#[test]
fn s_e3_control_the_library_overflows_on_nested_arguments() {
    if std::env::var_os("KEYWAY_TEST_OVERFLOW").is_some() {
        let raw = jsonschema::options()
            .build(&json!({"items": {"$ref": "#"}}))
            .unwrap();
        let deep = nested(100_000);
        assert!(raw.is_valid(&deep));
        dismantle(deep);
        return;
    }
    let this = "schema::bombs::s_e3_control_the_library_overflows_on_nested_arguments";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([this, "--exact", "--test-threads=1"])
        .env("KEYWAY_TEST_OVERFLOW", "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&child.stderr);
    assert!(
        !child.status.success() && shown.contains("overflow"),
        "{shown}"
    );
}

#[test]
fn s_e3_ordinary_schemas_pass() {
    let tree = json!({"type": "object", "$defs": {"node": {"type": "object", "properties": {
        "left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}}},
        "properties": {"root": {"$ref": "#/$defs/node"}}});
    let json_value = json!({"type": "object", "properties": {"v": {"$ref": "#/$defs/any"}}, "$defs": {"any": {"anyOf": [
        {"type": ["null", "boolean", "number", "string"]},
        {"type": "array", "items": {"$ref": "#/$defs/any"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/any"}}]}}});
    let draft7 = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
        "definitions": {"id": {"type": "string", "pattern": "^[a-z]+$"}},
        "properties": {"id": {"$ref": "#/definitions/id"}}, "dependencies": {"id": ["name"]}});
    let names = json!({"type": "object", "properties": {
        "$ref": {"type": "string"}, "$id": {"type": "string"}, "pattern": {"type": "string"},
        "allOf": {"type": "string"}, "$defs": {"type": "integer"}}});
    let anchors = json!({"type": "object", "$defs": {"a": {"$anchor": "here", "type": "string"}},
        "properties": {"x": {"$ref": "#here"}, "y": true, "z": false}});
    for schema in [tree, json_value, draft7, names, anchors] {
        assert_eq!(guard_input(&schema, &Limits::default()), Ok(()), "{schema}");
        assert!(
            Validator::compile(&schema, &Limits::default()).is_ok(),
            "{schema}"
        );
    }
}

#[test]
fn s_e3_the_root_of_an_input_schema_is_a_plain_object() {
    let roots = [
        json!(true),
        json!({}),
        json!({"type": "array"}),
        json!({"type": ["object", "null"]}),
        json!({"type": "object", "oneOf": [{}]}),
        json!({"type": "object", "anyOf": [{}]}),
        json!({"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {}}}),
    ];
    for root in roots {
        assert_eq!(guard(&root, &Limits::default()), Ok(()), "{root}");
        assert_eq!(
            guard_input(&root, &Limits::default()).unwrap_err().code(),
            "SCHEMA_ROOT",
            "{root}"
        );
    }
}

#[test]
fn s_e3_schemas_that_are_none_are_refused() {
    let cases = [
        (json!({"properties": {"a": 1}}), "SCHEMA_INVALID"),
        (json!({"items": "string"}), "SCHEMA_INVALID"),
        (json!({"type": "strin"}), "SCHEMA_INVALID"),
        (json!({"minimum": "1"}), "SCHEMA_INVALID"),
        (json!([]), "SCHEMA_INVALID"),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
            "SCHEMA_DIALECT",
        ),
        (json!({"$schema": 7}), "SCHEMA_DIALECT"),
        (
            json!({"properties": {"a": {"$id": "https://a.test/"}}}),
            "SCHEMA_EMBEDDED_ID",
        ),
        (
            json!({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}}),
            "SCHEMA_INVALID",
        ),
    ];
    for (schema, code) in cases {
        let refused = Validator::compile(&schema, &Limits::default()).unwrap_err();
        assert_eq!(refused.code(), code, "{schema}: {refused}");
        assert!(!refused.hint().is_empty());
    }
}

fn recursive_alternatives() -> Value {
    let branch = |op: &str| json!({"properties": {"l": {"$ref": "#"}, "op": {"const": op}}, "required": ["op"]});
    json!({"anyOf": [branch("a"), branch("b")]})
}

fn successive_alternatives(n: usize) -> Value {
    let branch = |op: &str, i: usize| {
        let next = format!("#/$defs/d{}", i + 1);
        json!({"properties": {"l": {"$ref": next}, "op": {"const": op}}, "required": ["op"]})
    };
    let mut defs: serde_json::Map<_, _> = (0..n)
        .map(|i| {
            (
                format!("d{i}"),
                json!({"anyOf": [branch("a", i), branch("b", i)]}),
            )
        })
        .collect();
    defs.insert(format!("d{n}"), json!(true));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

fn operations(depth: usize, leaf: &str) -> Value {
    (0..depth).fold(
        json!({"op": leaf}),
        |inner, _| json!({"l": inner, "op": "b"}),
    )
}

fn nested_errors(error: &jsonschema::ValidationError<'_>) -> u64 {
    use jsonschema::error::ValidationErrorKind as Kind;
    match error.kind() {
        Kind::AnyOf { context } => 1 + context.iter().flatten().map(nested_errors).sum::<u64>(),
        _ => 1,
    }
}

/// Counts the subschemas that a straightforward evaluation visits at one place, up to a budget.
fn expand(root: &Value, schema: &Value, budget: u64) -> u64 {
    let mut steps = 0;
    let mut waiting = vec![schema];
    while let Some(schema) = waiting.pop() {
        steps += 1;
        if steps >= budget {
            break;
        }
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match value {
                Value::String(to) if keyword == "$ref" => waiting.extend(root.pointer(&to[1..])),
                Value::Array(list) if keyword.ends_with("Of") => waiting.extend(list),
                Value::Object(map) if keyword.starts_with("depend") => waiting.extend(map.values()),
                schema if matches!(keyword.as_str(), "if" | "then" | "else" | "not") => {
                    waiting.push(schema)
                }
                _ => {}
            }
        }
    }
    steps
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!([]), |inner, _| Value::Array(vec![inner]))
}

/// Takes a value apart without recursion; dropping a deep one would overflow by itself.
fn dismantle(value: Value) {
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(list) => waiting.extend(list),
            Value::Object(map) => waiting.extend(map.into_iter().map(|(_, v)| v)),
            _ => {}
        }
    }
}
