//! The JSON that programs read.

use serde_json::{Value, json};

use super::bench::{Bench, fixture};

/// Replaces what differs from run to run.
fn settled(mut value: Value) -> Value {
    settle(&mut value);
    value
}

fn settle(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                let times = [
                    "installedAtMs",
                    "lastModifiedMs",
                    "atMs",
                    "clockHighWaterMs",
                ];
                if times.contains(&key.as_str()) && value.is_i64() {
                    *value = json!("<time>");
                } else if key == "sourcePath" {
                    *value = json!("<path>");
                } else if key == "digest" {
                    *value = json!("<digest>");
                } else {
                    settle(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

#[test]
fn the_result_of_an_installation() {
    let bench = Bench::new();
    let path = fixture("deepseek-llm");
    let result = bench.json(&format!("plugin install {}", path.display()));
    insta::assert_json_snapshot!(settled(result));
}

#[test]
fn the_result_of_a_displacement() {
    let bench = Bench::with(&["grok-llm@builtin"]);
    let path = fixture("deepseek-llm");
    let result = bench.json(&format!("plugin install {}", path.display()));
    insta::assert_json_snapshot!(settled(result));
}

#[test]
fn the_result_of_a_removal() {
    let bench = Bench::with(&["plain-notes"]);
    insta::assert_json_snapshot!(settled(bench.json("plugin uninstall plain-notes")));
}

#[test]
fn an_entry_with_grants() {
    let bench = Bench::with(&["github-tools"]);
    bench.ok("plugin approve github-tools --all");
    insta::assert_json_snapshot!(settled(bench.json("plugin info github-tools")));
}

#[test]
fn the_listing() {
    let bench = Bench::with(&[
        "grok-llm@builtin",
        "deepseek-llm@user",
        "sqlite-memory@builtin",
    ]);
    insta::assert_json_snapshot!(settled(bench.json("plugin list")));
}

#[test]
fn the_plan_of_a_cascade() {
    let bench = Bench::with(&["http-cache", "feed-reader"]);
    let plan = bench.json("plugin disable http-cache --cascade --dry-run");
    insta::assert_json_snapshot!(settled(plan));
}

#[test]
fn a_failure() {
    let bench = Bench::new();
    insta::assert_json_snapshot!(bench.json_failure("plugin enable nobody"));
}
