//! Families of hostile schemas, each in sizes.

use serde_json::{Map, Value, json};

/// One way to be hostile: a name, a generator, sizes, and the code of the refusal.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) make: fn(usize) -> Value,
    pub(super) sizes: &'static [usize],
    pub(super) code: &'static str,
}

const fn family(
    name: &'static str,
    make: fn(usize) -> Value,
    sizes: &'static [usize],
    code: &'static str,
) -> Family {
    Family {
        name,
        make,
        sizes,
        code,
    }
}

#[rustfmt::skip]
pub(super) const FAMILIES: &[Family] = &[
    // The number of subschemas at one place multiplies with each definition.
    family("allOf multiplies", |n| multiply(6, |next| json!({"allOf": vec![next; n]})), &[5, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("anyOf multiplies", |n| multiply(6, |next| json!({"anyOf": vec![next; n]})), &[5, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("oneOf multiplies", |n| multiply(6, |next| json!({"oneOf": vec![next; n]})), &[5, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("if multiplies", |n| multiply(n, |next| json!({"if": next, "then": next, "else": next, "not": next})), &[7], "SCHEMA_TOO_COSTLY"),
    family("dependentSchemas multiplies", |n| multiply(6, |next| json!({"dependentSchemas": numbered(n, next)})), &[5, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("dependencies multiplies", |n| multiply(6, |next| json!({"dependencies": numbered(n, next)})), &[5, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("a reference beside alternatives", |n| multiply(6, |next| json!({"$ref": next["$ref"], "anyOf": vec![next; n]})), &[5, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("unevaluatedProperties asks again", |n| multiply(6, |next| json!({"allOf": vec![next; n], "unevaluatedProperties": false})), &[3, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("unevaluatedItems asks again", |n| multiply(6, |next| json!({"allOf": vec![next; n], "unevaluatedItems": false})), &[3, 10, 100], "SCHEMA_TOO_COSTLY"),
    family("doubling, long", |n| multiply(n, |next| json!({"allOf": [next, next]})), &[20, 40, 200], "SCHEMA_TOO_DEEP"),

    // Long and deep.
    family("a chain of references", chain, &[40, 400, 900], "SCHEMA_TOO_DEEP"),
    family("a chain of 50,000 references", chain, &[5_000, 50_000], "SCHEMA_TOO_LARGE"),
    family("not in not", |n| nest(n, |inner| json!({"not": inner})), &[20, 50], "SCHEMA_TOO_DEEP"),
    family("allOf in allOf", |n| nest(n, |inner| json!({"allOf": [inner]})), &[20, 31], "SCHEMA_TOO_DEEP"),
    family("properties in properties", |n| nest(n, |inner| json!({"properties": {"a": inner}})), &[64, 500], "SCHEMA_TOO_DEEP"),
    family("lists in a default", |n| default(nest(n, |inner| Value::Array(vec![inner]))), &[64, 5_000], "SCHEMA_TOO_DEEP"),

    // Wide.
    family("many properties", |n| json!({"properties": numbered(n, &json!(true))}), &[1_000, 2_500], "SCHEMA_TOO_MANY"),
    family("many alternatives", |n| json!({"anyOf": vec![true; n]}), &[1_000, 5_000], "SCHEMA_TOO_MANY"),
    family("many definitions", |n| json!({"$defs": numbered(n, &json!({}))}), &[1_000, 2_500], "SCHEMA_TOO_MANY"),
    family("many prefix items", |n| json!({"prefixItems": vec![true; n]}), &[1_000, 5_000], "SCHEMA_TOO_MANY"),
    family("many patterns of names", |n| json!({"patternProperties": numbered(n, &json!(true))}), &[101, 900], "SCHEMA_TOO_MANY"),
    family("2,000 patterns of names", |n| json!({"patternProperties": numbered(n, &json!(true))}), &[2_000], "SCHEMA_TOO_MANY"),
    family("a long description", |n| json!({"description": "x".repeat(n)}), &[32 << 10, 1 << 20], "SCHEMA_TOO_LARGE"),
    family("a long name", |n| json!({"properties": {"x".repeat(n): true}}), &[32 << 10, 1 << 20], "SCHEMA_TOO_LARGE"),
    family("a long enum", |n| json!({"enum": vec![0; n]}), &[32 << 10, 1 << 18], "SCHEMA_TOO_LARGE"),

    // Round and round at one place.
    family("a cycle of references", cycle, &[1, 2, 3, 100], "SCHEMA_CYCLE"),
    family("a cycle through allOf", |n| ring(n, |next| json!({"allOf": [next]})), &[1, 2, 100], "SCHEMA_CYCLE"),
    family("a cycle through anyOf", |n| ring(n, |next| json!({"anyOf": [true, next]})), &[1, 2, 100], "SCHEMA_CYCLE"),
    family("a cycle through oneOf", |n| ring(n, |next| json!({"oneOf": [next]})), &[1, 2, 100], "SCHEMA_CYCLE"),
    family("a cycle through not", |n| ring(n, |next| json!({"not": next})), &[1, 2, 100], "SCHEMA_CYCLE"),
    family("a cycle through if", |n| ring(n, |next| json!({"if": true, "then": next})), &[1, 2, 100], "SCHEMA_CYCLE"),
    family("a cycle through dependentSchemas", |n| ring(n, |next| json!({"dependentSchemas": {"a": next}})), &[1, 2, 100], "SCHEMA_CYCLE"),
    family("a cycle to the root", |n| json!({"allOf": vec![json!({"$ref": "#"}); n]}), &[1, 10], "SCHEMA_CYCLE"),
    family("a cycle through anchors", |_| json!({"$ref": "#a", "$defs": {"a": {"$anchor": "a", "$ref": "#b"}, "b": {"$anchor": "b", "$ref": "#a"}}}), &[0], "SCHEMA_CYCLE"),
    family("a cycle of $dynamicRef", |_| json!({"$dynamicAnchor": "n", "allOf": [{"$dynamicRef": "#n"}]}), &[0], "SCHEMA_CYCLE"),
    family("a cycle of $recursiveRef", |_| json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true, "anyOf": [{"$recursiveRef": "#"}]}), &[0], "SCHEMA_CYCLE"),
    family("a cycle through data", |_| json!({"$ref": "#/default/x", "default": {"x": {"allOf": [{"$ref": "#/default/x"}]}}}), &[0], "SCHEMA_CYCLE"),
    family("a cycle behind percent signs", |_| json!({"$ref": "#/%24defs/a%20b", "$defs": {"a b": {"$ref": "#/$defs/a b"}}}), &[0], "SCHEMA_CYCLE"),

    // Patterns.
    family("a long pattern", |n| json!({"pattern": "a".repeat(n)}), &[513, 20_000], "SCHEMA_PATTERN"),
    family("a large automaton", |n| json!({"pattern": format!("(a{{{n}}}){{{n}}}")}), &[500, 1_000], "SCHEMA_PATTERN"),
    family("a large class, repeated", |n| json!({"pattern": format!("\\p{{L}}{{{n}}}")}), &[500, 1_000], "SCHEMA_PATTERN"),
    family("a back-reference", |_| json!({"pattern": "^(a|aa)+\\1$"}), &[0], "SCHEMA_PATTERN"),
    family("a look-ahead", |_| json!({"patternProperties": {"^(?=a+$)(a|a)+$": true}}), &[0], "SCHEMA_PATTERN"),
];

/// `n` definitions, each made from a reference to the next; the last one takes anything.
fn multiply(n: usize, each: impl Fn(&Value) -> Value) -> Value {
    let mut defs = Map::new();
    for i in 0..n {
        defs.insert(
            format!("d{i}"),
            each(&json!({"$ref": format!("#/$defs/d{}", i + 1)})),
        );
    }
    defs.insert(format!("d{n}"), json!({"type": "object"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

fn chain(n: usize) -> Value {
    multiply(n, Value::clone)
}

/// `n` definitions, each made from a reference to the next, the last to the first.
fn ring(n: usize, each: impl Fn(&Value) -> Value) -> Value {
    let mut defs = Map::new();
    for i in 0..n {
        let next = (i + 1) % n;
        defs.insert(
            format!("d{i}"),
            each(&json!({"$ref": format!("#/$defs/d{next}")})),
        );
    }
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

fn cycle(n: usize) -> Value {
    ring(n, Value::clone)
}

fn nest(n: usize, each: impl Fn(Value) -> Value) -> Value {
    (0..n).fold(json!(true), |inner, _| each(inner))
}

/// Without `json!`, which would copy the value recursively.
fn default(value: Value) -> Value {
    Value::Object([("default".to_owned(), value)].into_iter().collect())
}

fn numbered(n: usize, value: &Value) -> Value {
    (0..n).map(|i| (format!("p{i}"), value.clone())).collect()
}
