//! Strict where nothing is lost, and otherwise why not.

use keyway_host::model::{Loss, ModelApi, ModelTools, NotStrict};
use serde_json::{Value, json};

use super::{descriptor, losses, projected};

/// A closed object with one property, required or not.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `json!` gives"
)]
fn object(property: Value, is_required: bool) -> Value {
    let required = if is_required { json!(["p"]) } else { json!([]) };
    json!({
        "type": "object", "properties": {"p": property}, "required": required,
        "additionalProperties": false,
    })
}

/// The schema of `p` as it is sent, where the tool is strict; else why it is not.
#[track_caller]
fn sent(api: ModelApi, property: &Value, is_required: bool) -> Result<Value, String> {
    let tool = projected(api, object(property.clone(), is_required));
    match &tool.losses[..] {
        [] if tool.strict => Ok(tool.schema()["properties"]["p"].clone()),
        [Loss::NotStrict { why }] if !tool.strict => {
            // What is not strict is sent as the tool has it.
            assert_eq!(tool.schema()["properties"]["p"], *property);
            Err(why.to_string())
        }
        other => panic!("{other:?}"),
    }
}

/// What both APIs are sent of a required `p`: Anthropic's, then OpenAI's.
#[track_caller]
fn row(property: &Value, anthropic: &Result<Value, String>, openai: &Result<Value, String>) {
    for (api, expected) in [
        (ModelApi::Anthropic, anthropic),
        (ModelApi::OpenAi, openai),
        (ModelApi::OpenAiResponses, openai),
    ] {
        assert_eq!(sent(api, property, true), *expected, "{property}");
    }
}

#[test]
fn what_has_a_strict_form_is_rewritten_and_nothing_else() {
    let text = json!({"type": "string", "description": "d"});
    let date = json!({"type": "string", "format": "date"});
    let words = json!({"type": "array", "items": {"type": "string"}, "minItems": 1});
    let choice = json!({"type": "string", "enum": ["a", "b"]});
    let either = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
    let flag = json!({"type": "boolean", "description": "d (default: true)"});
    for (property, anthropic, openai) in [
        (&text, text.clone(), text.clone()),
        (&date, date.clone(), date.clone()),
        (&words, words.clone(), words.clone()),
        (&choice, json!({"enum": ["a", "b"]}), choice.clone()),
        (
            &json!({"const": 1}),
            json!({"enum": [1]}),
            json!({"type": "integer", "enum": [1]}),
        ),
        (
            &json!({"type": ["string", "null"]}),
            either.clone(),
            either.clone(),
        ),
        (
            &json!({"type": "boolean", "default": true, "description": "d"}),
            flag.clone(),
            flag.clone(),
        ),
        (
            &json!({"oneOf": [{"const": "a", "description": "A"}, {"const": "b"}]}),
            json!({"anyOf": [{"enum": ["a"], "description": "A"}, {"enum": ["b"]}]}),
            json!({"anyOf": [
                {"type": "string", "enum": ["a"], "description": "A"},
                {"type": "string", "enum": ["b"]},
            ]}),
        ),
    ] {
        row(property, &Ok(anthropic), &Ok(openai));
    }
}

#[test]
fn what_only_one_api_takes_is_strict_there() {
    let no = |keyword: &str| Err(format!("`{keyword}` at `/properties/p`"));
    let range = json!({"type": "integer", "maximum": 9, "minimum": 0});
    let many = json!({"type": "array", "items": {"type": "string"}, "minItems": 2});
    let word = json!({"type": "string", "pattern": "^a"});
    let uri = json!({"type": "string", "format": "uri"});
    row(&range, &no("maximum"), &Ok(range.clone()));
    row(&many, &no("minItems"), &Ok(many.clone()));
    row(&word, &no("pattern"), &Ok(word.clone()));
    row(&uri, &Ok(uri.clone()), &no("format"));
}

#[test]
fn what_has_no_strict_form_says_why() {
    for (property, why) in [
        (
            json!({"type": "object", "properties": {}}),
            "the object at `/properties/p` is open",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            "the object at `/properties/p` is open",
        ),
        (json!({}), "`/properties/p` accepts any value"),
        (
            json!({"type": "array"}),
            "`/properties/p/items` accepts any value",
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "string"}]}),
            "`prefixItems` at `/properties/p`",
        ),
        (
            json!({"type": "string", "pattern": "(?:a)"}),
            "`pattern` at `/properties/p`",
        ),
        (
            json!({"type": "string", "minLength": 1}),
            "`minLength` at `/properties/p`",
        ),
        (
            json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}),
            "branches of `oneOf` at `/properties/p` overlap",
        ),
        (json!({"not": {}}), "`not` at `/properties/p`"),
    ] {
        let no = Err(why.to_owned());
        row(&property, &no, &no);
    }
}

#[test]
fn an_optional_property_is_null_for_openai_and_optional_for_anthropic() {
    let text = json!({"type": "string", "description": "d"});
    assert_eq!(sent(ModelApi::Anthropic, &text, false), Ok(text.clone()));
    let or_null = json!({"description": "d", "anyOf": [{"type": "string"}, {"type": "null"}]});
    assert_eq!(sent(ModelApi::OpenAi, &text, false), Ok(or_null));
    let tool = projected(ModelApi::OpenAi, object(text, false));
    assert_eq!(tool.schema()["required"], json!(["p"]));

    let nullable = json!({"type": ["string", "null"]});
    let why = "`/properties/p` is optional and may be null as well".to_owned();
    assert_eq!(sent(ModelApi::OpenAi, &nullable, false), Err(why));
}

#[test]
fn a_null_that_could_mean_two_things_makes_no_strict_tool() {
    let branch = |name: &str| {
        json!({
            "type": "object", "properties": {name: {"type": "string"}, "z": {"type": "integer"}},
            "required": [name], "additionalProperties": false,
        })
    };
    let two = json!({"anyOf": [branch("a"), branch("b")]});
    let why = "a null inside `/properties/p` could mean two things".to_owned();
    assert_eq!(sent(ModelApi::OpenAi, &two, true), Err(why));
    // One object beside a text is clear.
    let one = json!({"anyOf": [branch("a"), {"type": "string"}]});
    let tool = projected(ModelApi::OpenAi, object(one.clone(), true));
    assert!(tool.strict, "{:?}", losses(&tool));
    let tools = super::one(ModelApi::OpenAi, object(one, true));
    let call = tools.call(None, &tool.name, r#"{"p":{"a":"x","z":null}}"#);
    assert_eq!(call.arguments, r#"{"p":{"a":"x"}}"#);
}

#[test]
fn objects_of_any_of_that_begin_alike_make_no_strict_tool_for_openai() {
    let tagged = |tag: &str| {
        json!({
            "type": "object", "properties": {"kind": {"const": tag}}, "required": ["kind"],
            "additionalProperties": false,
        })
    };
    let both = json!({"oneOf": [tagged("a"), tagged("b")]});
    let why = "objects of `anyOf` at `/properties/p` begin with the same property".to_owned();
    assert_eq!(sent(ModelApi::OpenAi, &both, true), Err(why));
    assert!(projected(ModelApi::Anthropic, object(both, true)).strict);
}

#[test]
fn a_type_that_holds_itself_makes_no_strict_tool_and_is_sent_as_it_is() {
    let tree = json!({
        "type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}},
        "additionalProperties": false,
    });
    for api in [
        ModelApi::Anthropic,
        ModelApi::OpenAi,
        ModelApi::OpenAiResponses,
    ] {
        let tool = projected(api, tree.clone());
        assert_eq!(
            losses(&tool),
            ["not strict: the type at `/properties/kids/items` holds itself"]
        );
        assert_eq!(*tool.schema(), tree);
    }
}

#[test]
fn openai_takes_ten_levels_and_a_thousand_choices() {
    let nested = |levels: usize| {
        let inner = json!({"type": "string"});
        (0..levels).fold(inner, |inner, _| object(inner, true))
    };
    assert!(projected(ModelApi::OpenAi, nested(10)).strict);
    let deep = projected(ModelApi::OpenAi, nested(11));
    assert_eq!(
        losses(&deep),
        ["not strict: a strict tool has at most 10 levels"]
    );
    let choice = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| i.to_string()).collect();
        object(json!({"type": "string", "enum": names}), true)
    };
    assert!(projected(ModelApi::OpenAi, choice(1_000)).strict);
    assert!(!projected(ModelApi::OpenAi, choice(1_001)).strict);
}

#[test]
fn one_request_to_anthropic_has_twenty_strict_tools_at_most() {
    let tool = descriptor(object(json!({"type": "string"}), true));
    let names: Vec<String> = (10..40).map(|i| format!("plug/do{i}")).collect();
    let all = names.iter().map(|name| (name.as_str(), &tool));
    let tools = ModelTools::of(ModelApi::Anthropic, all.clone());
    let strict = tools.tools().iter().filter(|tool| tool.strict).count();
    assert_eq!((tools.tools().len(), strict), (30, 20));
    let why = NotStrict::RequestLimit {
        what: "strict tools",
        limit: 20,
    };
    assert_eq!(tools.tools()[20].losses, [Loss::NotStrict { why }]);
    let openai = ModelTools::of(ModelApi::OpenAi, all);
    assert!(openai.tools().iter().all(|tool| tool.strict));
}

#[test]
fn one_request_to_anthropic_has_24_optional_properties_in_strict_tools_at_most() {
    let tool = descriptor(object(json!({"type": "string"}), false));
    let wide: Value = (0..20)
        .map(|i| (format!("p{i}"), json!({"type": "string"})))
        .collect();
    let wide = descriptor(json!({
        "type": "object", "properties": wide, "additionalProperties": false,
    }));
    let names: Vec<String> = (0..6).map(|i| format!("plug/do{i}")).collect();
    let mut all: Vec<_> = names.iter().map(|name| (name.as_str(), &tool)).collect();
    all.push(("plug/a", &wide));
    let tools = ModelTools::of(ModelApi::Anthropic, all);
    let strict: Vec<bool> = tools.tools().iter().map(|tool| tool.strict).collect();
    assert_eq!(strict, [true, true, true, true, true, false, false]);
}

#[test]
fn a_runtime_may_ask_for_no_strict_tools() {
    let tool = descriptor(object(json!({"type": "string"}), true));
    let tools = ModelTools::without_strict(ModelApi::OpenAi, [("plug/do", &tool)]);
    let why = NotStrict::AskedFor;
    assert_eq!(tools.tools()[0].losses, [Loss::NotStrict { why }]);
    assert_eq!(tools.to_json()[0]["function"]["strict"], false);
}

#[test]
fn gemini_has_no_strict_tools_and_loses_nothing_by_that() {
    let tool = projected(ModelApi::Gemini, object(json!({"type": "string"}), true));
    assert!(!tool.strict && tool.losses.is_empty());
    assert!(!ModelApi::Gemini.has_strict_tools());
}
