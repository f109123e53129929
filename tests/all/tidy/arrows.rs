//! The arrows between crates, held against the map in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom: every arrow that there is, and no other. A crate without arrows that
/// nobody else here uses needs no row; every other crate of `crates/` does.
const ARROWS: &[(&str, &[&str])] = &[
    ("keyway-derive", &[]),
    ("keyway-plugin-api", &["keyway-derive"]),
    ("keyway-host", &["keyway-plugin-api"]),
    ("keyway-channel", &["keyway-plugin-api"]),
    ("keyway-effects", &["keyway-host", "keyway-plugin-api"]),
    (
        "keyway-mcp",
        &["keyway-host", "keyway-plugin-api", "keyway-sandbox"],
    ),
    (
        "keyway-process",
        &[
            "keyway-channel",
            "keyway-host",
            "keyway-plugin-api",
            "keyway-sandbox",
        ],
    ),
    ("keyway-sandbox", &[]),
    ("keyway-serve", &["keyway-channel", "keyway-plugin-api"]),
    ("keyway-test-support", &["keyway-host", "keyway-plugin-api"]),
    (
        "keyway",
        &[
            "keyway-effects",
            "keyway-host",
            "keyway-mcp",
            "keyway-plugin-api",
            "keyway-process",
        ],
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

type Graph = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

/// The crates of `crates/` with the normal dependencies that their manifests name. Tests and
/// examples may use any of them and stand in no map.
fn declared() -> Graph {
    // Without `--no-deps` cargo wants the crates of every platform, and this one has only its own.
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let crates = root().join("crates");
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| Path::new(&text(&package["manifest_path"])).starts_with(&crates))
        .map(|package| (text(&package["name"]), normal_dependencies(package)))
        .collect()
}

fn normal_dependencies(package: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    let normal = all.filter(|dependency| dependency["kind"].is_null());
    normal.map(|dependency| text(&dependency["name"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What every package of the lock file brings along, whatever the platform. Development
/// dependencies of crates from outside are not in there.
fn locked() -> Graph {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut graph = Graph::new();
    for package in lock.split("[[package]]").skip(1) {
        let (name, dependencies) = locked_package(package);
        graph.entry(name).or_default().extend(dependencies);
    }
    graph
}

fn locked_package(text: &str) -> (String, Vec<String>) {
    let mut lines = text.lines();
    let name = lines
        .find_map(|line| line.strip_prefix("name = "))
        .map(|name| name.trim_matches('"').to_owned());
    let list = lines
        .skip_while(|line| *line != "dependencies = [")
        .skip(1)
        .take_while(|line| *line != "]");
    // ` "name",` or ` "name 1.2.3",`
    let names = list.filter_map(|line| line.trim_matches([' ', '"', ',']).split(' ').next());
    (name.unwrap(), names.map(str::to_owned).collect())
}

/// Everything that comes along with a package.
fn reached(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut queue = vec![from.to_owned()];
    while let Some(name) = queue.pop() {
        let more = graph.get(&name).into_iter().flatten().cloned();
        queue.extend(more.filter(|name| reached.insert(name.clone())));
    }
    reached
}

/// Says of each crate what differs from the table.
fn differences(declared: &Graph) -> Vec<String> {
    let rows: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(name, arrows)| (*name, arrows.iter().copied().collect()))
        .collect();
    let gone = rows.keys().filter(|name| !declared.contains_key(**name));
    let mut found: Vec<String> = gone
        .map(|name| format!("{name} is no crate: take it out of the table and of the map"))
        .collect();
    for (name, dependencies) in declared {
        let ours = dependencies.iter().map(String::as_str);
        let arrows: BTreeSet<&str> = ours.filter(|d| declared.contains_key(*d)).collect();
        match rows.get(name.as_str()) {
            Some(row) if *row == arrows => {}
            Some(row) => found.push(format!("{name} uses {arrows:?}, the table says {row:?}")),
            None if arrows.is_empty() && !is_used(declared, name) => {}
            None => found.push(format!(
                "{name} uses {arrows:?}: add it to the table and to the map"
            )),
        }
    }
    found
}

fn is_used(declared: &Graph, name: &str) -> bool {
    declared.values().any(|used| used.contains(name))
}

#[test]
fn arrows_between_crates_are_those_of_the_map() {
    let differences = differences(&declared());
    assert!(
        differences.is_empty(),
        "the map is in ARCHITECTURE.md, the table in {}: {differences:#?}",
        file!()
    );
}

#[test]
fn a_crate_without_a_row_is_named() {
    let mut declared = declared();
    let new = ("keyway-new".to_owned(), ["keyway-host".to_owned()].into());
    declared.extend([new]);
    let said = r#"keyway-new uses {"keyway-host"}: add it to the table and to the map"#;
    assert!(differences(&declared).contains(&said.to_owned()));
}

#[test]
fn an_arrow_beside_the_table_is_named() {
    let mut declared = declared();
    let api = declared.get_mut("keyway-plugin-api").unwrap();
    api.insert("keyway-host".to_owned());
    let said = differences(&declared).concat();
    assert!(said.contains("keyway-plugin-api uses"), "{said}");
}

#[test]
fn plugin_api_stays_small() {
    let direct = &declared()["keyway-plugin-api"];
    let allowed: BTreeSet<String> = PLUGIN_API_MAY_USE.iter().map(|s| s.to_string()).collect();
    let more: Vec<_> = direct.difference(&allowed).collect();
    assert!(more.is_empty(), "unexpected: {more:?}");
    let mut graph = locked();
    // The lock file counts in what a crate of ours needs for its tests.
    graph.extend(declared());
    let reached = reached(&graph, "keyway-plugin-api");
    for heavy in NEVER_IN_PLUGIN_API {
        assert!(!reached.contains(*heavy), "plugin-api must not use {heavy}");
    }
    for deep in ["serde_core", "unicode-ident"] {
        assert!(reached.contains(deep), "the walk went no deeper: {deep}");
    }
}

#[test]
fn what_is_never_in_plugin_api_is_found_where_it_is() {
    let graph = locked();
    let host = reached(&graph, "keyway-host");
    for used in ["tokio", "jsonschema", "tracing", "uuid"] {
        assert!(NEVER_IN_PLUGIN_API.contains(&used));
        assert!(
            host.contains(used),
            "the walk does not reach {used} from the host"
        );
    }
}
