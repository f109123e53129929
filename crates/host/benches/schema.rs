//! Argument validation (W3): each row beside the limit it is measured against.
//!
//! `cargo bench -p keyway-host --bench schema`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use keyway_host::limits::Limits;
use keyway_host::schema::{Validator, check_text, guard, parse};
use serde_json::{Value, json};

criterion_group!(benches, judging, reading, compiling);
criterion_main!(benches);

/// A name, a schema and arguments that keep to it.
fn cases() -> [(&'static str, Value, Value); 4] {
    let simple = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": false,
    });
    [
        ("simple", simple, json!({"a": 1, "b": 2})),
        ("typical", typical(), typical_arguments()),
        (
            "large",
            large(),
            json!({"rows": vec![typical_arguments(); 16]}),
        ),
        ("recursive", recursive(), recursive_arguments()),
    ]
}

fn typical() -> Value {
    let address = json!({
        "type": "object",
        "properties": {
            "street": {"type": "string", "maxLength": 200},
            "city": {"type": "string", "maxLength": 100},
            "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
            "country": {"enum": ["DE", "FR", "IT", "US"]},
        },
        "required": ["street", "city"],
        "additionalProperties": false,
    });
    let texts = (0..8).map(|i| {
        (
            format!("field{i}"),
            json!({"type": "string", "maxLength": 400}),
        )
    });
    let numbers = (0..6).map(|i| {
        (
            format!("count{i}"),
            json!({"type": "integer", "minimum": 0}),
        )
    });
    let more = [
        (
            "tags".to_owned(),
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 20}),
        ),
        ("home".to_owned(), json!({"$ref": "#/$defs/address"})),
        ("work".to_owned(), json!({"$ref": "#/$defs/address"})),
        ("mode".to_owned(), json!({"enum": ["fast", "slow"]})),
        ("ratio".to_owned(), json!({"type": "number", "maximum": 1})),
        ("dry".to_owned(), json!({"type": "boolean"})),
    ];
    let properties: Value = texts.chain(numbers).chain(more).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": ["field0", "count0", "home"],
        "additionalProperties": false,
        "$defs": {"address": address},
    })
}

fn typical_arguments() -> Value {
    let address =
        json!({"street": "1 Main Street", "city": "Springfield", "zip": "12345", "country": "US"});
    let texts = (0..8).map(|i| (format!("field{i}"), json!("some text of usual length")));
    let numbers = (0..6).map(|i| (format!("count{i}"), json!(i * 1_000)));
    let more = [
        ("tags".to_owned(), json!(["red", "green", "blue"])),
        ("home".to_owned(), address.clone()),
        ("work".to_owned(), address),
        ("mode".to_owned(), json!("fast")),
        ("ratio".to_owned(), json!(0.5)),
        ("dry".to_owned(), json!(true)),
    ];
    texts.chain(numbers).chain(more).collect()
}

fn large() -> Value {
    let mut row = typical();
    let definitions = row.as_object_mut().and_then(|row| row.remove("$defs"));
    json!({
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row}},
        "$defs": definitions,
    })
}

fn recursive() -> Value {
    json!({
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
        }},
    })
}

fn recursive_arguments() -> Value {
    let leaf = json!({"name": "leaf", "children": []});
    let tree = (0..4).fold(
        leaf,
        |inner, _| json!({"name": "node", "children": [inner, inner]}),
    );
    json!({ "tree": tree })
}

fn judging(c: &mut Criterion) {
    let mut group = c.benchmark_group("judge");
    for (name, schema, arguments) in cases() {
        let Ok(bare) = bare(&schema) else { continue };
        let Ok(guarded) = Validator::compile(&schema, &Limits::default()) else {
            continue;
        };
        group.bench_function(BenchmarkId::new("limit: bare validator", name), |b| {
            b.iter(|| bare.is_valid(black_box(&arguments)));
        });
        group.bench_function(BenchmarkId::new("keyway", name), |b| {
            b.iter(|| guarded.validate(black_box(&arguments)));
        });
    }
    group.finish();
}

fn reading(c: &mut Criterion) {
    let limits = Limits::default();
    let mut group = c.benchmark_group("read");
    for (name, _, arguments) in cases() {
        let text = arguments.to_string();
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(
            BenchmarkId::new("limit: one look at each byte", name),
            |b| {
                b.iter(|| black_box(&text).bytes().filter(|b| *b == b'{').count());
            },
        );
        group.bench_function(BenchmarkId::new("check_text", name), |b| {
            b.iter(|| check_text(black_box(&text), &limits));
        });
        group.bench_function(BenchmarkId::new("limit: serde_json value", name), |b| {
            b.iter(|| serde_json::from_str::<Value>(black_box(&text)));
        });
        group.bench_function(BenchmarkId::new("parse", name), |b| {
            b.iter(|| parse(black_box(&text), &limits));
        });
    }
    group.finish();
}

fn compiling(c: &mut Criterion) {
    let limits = Limits::default();
    let mut group = c.benchmark_group("compile");
    for (name, schema, _) in cases() {
        group.bench_function(BenchmarkId::new("limit: bare compile", name), |b| {
            b.iter(|| bare(black_box(&schema)).is_ok());
        });
        group.bench_function(BenchmarkId::new("keyway", name), |b| {
            b.iter(|| Validator::compile(black_box(&schema), &limits));
        });
        group.bench_function(BenchmarkId::new("guard alone", name), |b| {
            b.iter(|| guard(black_box(&schema), &limits));
        });
    }
    group.finish();
}

fn bare(schema: &Value) -> Result<jsonschema::Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
}
