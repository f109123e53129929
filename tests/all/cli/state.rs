//! What happens to the catalog file: two writers, a damaged file, a newer one, a plan.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use super::bench::{Bench, fixture, manifest};

#[test]
fn c12_two_processes_at_once_lose_no_update() {
    let bench = Bench::new();
    let packages: Vec<_> = (0..12)
        .map(|n| {
            bench.package(
                &format!("p{n}"),
                &manifest(&format!("p{n}"), "1.0.0", &json!({})),
            )
        })
        .collect();
    let children: Vec<_> = packages
        .iter()
        .map(|package| {
            let mut command = bench.command(&format!("plugin install {package}"));
            command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let catalog = bench.catalog();
    assert_eq!(
        catalog["entries"].as_object().unwrap().len(),
        packages.len()
    );
    bench.ok("audit verify");
    bench.ok("audit replay");
}

#[test]
fn c12_a_newer_catalog_is_refused_and_left_alone() {
    let bench = Bench::with(&["plain-notes"]);
    let mut catalog = bench.catalog();
    catalog["schemaVersion"] = json!(999);
    fs::write(bench.path(".keyway/plugins.json"), catalog.to_string()).unwrap();
    let before = bench.catalog_bytes();
    for command in ["plugin list", "plugin disable plain-notes"] {
        let error = bench.fails(command, "SCHEMA_NEWER");
        assert!(error.contains("999"), "{error}");
        assert_eq!(bench.catalog_bytes(), before, "{command}");
    }
}

#[test]
fn c12_a_truncated_catalog_is_kept_aside_and_reported() {
    let bench = Bench::with(&["plain-notes"]);
    let whole = bench.catalog_bytes();
    let half = &whole[..whole.len() / 2];
    fs::write(bench.path(".keyway/plugins.json"), half).unwrap();
    let ran = bench.run("plugin list");
    let folder: Vec<_> = fs::read_dir(bench.path(".keyway"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let kept = folder
        .iter()
        .find(|path| fs::read(path).is_ok_and(|bytes| bytes == half));
    let name = kept
        .unwrap_or_else(|| panic!("{folder:?} {ran:#?}"))
        .file_name()
        .unwrap();
    assert!(ran.err.contains(name.to_str().unwrap()), "{ran:#?}");
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let bench = Bench::with(&["grok-llm@builtin", "http-cache", "feed-reader"]);
    let install = format!("plugin install {}", fixture("deepseek-llm").display());
    let table = [
        (install.as_str(), "deepseek-llm"),
        ("plugin disable http-cache --cascade", "feed-reader"),
        ("plugin uninstall grok-llm", "grok-llm"),
        ("plugin revoke http-cache --reason test", "http-cache"),
    ];
    for (command, mentioned) in table {
        let before = fs::read_dir(bench.path(".keyway")).unwrap().count();
        let bytes = bench.catalog_bytes();
        let planned = command.replacen("plugin ", "plugin plan ", 1);
        for command in [format!("{command} --dry-run"), planned] {
            let ran = bench.ok(&command);
            assert!(ran.out.contains(mentioned), "{command}: {ran:#?}");
            assert_eq!(bench.catalog_bytes(), bytes, "{command}");
        }
        assert_eq!(fs::read_dir(bench.path(".keyway")).unwrap().count(), before);
    }
}

#[test]
fn a_plan_of_something_refused_fails_like_the_operation() {
    let bench = Bench::with(&["plain-notes"]);
    for command in ["plugin enable plain-notes", "plugin disable nobody"] {
        let failed = bench.json_failure(command);
        let planned = bench.json_failure(&format!("{command} --dry-run"));
        assert_eq!(failed["code"], planned["code"], "{command}");
    }
}
