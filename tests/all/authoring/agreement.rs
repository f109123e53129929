//! Whatever JSON arrives, the published schema and the derived parser give one verdict.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use jsonschema::Validator;
use keyway_plugin_api::{Args, Arguments, Tool, ToolInput, ToolValue, normalise_input, tool};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Number, Value, json};

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

/// Names that some type under test knows, and one that none does.
const NAMES: [&str; 32] = [
    "any",
    "boxed",
    "by",
    "by_name",
    "children",
    "Circle",
    "closed",
    "color",
    "colors",
    "deep-blue",
    "documented",
    "empty",
    "event",
    "first_one",
    "flag",
    "Green",
    "id",
    "kind",
    "left",
    "moved",
    "node",
    "nodes",
    "opened",
    "pair",
    "Point",
    "Red",
    "right",
    "shape",
    "side",
    "Square",
    "to",
    "unknown",
];

fn any_number() -> impl Strategy<Value = Number> {
    let edges = [
        "-129",
        "-128",
        "-1",
        "-0",
        "-0.0",
        "0",
        "1",
        "1.0",
        "1.5",
        "127",
        "128",
        "255",
        "256.0",
        "32767",
        "32768",
        "-32769",
        "65535",
        "65536",
        "2147483648",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "1e3",
        "1e19",
        "1e20",
        "-1e19",
        "1e300",
        "123456789012345678901234567890",
        "5e-324",
        "2.5e1",
    ];
    prop_oneof![
        select(edges.to_vec()).prop_map(|text| text.parse().unwrap()),
        any::<i64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number().prop_map(Value::Number),
        select(NAMES.to_vec()).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let members = proptest::collection::vec((select(NAMES.to_vec()), inner.clone()), 0..5);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| {
                let named = members.into_iter().map(|(k, v)| (k.to_owned(), v));
                Value::Object(named.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// One change to some place of a value.
#[derive(Debug, Clone)]
enum Change {
    Add(&'static str, Value),
    Drop(Index),
    IntoArray,
    Replace(Value),
}

fn any_change() -> impl Strategy<Value = (Index, Change)> {
    let change = prop_oneof![
        (select(NAMES.to_vec()), any_json()).prop_map(|(name, v)| Change::Add(name, v)),
        any::<Index>().prop_map(Change::Drop),
        Just(Change::IntoArray),
        any_json().prop_map(Change::Replace),
    ];
    (any::<Index>(), change)
}

fn places(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            for (i, inner) in list.iter().enumerate() {
                places(inner, format!("{at}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (name, inner) in members {
                places(inner, format!("{at}/{name}"), out);
            }
        }
        _ => {}
    }
    out.push(at);
}

fn apply(value: &mut Value, (place, change): &(Index, Change)) {
    let mut all = Vec::new();
    places(value, String::new(), &mut all);
    let target = value.pointer_mut(place.get::<String>(&all)).unwrap();
    match (change, target) {
        (Change::Replace(new), target) => *target = new.clone(),
        (Change::Add(name, new), Value::Object(members)) => {
            members.insert((*name).to_owned(), new.clone());
        }
        (Change::Drop(which), Value::Object(members)) if !members.is_empty() => {
            let name = which
                .get(&members.keys().cloned().collect::<Vec<_>>())
                .clone();
            members.remove(&name);
        }
        // What serde's own derives take for a struct.
        (Change::IntoArray, target @ Value::Object(_)) => {
            *target = target.as_object().unwrap().values().cloned().collect();
        }
        _ => {}
    }
}

proptest! {
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
