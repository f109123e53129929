//! What an update changes, as an operator reads it (settlement 22, L13).

use keyway_plugin_api::{Manifest, NeedsDiff};
use serde_json::{Value, json};

#[track_caller]
fn manifest(extension: &Value) -> Manifest {
    let mut ours = json!({ "api": ">=0.1, <0.2", "runtime": { "kind": "linked" } });
    for (key, value) in extension.as_object().unwrap() {
        ours[key] = value.clone();
    }
    let text = json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "notes", "version": "1.0.0", "extensions": { "dev.keyway": ours },
    });
    Manifest::parse(text.to_string().as_bytes()).unwrap().0
}

#[track_caller]
fn check(old: &Value, new: &Value, text: &str, widens: bool) {
    let diff = NeedsDiff::between(&manifest(old), &manifest(new));
    assert_eq!(diff.to_string(), text);
    assert_eq!(diff.widens(), widens, "{diff}");
}

fn network(host: &str) -> Value {
    json!({ "capabilities": [{ "kind": "network", "hosts": [host] }] })
}

#[test]
fn l13_equal_needs_are_no_change() {
    check(&json!({}), &json!({}), "no change", false);
    let (written, otherwise) = (network("API.github.com."), network("api.github.com"));
    check(&written, &otherwise, "no change", false);
    let one = json!({ "capabilities": [{ "kind": "filesystem", "read": ["./a", "./b"] }] });
    let two = json!({ "capabilities": [{ "kind": "filesystem", "read": ["./b"] },
                                       { "kind": "filesystem", "read": ["a/"] }] });
    check(&one, &two, "no change", false);
}

#[test]
fn l13_wider_needs_widen() {
    let github = network("api.github.com");
    let text = "+ network:api.github.com\n+ risk:medium\n- risk:low";
    check(&json!({}), &github, text, true);
    let text = "+ network:*.com";
    check(&github, &network("*.com"), text, true);
    let text = "+ network:evil.example\n- network:api.github.com";
    check(&github, &network("evil.example"), text, true);
    let text = "+ dependency:http-cache";
    check(
        &json!({}),
        &json!({ "dependencies": ["http-cache@^1"] }),
        text,
        true,
    );
    let text = "+ contributes:hook:pre_tool_call\n+ contributes:tool:add";
    let more = json!({ "contributes": { "tools": ["add"], "hooks": ["pre_tool_call"] } });
    check(&json!({}), &more, text, true);
    check(
        &json!({}),
        &json!({ "slot": "memory" }),
        "+ slot:memory",
        true,
    );
}

#[test]
fn l13_narrower_needs_do_not_widen() {
    let (wide, narrow) = (network("*.github.com"), network("api.github.com"));
    check(&wide, &narrow, "- network:*.github.com", false);
    check(&narrow, &json!({}), "- network:api.github.com", false);
    let (none, some) = (json!({}), json!({ "dependencies": ["a"], "slot": "llm" }));
    check(&some, &none, "- dependency:a\n- slot:llm", false);
    let ranged = json!({ "dependencies": ["a@^1"], "slot": "llm" });
    check(&some, &ranged, "no change", false);
}

#[test]
fn l13_optional_and_required_are_told_apart() {
    let secret = |optional: bool| {
        let asked = json!({ "kind": "secret", "names": ["TOKEN"], "optional": optional });
        json!({ "capabilities": [asked] })
    };
    check(
        &secret(true),
        &secret(false),
        "! secret:TOKEN (now required)",
        true,
    );
    check(&secret(false), &secret(true), "no change", false);
    let tool = |optional: bool| json!({ "contributes": { "tools": [{ "name": "drop", "optional": optional }] } });
    check(&tool(true), &tool(false), "+ contributes:tool:drop", true);
    check(&tool(false), &tool(true), "- contributes:tool:drop", false);
}
