//! Whatever JSON arrives, the published schema and the derived parser give one verdict.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use jsonschema::Validator;
use keyway_plugin_api::{
    Args, Arguments, Json, Tool, ToolError, ToolInput, ToolValue, normalise_input, tool,
};
use proptest::prelude::proptest;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use super::any_json::{any_change, any_json, apply};

/// Every plain type, one property each.
#[derive(Debug, ToolInput)]
#[expect(dead_code, reason = "only the parsing is under test")]
#[serde(rename_all = "camelCase")]
struct FlatArgs {
    any: Value,
    flag: bool,
    int_8: i8,
    int_16: i16,
    int_32: i32,
    int_64: i64,
    native: isize,
    uint_8: u8,
    uint_16: u16,
    uint_32: u32,
    uint_64: u64,
    unsigned: usize,
    real: f64,
    small_real: f32,
    #[serde(rename = "renamed-text")]
    text: String,
    nothing: (),
}

/// Everything that may be left out.
#[derive(Debug, ToolInput)]
#[expect(dead_code, reason = "only the parsing is under test")]
struct OptionalArgs {
    maybe_flag: Option<bool>,
    maybe_int: Option<u8>,
    maybe_node: Option<Node>,
    maybe_color: Option<Color>,
    maybe_shape: Option<Shape>,
    #[serde(default)]
    int: i64,
    #[serde(default = "seven")]
    seven: u16,
    #[serde(default)]
    list: Vec<Option<i32>>,
    #[serde(default)]
    boxed: Box<Option<f64>>,
}

fn seven() -> u16 {
    7
}

/// Things inside things.
#[derive(Debug, ToolInput)]
#[expect(dead_code, reason = "only the parsing is under test")]
struct NestedArgs {
    node: Node,
    nodes: Vec<Node>,
    by_name: BTreeMap<String, Node>,
    numbers: HashMap<String, Vec<u32>>,
    pair: Pair,
    wrapped: Wrapped,
    empty: Empty,
}

/// A type that contains itself.
#[derive(Debug, ToolValue)]
struct Node {
    id: u32,
    #[serde(default)]
    children: Vec<Node>,
}

#[derive(Debug, ToolValue)]
struct Pair {
    left: Option<Box<Pair>>,
    right: Color,
}

#[derive(Debug, ToolValue)]
struct Wrapped(u64);

#[derive(Debug, ToolValue)]
struct Empty {}

/// Every kind of enum.
#[derive(Debug, ToolInput)]
#[expect(dead_code, reason = "only the parsing is under test")]
struct ChoicesArgs {
    color: Color,
    documented: Documented,
    shape: Shape,
    event: Event,
    colors: Vec<Color>,
}

#[derive(Debug, ToolValue)]
enum Color {
    Red,
    Green,
    #[serde(rename = "deep-blue")]
    Blue,
}

#[derive(Debug, ToolValue)]
#[serde(rename_all = "snake_case")]
enum Documented {
    /// Comes first.
    FirstOne,
    /// Comes second.
    SecondOne,
}

#[derive(Debug, ToolValue)]
enum Shape {
    Point,
    Circle(f64),
    Square { side: u8 },
    Tree(Node),
}

#[derive(Debug, ToolValue)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Event {
    Opened,
    /// Moved somewhere.
    Moved {
        to: i16,
        by: Option<Color>,
    },
    Closed {},
}

/// Flat arguments.
#[tool(effect = read)]
fn flat(Args(a): Args<FlatArgs>) -> String {
    format!("{a:?}")
}

/// Optional arguments.
#[tool(effect = read)]
fn optional(Args(a): Args<OptionalArgs>) -> String {
    format!("{a:?}")
}

/// Nested arguments.
#[tool(effect = read)]
fn nested(Args(a): Args<NestedArgs>) -> String {
    format!("{a:?}")
}

/// Arguments with choices.
#[tool(effect = read)]
fn choices(Args(a): Args<ChoicesArgs>) -> String {
    format!("{a:?}")
}

/// One argument type under test: its compiled schema, its parser, a sample that both accept.
struct Case {
    name: &'static str,
    validator: Validator,
    parses: fn(&str) -> bool,
    sample: Value,
}

impl Case {
    fn new<T: ToolInput>(name: &'static str, tool: &impl Tool, sample: Value) -> Self {
        let schema = &tool.descriptor().input_schema;
        assert_eq!(&normalise_input(schema).unwrap(), schema, "{name}: stable");
        Self {
            name,
            validator: jsonschema::draft202012::new(schema).unwrap(),
            parses: |json| Arguments::new(json).parse::<T>().is_ok(),
            sample,
        }
    }

    #[track_caller]
    fn agree(&self, json: &str) -> Result<bool, TestCaseError> {
        let value: Value = serde_json::from_str(json).unwrap();
        let (schema, parser) = (self.validator.is_valid(&value), (self.parses)(json));
        if schema == parser {
            return Ok(schema);
        }
        let why = (self.validator.iter_errors(&value)).map(|e| e.to_string());
        Err(TestCaseError::fail(format!(
            "{}: schema says {schema}, parser says {parser}: {json}\n{:?}",
            self.name,
            why.collect::<Vec<_>>()
        )))
    }
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let node = json!({"id": 1, "children": [{"id": 2, "children": []}]});
    vec![
        Case::new::<FlatArgs>(
            "flat",
            &Flat,
            json!({
                "any": {"x": [1]}, "flag": true, "int8": -1, "int16": -300, "int32": 1, "int64": 1,
                "native": -9, "uint8": 255, "uint16": 65_535, "uint32": 1, "uint64": u64::MAX,
                "unsigned": 0, "real": 1.5, "smallReal": 2, "renamed-text": "t", "nothing": null
            }),
        ),
        Case::new::<OptionalArgs>(
            "optional",
            &Optional,
            json!({
                "maybe_flag": null, "maybe_int": 3, "maybe_node": node, "maybe_color": "Red",
                "maybe_shape": {"Circle": 1.5}, "int": 5, "seven": 7, "list": [1, null],
                "boxed": null
            }),
        ),
        Case::new::<NestedArgs>(
            "nested",
            &Nested,
            json!({
                "node": node, "nodes": [node], "by_name": {"a": node}, "numbers": {"b": [1, 2]},
                "pair": {"left": {"right": "Green"}, "right": "deep-blue"}, "wrapped": 4,
                "empty": {}
            }),
        ),
        Case::new::<ChoicesArgs>(
            "choices",
            &Choices,
            json!({
                "color": "Red", "documented": "first_one", "shape": {"Tree": node},
                "event": {"kind": "moved", "to": 3, "by": "Green"}, "colors": ["Red", "Green"]
            }),
        ),
    ]
});

/// Every kind of enum and struct, as a result.
#[derive(Debug, ToolValue)]
struct Everything {
    color: Color,
    documented: Documented,
    shape: Shape,
    event: Event,
    pair: Pair,
    wrapped: Wrapped,
    empty: Empty,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<Node>,
    by_name: BTreeMap<String, Option<i16>>,
}

/// Returns everything.
#[tool(effect = read)]
fn everything_there_is() -> Result<Json<Everything>, ToolError> {
    Arguments::new(&EVERYTHING.1.to_string()).parse().map(Json)
}

static EVERYTHING: LazyLock<(Validator, Value)> = LazyLock::new(|| {
    let schema = EverythingThereIs
        .descriptor()
        .output_schema
        .as_ref()
        .unwrap();
    (
        jsonschema::draft202012::new(schema).unwrap(),
        json!({
            "color": "Red", "documented": "first_one", "shape": {"Tree": {"id": 1}},
            "event": {"kind": "moved", "to": 3, "by": "Green"},
            "pair": {"left": {"right": "Green"}, "right": "deep-blue"}, "wrapped": 4, "empty": {},
            "nodes": [{"id": 1, "children": [{"id": 2}]}], "by_name": {"a": 1, "b": null}
        }),
    )
});

proptest! {
    #[test]
    fn c_authoring_what_a_type_serialises_to_keeps_to_its_schema(
        changes in proptest::collection::vec(any_change(), 0..4),
    ) {
        let (validator, sample) = &*EVERYTHING;
        let mut value = sample.clone();
        for change in &changes {
            apply(&mut value, change);
        }
        if let Ok(parsed) = Arguments::new(&value.to_string()).parse::<Everything>() {
            let json = serde_json::to_value(&parsed).unwrap();
            proptest::prop_assert!(validator.is_valid(&json), "{json}");
        }
    }

    #[test]
    fn c_authoring_any_json_gets_one_verdict(value in any_json()) {
        let json = value.to_string();
        for case in CASES.iter() {
            case.agree(&json)?;
        }
    }

    #[test]
    fn c_authoring_a_changed_sample_gets_one_verdict(
        changes in proptest::collection::vec(any_change(), 0..4),
    ) {
        for case in CASES.iter() {
            let mut value = case.sample.clone();
            for change in &changes {
                apply(&mut value, change);
            }
            case.agree(&value.to_string())?;
        }
    }
}

#[test]
fn the_samples_are_accepted_by_both() {
    let validator = &EVERYTHING.0;
    let everything = everything_there_is().unwrap().0;
    assert!(validator.is_valid(&serde_json::to_value(&everything).unwrap()));
    for case in CASES.iter() {
        assert_eq!(
            case.agree(&case.sample.to_string()).ok(),
            Some(true),
            "{}",
            case.name
        );
    }
}

#[test]
fn shapes_that_only_serde_takes_are_refused() {
    let table = [
        ("an array for a struct", "nested", "/node", json!([1, []])),
        (
            "null inside a unit variant",
            "choices",
            "/color",
            json!({"Red": null}),
        ),
        (
            "an array for a struct variant",
            "choices",
            "/shape",
            json!({"Square": [1]}),
        ),
        (
            "an array for a tagged enum",
            "choices",
            "/event",
            json!(["opened"]),
        ),
        (
            "an unknown field beside a unit tag",
            "choices",
            "/event",
            json!({"kind": "opened", "x": 1}),
        ),
        (
            "a variant and more",
            "choices",
            "/shape",
            json!({"Circle": 1, "Point": null}),
        ),
    ];
    for (what, case, place, value) in table {
        let case = CASES.iter().find(|c| c.name == case).unwrap();
        let mut arguments = case.sample.clone();
        *arguments.pointer_mut(place).unwrap() = value;
        assert_eq!(
            case.agree(&arguments.to_string()).ok(),
            Some(false),
            "{what}"
        );
    }
}

/// The control: what serde and schemars derive by themselves does disagree, on every such shape.
#[test]
fn plain_derives_do_take_those_shapes() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the parsing is under test")]
    struct Plain {
        color: PlainColor,
        event: PlainEvent,
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    enum PlainColor {
        Red,
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(tag = "kind", deny_unknown_fields)]
    enum PlainEvent {
        Opened,
    }

    let schema = schemars::schema_for!(Plain).to_value();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for value in [
        json!(["Red", {"kind": "Opened"}]),
        json!({"color": {"Red": null}, "event": {"kind": "Opened"}}),
        json!({"color": "Red", "event": {"kind": "Opened", "x": 1}}),
        json!({"color": "Red", "event": ["Opened"]}),
    ] {
        assert!(!validator.is_valid(&value), "{value}");
        assert!(
            serde_json::from_value::<Plain>(value.clone()).is_ok(),
            "{value}"
        );
    }
}
