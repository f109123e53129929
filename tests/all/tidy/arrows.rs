//! The arrows between crates, held against the map in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom: every arrow that there is, and no other.
const ARROWS: &[(&str, &[&str])] = &[
    ("keyway-derive", &[]),
    ("keyway-plugin-api", &["keyway-derive"]),
    ("keyway-host", &["keyway-plugin-api"]),
    ("keyway-effects", &["keyway-host", "keyway-plugin-api"]),
    ("keyway-test-support", &["keyway-host", "keyway-plugin-api"]),
    (
        "keyway",
        &["keyway-effects", "keyway-host", "keyway-plugin-api"],
    ),
];

/// What every plugin author compiles: nothing beyond these (and what they bring).
const PLUGIN_API_MAY_USE: &[&str] = &[
    "async-trait",
    "inventory",
    "keyway-derive",
    "schemars",
    "semver",
    "serde",
    "serde_json",
    "thiserror",
];

/// Crates that are too heavy, too changeable or too powerful for a plugin author's build.
const NEVER_IN_PLUGIN_API: &[&str] = &[
    "tokio",
    "jsonschema",
    "reqwest",
    "rmcp",
    "wasmtime",
    "tracing",
    "url",
    "uuid",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Normal dependencies by package, tests and benches left out.
fn dependencies(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap();
        all.iter()
            .filter(|d| d["kind"].is_null())
            .map(|d| text(&d["name"]))
            .collect()
    };
    packages
        .iter()
        .map(|package| (text(&package["name"]), of(package)))
        .collect()
}

#[test]
fn arrows_between_crates_are_those_of_the_map() {
    let dependencies = dependencies(&metadata());
    let ours: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (name, allowed) in ARROWS {
        let found: BTreeSet<&str> = dependencies[*name]
            .iter()
            .map(String::as_str)
            .filter(|d| ours.contains(d))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert_eq!(
            found, allowed,
            "arrows of {name}; the map is in ARCHITECTURE.md"
        );
    }
}

#[test]
fn plugin_api_stays_small() {
    let dependencies = dependencies(&metadata());
    let found: BTreeSet<&str> = dependencies["keyway-plugin-api"]
        .iter()
        .map(String::as_str)
        .collect();
    let allowed: BTreeSet<&str> = PLUGIN_API_MAY_USE.iter().copied().collect();
    assert!(
        found.is_subset(&allowed),
        "unexpected: {:?}",
        found.difference(&allowed)
    );
    let mut reached = BTreeSet::new();
    let mut queue = vec!["keyway-plugin-api".to_owned()];
    while let Some(name) = queue.pop() {
        let more = dependencies.get(&name).into_iter().flatten().cloned();
        queue.extend(more.filter(|name| reached.insert(name.clone())));
    }
    for heavy in NEVER_IN_PLUGIN_API {
        // `reached` follows optional dependencies of libraries too, so only direct use counts.
        assert!(!found.contains(heavy), "plugin-api must not use {heavy}");
    }
    assert!(
        reached.contains("serde"),
        "the walk over the graph found nothing"
    );
}
