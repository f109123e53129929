//! What `#[tool]` publishes about a function.

use keyway_plugin_api::{
    Args, CallCx, Effect, FsRead, FsWrite, Json, Log, Need, Secret, SecretName, State, Tool,
    ToolDescriptor, ToolError, ToolErrorCases, ToolErrorKind, ToolInput, ToolValue, Tools,
    normalise_input, tool,
};
use serde_json::{Value, json};

#[derive(ToolInput)]
struct SearchArgs {
    /// Words to look for.
    query: String,
    /// How many hits at most.
    #[serde(default = "ten")]
    limit: u32,
}

fn ten() -> u32 {
    10
}

#[derive(ToolValue)]
struct Hits {
    /// Titles, best first.
    titles: Vec<String>,
}

/// How searching fails.
#[derive(Debug, thiserror::Error, ToolErrorCases)]
enum SearchError {
    /// The index is being rebuilt.
    #[error("the index is being rebuilt")]
    #[case(kind = unavailable)]
    Rebuilding,
    /// The query has no words.
    #[error("no words in `{query}`")]
    #[case(kind = invalid_arguments, name = "empty", retryable = true)]
    NoWords { query: String },
    /// The host refused.
    #[error(transparent)]
    #[case(transparent)]
    Host(#[from] ToolError),
}

struct Token;
impl SecretName for Token {
    const NAME: &'static str = "SEARCH_TOKEN";
}

/// Searches the index.
///
/// Use when the user wants to find something.
#[tool(effect = read, title = "Search", name = "search.index", idempotent)]
async fn search(
    Args(args): Args<SearchArgs>,
    fs: FsRead,
    token: Secret<Token>,
    cx: &CallCx,
) -> Result<Json<Hits>, SearchError> {
    if args.query.is_empty() {
        return Err(SearchError::NoWords { query: args.query });
    }
    token.reveal().await?;
    let mut titles = fs.list(".").await?;
    titles.truncate(args.limit as usize);
    if cx.is_cancelled() {
        return Err(SearchError::Rebuilding);
    }
    Ok(Json(Hits { titles }))
}

#[test]
fn the_descriptor_says_what_the_function_and_its_types_say() {
    let descriptor = Search.descriptor();
    assert_eq!(descriptor.name.as_str(), "search.index");
    assert_eq!(descriptor.title.as_deref(), Some("Search"));
    assert_eq!(
        descriptor.description,
        "Searches the index.\n\nUse when the user wants to find something."
    );
    assert_eq!(descriptor.effect, Effect::Read);
    assert!(descriptor.idempotent);
    let secret = Need::Secret {
        name: "SEARCH_TOKEN".into(),
    };
    assert_eq!(descriptor.needs, [Need::FilesystemRead, secret]);
    assert!(descriptor.typed);
    assert_eq!(
        descriptor.input_schema,
        json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "Words to look for."},
                "limit": {
                    "type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32, "default": 10,
                    "description": "How many hits at most."
                }
            },
            "required": ["query"],
            "additionalProperties": false
        })
    );
    assert_eq!(
        descriptor.output_schema,
        Some(json!({
            "type": "object",
            "properties": {
                "titles": {
                    "type": "array", "items": {"type": "string"},
                    "description": "Titles, best first."
                }
            },
            "required": ["titles"],
            "additionalProperties": false
        }))
    );
}

#[test]
fn the_error_cases_come_from_the_return_type() {
    let cases = |d: &ToolDescriptor| serde_json::to_value(&d.errors).unwrap();
    assert_eq!(
        cases(Search.descriptor()),
        json!([
            {"name": "rebuilding", "kind": "unavailable", "retryable": true,
             "doc": "The index is being rebuilt."},
            {"name": "empty", "kind": "invalid_arguments", "retryable": true,
             "doc": "The query has no words."}
        ])
    );
    assert_eq!(cases(Plain.descriptor()), json!([]));
}

#[test]
fn an_error_converts_into_its_case() {
    let error = ToolError::from(SearchError::NoWords { query: "!".into() });
    assert_eq!(error.case.as_deref(), Some("empty"));
    assert_eq!(error.kind, ToolErrorKind::InvalidArguments);
    assert_eq!(error.message, "no words in `!`");
    let inner = ToolError::new(ToolErrorKind::Denied, "no");
    assert_eq!(ToolError::from(SearchError::Host(inner.clone())), inner);
}

/// Takes nothing and returns nothing.
#[tool(effect = write)]
fn plain() {}

#[test]
fn a_function_without_parameters_takes_an_empty_object() {
    let descriptor = Plain.descriptor();
    assert_eq!(
        descriptor.input_schema,
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    );
    assert_eq!(descriptor.output_schema, None);
    assert!(descriptor.typed && descriptor.needs.is_empty() && descriptor.title.is_none());
}

/// Another name for an extractor.
type Reader = FsRead;
type Given<T> = Args<T>;
type Cx = CallCx;
use keyway_plugin_api::{FsWrite as Writer, State as Memory};

/// Takes extractors under other names.
#[tool(effect = write)]
fn renamed(Args(a): Given<SearchArgs>, r: Reader, w: Writer, m: Memory, cx: &Cx) -> String {
    format!("{} {} {r:?} {w:?} {m:?} {cx:?}", a.query, a.limit)
}

#[test]
fn extractors_are_recognised_by_trait_under_any_name() {
    let (aliased, direct) = (Renamed.descriptor(), Search.descriptor());
    assert_eq!(aliased.input_schema, direct.input_schema);
    assert_eq!(
        aliased.needs,
        [Need::FilesystemRead, Need::FilesystemWrite, Need::State]
    );
}

/// Takes everything twice.
#[tool(effect = execute)]
fn everything(_: FsWrite, _: FsWrite, _: Tools, _: Log, _: State, _: Tools) {}

#[test]
fn needs_are_sorted_and_said_once() {
    assert_eq!(
        Everything.descriptor().needs,
        [Need::FilesystemWrite, Need::State, Need::Tools]
    );
}

/// Tells the weather.
#[tool(effect = read)]
async fn weather(
    /// The city to look up.
    #[arg]
    city: String,
    log: Log,
    /// How many days ahead.
    #[arg]
    #[serde(default)]
    days: u8,
    #[arg] r#type: Option<String>,
) -> String {
    log.debug("weather").await;
    format!("{city} {days} {type:?}")
}

#[test]
fn marked_parameters_become_the_properties_of_the_arguments() {
    let descriptor = Weather.descriptor();
    assert_eq!(
        descriptor.input_schema,
        json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city to look up."},
                "days": {
                    "type": "integer", "minimum": 0, "maximum": 255, "default": 0,
                    "description": "How many days ahead."
                },
                "type": {"type": ["string", "null"]}
            },
            "required": ["city"],
            "additionalProperties": false
        })
    );
    assert!(descriptor.typed);
}

#[doc = concat!("Shows ", "text from elsewhere.")]
/// And a line.
#[tool(effect = read)]
fn documented() -> &'static str {
    "shown"
}

#[test]
fn a_description_may_come_from_a_macro() {
    assert_eq!(
        Documented.descriptor().description,
        "Shows text from elsewhere.\nAnd a line."
    );
}

#[test]
fn a_descriptor_is_built_once() {
    assert!(std::ptr::eq(Search.descriptor(), Search.descriptor()));
}

#[derive(ToolInput)]
struct ConstrainedArgs {
    #[schemars(length(max = 3))]
    #[expect(dead_code, reason = "only the schema is under test")]
    code: String,
}

#[derive(ToolInput)]
struct ForeignArgs {
    #[expect(dead_code, reason = "only the schema is under test")]
    point: Point,
}

/// Derived by serde and schemars themselves: serde also takes an array for it.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Point {
    #[expect(dead_code, reason = "only the schema is under test")]
    x: i32,
}

#[derive(ToolInput)]
struct ConvertedArgs {
    #[serde(deserialize_with = "lenient")]
    #[expect(dead_code, reason = "only the schema is under test")]
    n: i32,
}

fn lenient<'de, D: serde::Deserializer<'de>>(d: D) -> Result<i32, D::Error> {
    let value: Value = serde::Deserialize::deserialize(d)?;
    Ok(value.as_i64().map_or(0, |n| n as i32))
}

#[derive(ToolInput)]
struct UniqueArgs {
    #[expect(dead_code, reason = "only the schema is under test")]
    set: std::collections::BTreeSet<u8>,
}

/// Takes a limited text.
#[tool(effect = read)]
fn constrained(_: Args<ConstrainedArgs>) {}

/// Takes a foreign type.
#[tool(effect = read)]
fn foreign(_: Args<ForeignArgs>) {}

/// Takes a converted field.
#[tool(effect = read)]
fn converted(_: Args<ConvertedArgs>) {}

/// Takes a set.
#[tool(effect = read)]
fn unique(_: Args<UniqueArgs>) {}

/// Returns a limited text.
#[tool(effect = read)]
fn limited() -> Json<Code> {
    Json(Code {
        code: "too long".into(),
    })
}

#[derive(ToolValue)]
struct Code {
    #[schemars(length(max = 3))]
    code: String,
}

/// Returns a foreign type.
#[tool(effect = read)]
fn foreign_result() -> Json<Vec<Plot>> {
    Json(vec![Plot { x: 1 }])
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Plot {
    x: i32,
}

/// Returns a float, which is null when it is no number.
#[tool(effect = read)]
fn float_result() -> Json<f64> {
    Json(f64::INFINITY)
}

/// Returns a float that may be null.
#[tool(effect = read)]
fn optional_float() -> Json<Option<f64>> {
    Json(None)
}

#[test]
fn a_result_that_may_break_its_schema_is_not_typed() {
    let tools: [(&str, &dyn Tool, bool); 5] = [
        ("a length", &Limited, false),
        ("a foreign struct", &ForeignResult, false),
        ("a float", &FloatResult, false),
        ("an optional float", &OptionalFloat, true),
        ("a derived struct", &Search, true),
    ];
    for (what, tool, typed) in tools {
        assert_eq!(tool.descriptor().typed, typed, "{what}");
    }
}

#[test]
fn a_schema_that_says_more_than_the_types_is_not_typed() {
    let tools: [(&str, &dyn Tool); 4] = [
        ("a length", &Constrained),
        ("a foreign struct", &Foreign),
        ("a conversion", &Converted),
        ("a set", &Unique),
    ];
    for (what, tool) in tools {
        assert!(!tool.descriptor().typed, "{what}");
        let schema = tool.descriptor().input_schema.to_string();
        assert!(!schema.contains("x-keyway"), "{what}: {schema}");
    }
}

/// Written by hand, with a root that no model API takes.
#[derive(serde::Deserialize)]
struct ByHand {}

impl schemars::JsonSchema for ByHand {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ByHand".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"oneOf": [{"$ref": "#/nowhere"}]})
    }
}

impl ToolInput for ByHand {}

/// Takes arguments whose schema was written by hand.
#[tool(effect = read)]
fn by_hand_tool(_: Args<ByHand>) {}

#[test]
fn a_bad_schema_written_by_hand_is_left_for_the_host_to_refuse() {
    let descriptor = ByHandTool.descriptor();
    assert_eq!(
        descriptor.input_schema["oneOf"],
        json!([{"$ref": "#/nowhere"}])
    );
    assert!(!descriptor.typed);
    assert!(normalise_input(&descriptor.input_schema).is_err());
}
