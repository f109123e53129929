//! Whatever the schema: what is sent accepts exactly what the tool accepts, or the loss is said.

use jsonschema::Validator;
use keyway_host::model::{ModelApi, ModelTools, ProjectedTool};
use keyway_plugin_api::normalise_input;
use proptest::collection::{btree_map, vec};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, TestCaseError, any, prop_assert, prop_assert_eq, prop_oneof,
    proptest,
};
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::{descriptor, losses};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

fn leaf() -> impl Strategy<Value = Value> + Clone {
    let values = || {
        select(vec![
            json!("x"),
            json!("yy"),
            json!(1),
            json!(2.5),
            json!(true),
            json!(null),
            json!({}),
        ])
    };
    let bounds = (0..3_i64, 0..4_i64);
    let types = [
        "string", "integer", "number", "boolean", "null", "array", "object",
    ];
    prop_oneof![
        6 => select(types.to_vec()).prop_map(|name| json!({"type": name})),
        2 => subsequence(types.to_vec(), 2..4).prop_map(|names| json!({"type": names})),
        2 => vec(values(), 1..4).prop_map(|mut values| {
            values.dedup();
            json!({"enum": values})
        }),
        2 => values().prop_map(|value| json!({"const": value})),
        1 => Just(json!({"type": ["string", "null"], "enum": ["x", null]})),
        2 => bounds.clone().prop_map(|(a, b)| json!({"type": "integer", "minimum": a, "maximum": b})),
        1 => bounds.clone().prop_map(|(a, b)| json!({"type": "integer", "exclusiveMinimum": a, "maximum": b})),
        1 => bounds.prop_map(|(a, b)| json!({"type": ["string", "number"], "minLength": a, "exclusiveMaximum": b})),
        1 => Just(json!({"type": "string", "pattern": "^x"})),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(json!({})),
    ]
}

fn schema() -> impl Strategy<Value = Value> + Clone {
    leaf().prop_recursive(3, 24, 4, |inner| {
        let list = || vec(inner.clone(), 1..4);
        prop_oneof![
            4 => object(inner.clone()),
            2 => (inner.clone(), 0..3_u8).prop_map(|(items, least)| {
                json!({"type": "array", "items": items, "minItems": least})
            }),
            1 => list().prop_map(|items| json!({"type": "array", "prefixItems": items})),
            2 => list().prop_map(|any| json!({"anyOf": any})),
            2 => list().prop_map(|one| json!({"oneOf": one})),
            1 => list().prop_map(|all| json!({"allOf": all})),
            1 => (inner.clone(), inner.clone()).prop_map(|(one, all)| {
                json!({"description": "d", "anyOf": [one], "allOf": [all]})
            }),
            1 => inner.prop_map(|not| json!({"not": not, "default": 1})),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value> + Clone) -> impl Strategy<Value = Value> + Clone {
    let properties = btree_map(select(KEYS.to_vec()), inner, 0..4);
    let required = subsequence(KEYS.to_vec(), 0..3);
    (properties, required, 0..5_u8).prop_map(|(properties, required, open)| {
        let required: Vec<&str> = required
            .into_iter()
            .filter(|k| properties.contains_key(k))
            .collect();
        let mut object = json!({"type": "object", "properties": properties, "required": required});
        match open {
            0 => {}
            1 => object["additionalProperties"] = json!({"type": "integer"}),
            _ => object["additionalProperties"] = json!(false),
        }
        object
    })
}

fn instance() -> impl Strategy<Value = Value> + Clone {
    let scalar = select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(2.5),
        json!("x"),
        json!("yy"),
        json!(""),
        json!([]),
        json!({}),
    ]);
    let value = scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::Array),
            btree_map(select(KEYS.to_vec()), inner, 0..4).prop_map(|members| json!(members)),
        ]
    });
    btree_map(select(KEYS.to_vec()), value, 0..4).prop_map(|members| json!(members))
}

/// An instance that tries to fit a schema.
fn fitting(schema: &Value, choice: &mut impl FnMut() -> usize) -> Value {
    let Value::Object(schema) = schema else {
        return json!(choice());
    };
    for union in ["anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = schema.get(union) {
            return fitting(&branches[choice() % branches.len()], choice);
        }
    }
    if let Some(Value::Array(all)) = schema.get("allOf") {
        return fitting(&all[choice() % all.len()], choice);
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values[choice() % values.len()].clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    let types = match schema.get("type") {
        Some(Value::Array(names)) => names.clone(),
        Some(name) => vec![name.clone()],
        None => vec![json!("string"), json!("integer")],
    };
    match types[choice() % types.len()].as_str().unwrap() {
        "object" => fitting_object(schema, choice),
        "array" => match (schema.get("items"), schema.get("prefixItems")) {
            (Some(items), _) => (0..choice() % 3).map(|_| fitting(items, choice)).collect(),
            (None, Some(Value::Array(items))) => items.iter().map(|i| fitting(i, choice)).collect(),
            _ => json!([]),
        },
        "string" => [json!("x"), json!(""), json!("xyz")][choice() % 3].clone(),
        "boolean" => json!(choice() % 2 == 1),
        "null" => json!(null),
        _ => [json!(0), json!(1), json!(2), json!(2.5)][choice() % 4].clone(),
    }
}

fn fitting_object(schema: &Map<String, Value>, choice: &mut impl FnMut() -> usize) -> Value {
    let mut members = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let required = schema.get("required").and_then(Value::as_array);
        if required.is_some_and(|r| r.contains(&json!(name))) || choice() % 2 == 1 {
            members.insert(name.clone(), fitting(property, choice));
        }
    }
    Value::Object(members)
}

/// Adds the nulls with which OpenAI's strict mode says "absent".
fn with_nulls(schema: &Value, value: &Value) -> Value {
    if let Some(Value::Array(branches)) = schema.get("anyOf") {
        let filled = branches
            .iter()
            .map(|branch| (branch, with_nulls(branch, value)));
        let mut fitting = filled.filter(|(branch, value)| validator(branch).is_valid(value));
        return fitting
            .next()
            .map_or_else(|| value.clone(), |(_, value)| value);
    }
    match value {
        Value::Object(members) => {
            let mut members = members.clone();
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                let filled = members
                    .get(name)
                    .map_or(Value::Null, |v| with_nulls(property, v));
                members.insert(name.clone(), filled);
            }
            Value::Object(members)
        }
        Value::Array(list) => {
            let items = schema.get("items").cloned().unwrap_or_default();
            list.iter().map(|value| with_nulls(&items, value)).collect()
        }
        scalar => scalar.clone(),
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

/// What is accepted by a tool as it is, and as one API is told of it.
struct Compared {
    api: ModelApi,
    tools: ModelTools,
    own: Validator,
    sent: Validator,
}

impl Compared {
    fn tool(&self) -> &ProjectedTool {
        &self.tools.tools()[0]
    }

    /// What the host gets when a model says this.
    fn received(&self, said: &Value) -> Value {
        let call = self.tools.call(None, &self.tool().name, &said.to_string());
        serde_json::from_str(&call.arguments).unwrap()
    }

    fn check(&self, value: &Value) -> Result<(), TestCaseError> {
        let tool = self.tool();
        let about = || {
            format!(
                "{:?} {value} {} {:?}",
                self.api,
                tool.schema(),
                losses(tool)
            )
        };
        let is_openai = matches!(self.api, ModelApi::OpenAi | ModelApi::OpenAiResponses);
        let has_losses = self.api == ModelApi::Gemini && !tool.losses.is_empty();
        if tool.strict && is_openai {
            // Whatever strict mode lets a model say, the tool takes once the nulls are out …
            if self.sent.is_valid(value) {
                prop_assert!(self.own.is_valid(&self.received(value)), "{}", about());
            }
            // … and whatever the tool takes can be said.
            if self.own.is_valid(value) {
                let said = with_nulls(tool.schema(), value);
                prop_assert!(self.sent.is_valid(&said), "{said} {}", about());
                prop_assert_eq!(&self.received(&said), value, "{}", about());
            }
        } else if has_losses {
            // A loss widens and never narrows.
            prop_assert!(
                self.sent.is_valid(value) || !self.own.is_valid(value),
                "{}",
                about()
            );
        } else {
            prop_assert_eq!(
                self.sent.is_valid(value),
                self.own.is_valid(value),
                "{}",
                about()
            );
        }
        Ok(())
    }
}

fn compared(api: ModelApi, schema: &Value) -> Compared {
    let tools = super::one(api, schema.clone());
    assert!(
        tools.left_out().is_empty(),
        "{schema}: {:?}",
        tools.left_out()
    );
    let sent = validator(tools.tools()[0].schema());
    Compared {
        api,
        sent,
        own: validator(&normalise_input(schema).unwrap()),
        tools,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_sent_accepts_what_the_tool_accepts(
        schema in object(schema()),
        values in vec(instance(), 6),
        choices in vec(any::<u8>(), 64),
    ) {
        let mut at = 0;
        let mut choice = || {
            at += 1;
            usize::from(choices[at % choices.len()])
        };
        let fitting: Vec<Value> = (0..6).map(|_| fitting(&schema, &mut choice)).collect();
        for api in super::APIS {
            let compared = compared(api, &schema);
            for value in values.iter().chain(&fitting) {
                compared.check(value)?;
            }
        }
    }
}

/// As many tools as asked for, the same every time.
pub(super) fn samples(count: usize) -> Vec<Value> {
    let mut runner = TestRunner::deterministic();
    let schemas = object(schema());
    let sample = |_| schemas.new_tree(&mut runner).unwrap().current();
    (0..count).map(sample).collect()
}

/// The control: the comparison finds a projection that narrows and one that widens.
#[test]
fn the_comparison_can_fail() {
    let schema = json!({
        "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
        "additionalProperties": false,
    });
    for (other, value) in [
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            json!({"a": 1}),
        ),
        (json!({"type": "object"}), json!({"a": "x"})),
    ] {
        for api in super::APIS {
            let mut compared = compared(api, &schema);
            compared.sent = validator(&other);
            assert!(compared.check(&value).is_err(), "{api:?} {other}");
        }
    }
}

#[test]
fn gemini_says_what_it_loses() {
    let schema = |property: Value| json!({"type": "object", "properties": {"p": property}});
    let text = |pattern: &str| format!("{pattern} at `/properties/p` is not sent");
    for (property, sent, lost) in [
        (
            json!({"type": "string", "pattern": "^x", "description": "d"}),
            json!({"type": "string", "description": "d (pattern: \"^x\")"}),
            vec![text("`pattern`")],
        ),
        (
            json!({"const": "a"}),
            json!({"type": "string", "enum": ["a"]}),
            vec![],
        ),
        (
            json!({"const": true}),
            json!({"type": "boolean", "description": "(enum: [true])"}),
            vec![text("`enum`")],
        ),
        (
            json!({"type": "null", "enum": [null]}),
            json!({"type": "null"}),
            vec![],
        ),
        (
            json!({"type": "null", "const": "x"}),
            json!({"type": "null", "description": "(enum: [\"x\"])"}),
            vec![text("`enum`")],
        ),
        (
            json!({"type": ["integer", "null"], "exclusiveMinimum": 0}),
            json!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}),
            vec![],
        ),
        (
            json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}),
            json!({"anyOf": [{"type": "number"}, {"type": "integer"}]}),
            vec!["`oneOf` at `/properties/p` is sent as `anyOf`".to_owned()],
        ),
        (
            json!({"type": "object", "propertyNames": {"maxLength": 3}, "default": {}}),
            json!({"type": "object",
                   "description": "(default: {}, propertyNames: {\"maxLength\":3})"}),
            vec![text("`propertyNames`")],
        ),
    ] {
        let tool = super::projected(ModelApi::Gemini, schema(property));
        assert_eq!(tool.schema()["properties"]["p"], sent);
        assert_eq!(losses(&tool), lost);
    }
}

#[test]
fn the_shapes_of_the_tools_of_every_api() {
    let schema = json!({
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
        "additionalProperties": false,
    });
    for (api, expected) in [
        (
            ModelApi::Anthropic,
            json!([
                {"name": "plug__do", "description": "Does it.", "input_schema": schema, "strict": true},
            ]),
        ),
        (
            ModelApi::Gemini,
            json!([{"functionDeclarations": [
                {"name": "plug__do", "description": "Does it.", "parametersJsonSchema": schema},
            ]}]),
        ),
        (
            ModelApi::OpenAi,
            json!([{"type": "function", "function": {
                "name": "plug__do", "description": "Does it.", "parameters": schema, "strict": true,
            }}]),
        ),
        (
            ModelApi::OpenAiResponses,
            json!([{
                "type": "function", "name": "plug__do", "description": "Does it.",
                "parameters": schema, "strict": true,
            }]),
        ),
    ] {
        let tools = ModelTools::of(api, [("plug/do", &descriptor(schema.clone()))]);
        assert_eq!(tools.to_json(), expected);
        assert_eq!(tools.api(), api);
    }
}
