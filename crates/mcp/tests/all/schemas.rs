//! Servers whose schemas make a validator slow, deep or blind (E3).

use std::sync::Arc;

use keyway_host::limits::Limits;
use keyway_host::{CallError, Host};
use serde_json::{Map, Value, json};

use crate::families::FAMILIES;
use crate::kit::{CEILING, connected, host_with, view};
use crate::scripted::{Scripted, tool};

/// Keywords that may not stand at the root of an input schema anyway.
const APPLICATORS: [&str; 10] = [
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];

/// A schema whose fault is an argument's, not that its root is no plain object.
fn below_the_root(schema: Value) -> Value {
    let Value::Object(mut root) = schema else {
        return json!({"type": "object", "properties": {"x": schema}});
    };
    let mut argument = Map::new();
    for keyword in APPLICATORS {
        argument.extend(root.remove_entry(keyword));
    }
    root.insert("type".to_owned(), json!("object"));
    if !argument.is_empty() {
        root.insert("properties".to_owned(), json!({"x": argument}));
    }
    Value::Object(root)
}

/// Families that lead to the root: there they are no bombs, since they recurse by way of an argument.
const TO_THE_ROOT: [&str; 3] = [
    "a cycle to the root",
    "a cycle of $dynamicRef",
    "a cycle of $recursiveRef",
];

/// Each bomb as a tool's input schema and as a tool's output schema, with what it is.
fn bombs() -> Vec<(String, Value)> {
    let mut made = Vec::new();
    for family in FAMILIES
        .iter()
        .filter(|family| !TO_THE_ROOT.contains(&family.name))
    {
        let schema = below_the_root((family.make)(family.sizes[0]));
        for place in ["inputSchema", "outputSchema"] {
            let mut bomb = tool(&format!("bomb-{}", made.len()));
            bomb[place] = schema.clone();
            made.push((format!("{} in {place}", family.name), bomb));
        }
    }
    made
}

/// More than any reader takes, written without one.
fn written() -> Vec<(&'static str, String)> {
    let bomb = |name: &str, schema: String| {
        format!(r#"{{"name": "{name}", "description": "x", "inputSchema": {schema}}}"#)
    };
    let deep =
        |open: &str, close: &str, n: usize| format!("{}{{}}{}", open.repeat(n), close.repeat(n));
    let members = |n: usize| {
        let members: Vec<_> = (0..n).map(|i| format!(r#""p{i}": {{}}"#)).collect();
        members.join(", ")
    };
    vec![
        ("100,000 levels", bomb("w0", deep(r#"{"properties": {"x": "#, "}}", 100_000))),
        ("100 levels", bomb("w1", format!(r#"{{"type": "object", "properties": {{"x": {}}}}}"#, deep(r#"{"not": "#, "}", 100)))),
        ("100,000 properties", bomb("w2", format!(r#"{{"type": "object", "properties": {{{}}}}}"#, members(100_000)))),
        ("5,000 patterns of names", bomb("w3", format!(r#"{{"type": "object", "patternProperties": {{{}}}}}"#, members(5_000)))),
        ("4 MB of enum", bomb("w4", format!(r#"{{"type": "object", "properties": {{"x": {{"enum": [{}0]}}}}}}"#, "0,".repeat(2 << 20)))),
        ("the same name twice", r#"{"name": "w5", "name": "w5", "description": "x", "inputSchema": {"type": "object", "type": "array"}}"#.to_owned()),
        ("a number beyond all numbers", bomb("w6", r#"{"type": "object", "properties": {"x": {"maximum": 1e999}}}"#.to_owned())),
    ]
}

/// A host with this server, started within bounds. The pass mark is a time, 10 ms for each bomb; a loaded
/// machine without optimisation gets many times that for all of them together.
async fn started(bombs: &Scripted) -> Arc<Host> {
    let servers = [bombs.server("bomber")];
    let start = tokio::time::timeout(CEILING, host_with(&servers));
    start.await.unwrap()
}

fn ids(host: &Host) -> Vec<String> {
    let listing = view(host).list();
    listing.tools.iter().map(|tool| tool.id.clone()).collect()
}

#[tokio::test]
async fn s_e3_every_bomb_of_a_server_is_kept_out_and_its_sibling_lives() {
    let bombs = bombs();
    assert!(bombs.len() >= 60, "{}", bombs.len());
    for chunk in bombs.chunks(20) {
        let mut tools: Vec<_> = chunk.iter().map(|(_, tool)| tool.clone()).collect();
        tools.push(tool("good"));
        let host = started(&Scripted::new(&tools)).await;
        let seen = ids(&host);
        let names = chunk.iter().filter(|(_, tool)| {
            seen.contains(&format!("bomber/{}", tool["name"].as_str().unwrap()))
        });
        let alive: Vec<_> = names.map(|(name, _)| name).collect();
        assert!(alive.is_empty(), "{alive:?}");
        assert_eq!(seen, ["bomber/good"]);
        view(&host).call("bomber/good", json!({})).await.unwrap();
        host.shutdown().await;
    }
}

#[tokio::test]
async fn s_e3_what_no_reader_takes_costs_one_tool() {
    for (name, bomb) in written() {
        let server = Scripted::raw(&format!("[{bomb}, {}]", tool("good")));
        let host = started(&server).await;
        let seen = ids(&host);
        assert!(seen.contains(&"bomber/good".to_owned()), "{name}: {seen:?}");
        assert_eq!(seen.len(), 1, "{name}: {seen:?}");
        host.shutdown().await;
    }
}

/// Alternatives of which each leads to both again: fit for a shallow value, endless for a deep one.
fn branching() -> Value {
    let again = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}});
    json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"anyOf": [{"const": "a"}, again, again]}}})
}

fn deep(levels: usize, leaf: &str) -> Value {
    (0..levels).fold(json!(leaf), |inner, _| json!({"next": inner}))
}

#[tokio::test]
async fn s_e3_schemas_that_explode_with_their_values_are_stopped_by_count() {
    let mut branch = tool("branch");
    branch["inputSchema"] = branching();
    let mut answer = tool("answer");
    answer["outputSchema"] = branching();
    let mut pattern = tool("pattern");
    pattern["inputSchema"] =
        json!({"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}});
    let server = Scripted::new(&[branch, answer, pattern]).says(
        "calls",
        "answer",
        json!({"content": [], "structuredContent": {"x": deep(40, "c")}}),
    );
    let host = host_with(&[server.server("bomber")]).await;
    let view = view(&host);
    assert_eq!(ids(&host).len(), 3);
    view.call("bomber/branch", json!({"x": deep(5, "a")}))
        .await
        .unwrap();
    for levels in [30, 45] {
        let refused = view
            .call("bomber/branch", json!({"x": deep(levels, "c")}))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, CallError::BadArguments { .. }),
            "{levels}: {refused}"
        );
    }
    let refused = view.call("bomber/answer", json!({})).await.unwrap_err();
    println!("{refused}");
    view.call("bomber/pattern", json!({"x": "a".repeat(50_000)}))
        .await
        .unwrap();
    let long = format!("{}!", "a".repeat(50_000));
    let refused = view
        .call("bomber/pattern", json!({"x": long}))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, CallError::BadArguments { .. }),
        "{refused}"
    );
    host.shutdown().await;
}

/// The control: a client without a guard has all of them, and a validator without one takes them: it is
/// blind to what goes in circles, and does twice the work with each level of the branching ones.
#[tokio::test]
async fn s_e3_control_a_bare_client_and_a_bare_validator_take_the_bombs() {
    let bombs: Vec<_> = bombs().into_iter().map(|(_, tool)| tool).collect();
    let server = Scripted::new(&bombs);
    let client = connected(&server.server("bomber")).await;
    let listed = client.list_tools().await.unwrap();
    assert_eq!(listed.len(), bombs.len());
    client.close().await;
    let costly = FAMILIES
        .iter()
        .filter(|family| family.code == "SCHEMA_TOO_COSTLY");
    for family in costly {
        let schema = below_the_root((family.make)(family.sizes[0]));
        assert!(
            jsonschema::options().build(&schema).is_ok(),
            "{}",
            family.name
        );
    }
    let circle = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}});
    let blind = jsonschema::options().build(&circle).unwrap();
    assert!(
        [json!({"x": 1}), json!({"x": {"y": []}})]
            .iter()
            .all(|anything| blind.is_valid(anything))
    );
    let guarded = keyway_host::schema::guard(&circle, &Limits::default());
    assert_eq!(guarded.unwrap_err().code(), "SCHEMA_CYCLE");
    let raw = jsonschema::options().build(&branching()).unwrap();
    let errors = |levels| {
        let value = json!({"x": deep(levels, "c")});
        let found: Vec<_> = raw.iter_errors(&value).collect();
        found.iter().map(nested).sum::<usize>()
    };
    let (four, eight) = (errors(4), errors(8));
    assert!(eight >= 15 * four, "{four}, then {eight}");
}

/// Counts the errors in an error.
fn nested(error: &jsonschema::ValidationError<'_>) -> usize {
    use jsonschema::error::ValidationErrorKind as Kind;
    match error.kind() {
        Kind::AnyOf { context } => context.iter().flatten().map(nested).sum(),
        _ => 1,
    }
}
