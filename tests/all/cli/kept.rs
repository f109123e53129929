//! What a plugin keeps: taken away, brought back, thrown away (settlement 26).

use std::fs;
use std::path::Path;

use keyway_effects::EffectLimits;
use keyway_effects::state::{PluginState, StateFolder};
use serde_json::{Value, json};

use super::bench::{Bench, manifest};

/// A folder with an approved plugin that owns state; it keeps one value.
fn owner() -> Bench {
    let bench = Bench::new();
    bench.package("keeper", &manifest("keeper", "1.0.0", &owns_state()));
    bench.ok("plugin install ./src/keeper --approve");
    kept(&bench.path(".keyway")).put("last", b"42").unwrap();
    bench
}

fn owns_state() -> Value {
    json!({
        "risk": "medium",
        "state": { "owns": true, "version": 1 },
        "capabilities": [{ "kind": "state", "quotaBytes": 1000 }],
    })
}

/// Opens what the plugin keeps, as a host does.
#[track_caller]
fn kept(dir: &Path) -> PluginState {
    let states = StateFolder::open(dir.join("state"), EffectLimits::default()).unwrap();
    states.plugin(&"keeper".parse().unwrap(), 1000).unwrap()
}

#[track_caller]
fn value(bench: &Bench) -> Option<Vec<u8>> {
    kept(&bench.path(".keyway")).get("last").unwrap()
}

#[test]
fn a_plugin_that_owns_state_is_not_removed_unasked() {
    let bench = owner();
    let before = bench.catalog_bytes();
    let error = bench.fails("plugin uninstall keeper", "STATE_UNDECIDED");
    for option in ["--export-state FILE", "--discard-state"] {
        assert!(error.contains(option), "{error}");
    }
    assert_eq!(bench.catalog_bytes(), before);
    assert_eq!(value(&bench), Some(b"42".to_vec()));
}

#[test]
fn state_that_is_exported_comes_back_after_a_new_installation() {
    let bench = owner();
    bench.ok("plugin uninstall keeper --export-state saved.json");
    assert!(!bench.path(".keyway/state/keeper.state").exists());
    let saved: Value =
        serde_json::from_slice(&fs::read(bench.path("saved.json")).unwrap()).unwrap();
    assert_eq!(saved["entries"]["last"]["text"], "42");

    bench.ok("plugin install ./src/keeper --approve");
    assert_eq!(value(&bench), None);
    bench.ok("state import keeper saved.json");
    assert_eq!(value(&bench), Some(b"42".to_vec()));
    assert!(
        bench
            .ok("audit")
            .out
            .contains("its state is replaced by olive")
    );
}

#[test]
fn state_is_kept_or_thrown_away_as_told() {
    let bench = owner();
    bench.ok("plugin uninstall keeper --keep-state");
    assert_eq!(value(&bench), Some(b"42".to_vec()));
    bench.ok("plugin install ./src/keeper --approve");
    bench.ok("plugin uninstall keeper --discard-state");
    assert_eq!(value(&bench), None);
}

#[test]
fn state_that_a_host_is_using_stays_and_so_does_the_plugin() {
    let bench = owner();
    let in_use = kept(&bench.path(".keyway"));
    let before = bench.catalog_bytes();
    for command in [
        "plugin uninstall keeper --discard-state",
        "plugin uninstall keeper --export-state saved.json",
        "state export keeper saved.json",
    ] {
        bench.fails(command, "STATE_BUSY");
        assert_eq!(bench.catalog_bytes(), before, "{command}");
        assert!(!bench.path("saved.json").exists());
    }
    assert_eq!(in_use.get("last").unwrap(), Some(b"42".to_vec()));
}

#[test]
fn what_the_commands_about_state_refuse() {
    let bench = owner();
    fs::write(bench.path("taken.json"), "{}").unwrap();
    let table = [
        ("state export keeper taken.json", "FILE_UNUSABLE"),
        ("state export nobody saved.json", "STATE_ABSENT"),
        ("state import nobody taken.json", "PLUGIN_NOT_FOUND"),
        ("state import keeper taken.json", "BAD_STATE_EXPORT"),
        ("state import keeper nowhere.json", "FILE_UNUSABLE"),
        (
            "plugin uninstall keeper --export-state taken.json",
            "FILE_UNUSABLE",
        ),
    ];
    for (command, code) in table {
        bench.fails(command, code);
    }
    assert_eq!(value(&bench), Some(b"42".to_vec()));
    assert_eq!(bench.status("keeper"), "enabled");
    bench.ok("plugin uninstall keeper --dry-run --discard-state");
    assert_eq!(value(&bench), Some(b"42".to_vec()));
}

#[test]
fn an_export_that_does_not_fit_the_grant_is_refused() {
    let bench = owner();
    bench.ok("state export keeper saved.json");
    let text = fs::read_to_string(bench.path("saved.json")).unwrap();
    let large = text.replace("42", &"4".repeat(2000));
    fs::write(bench.path("large.json"), large).unwrap();
    bench.fails("state import keeper large.json", "STATE_QUOTA");
    assert_eq!(value(&bench), Some(b"42".to_vec()));
}
