//! What happens to the catalog file: two writers, a damaged file, a newer one, a plan.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;

use keyway_host::audit::{AuditEvent, AuditSink, JsonlAudit, Redactor};
use keyway_host::clock::SystemClock;
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

/// What a running host recorded about a plugin is there for the operator who asks.
#[test]
fn info_tells_the_last_failure() {
    let bench = Bench::with(&["plain-notes"]);
    let trail = bench.path(".keyway/audit.jsonl");
    let audit = JsonlAudit::open(trail, Arc::new(SystemClock::new()), Redactor::new()).unwrap();
    for reason in ["first", "it hung\u{1b}[2J"] {
        audit.record(AuditEvent::PluginFailed {
            plugin: "plain-notes".parse().unwrap(),
            stage: "start".into(),
            reason: reason.into(),
        });
    }
    audit.flush().unwrap();
    let info = bench.ok("plugin info plain-notes").out;
    let line = info.lines().next_back().unwrap();
    assert!(line.starts_with("Last failure: 2"), "{info}");
    assert!(line.ends_with(" at start: it hung\\u{1b}[2J"), "{line}");
}

#[test]
fn a_lost_catalog_is_missed_and_the_trail_puts_it_back() {
    let bench = Bench::with(&["plain-notes", "github-tools", "http-cache"]);
    bench.ok("plugin approve github-tools --all");
    bench.ok("plugin revoke http-cache --reason leaked");
    let before = bench.catalog();
    fs::remove_file(bench.path(".keyway/plugins.json")).unwrap();
    let ran = bench.ok("plugin list");
    let want = "\
warning: the catalog is empty, but the trail knows of 3 plugins
  help: to put back what the trail adds up to: keyway audit replay --json > .keyway/plugins.json
";
    assert_eq!(ran.err, want);
    assert!(
        bench
            .fails("audit replay", "CATALOG_DIFFERS")
            .contains("/entries")
    );

    let replayed = bench.ok("audit replay --json").out;
    fs::write(bench.path(".keyway/plugins.json"), replayed).unwrap();
    assert_eq!(bench.ok("plugin list").err, "");
    assert_eq!(bench.catalog(), before);
    bench.ok("audit replay");
    assert_eq!(bench.status("http-cache"), "revoked");
}

#[test]
fn a_catalog_changed_by_hand_differs_from_the_trail() {
    let bench = Bench::with(&["plain-notes"]);
    bench.ok("plugin disable plain-notes");
    let mut catalog = bench.catalog();
    catalog["entries"]["plain-notes"]["enabled"] = json!(true);
    fs::write(bench.path(".keyway/plugins.json"), catalog.to_string()).unwrap();
    let error = bench.fails("audit replay", "CATALOG_DIFFERS");
    assert!(
        error.contains("they differ at /entries/plain-notes/enabled"),
        "{error}"
    );
}

#[test]
fn a_changed_trail_is_found_out() {
    let bench = Bench::with(&["plain-notes"]);
    let verified = bench.ok("audit verify").out;
    let head = verified
        .lines()
        .find_map(|line| line.strip_prefix("Head: "))
        .unwrap();
    bench.ok("plugin disable plain-notes");
    bench.ok(&format!("audit verify --against {head}"));

    let path = bench.path(".keyway/audit.jsonl");
    let trail = fs::read_to_string(&path).unwrap();
    fs::write(&path, trail.replacen("plain-notes", "plain-moles", 1)).unwrap();
    bench.fails("audit verify", "AUDIT_BROKEN");

    // The end cut off: whole by itself, found out with the head that was noted.
    let first = trail.lines().next().unwrap();
    fs::write(&path, format!("{first}\n")).unwrap();
    bench.ok("audit verify");
    bench.fails(&format!("audit verify --against {head}"), "AUDIT_BROKEN");
}

#[test]
fn the_trail_is_listed_and_filtered() {
    let bench = Bench::with(&["plain-notes", "http-cache"]);
    let all = bench.ok("audit").out;
    assert!(all.lines().all(|line| line.contains(" 20")), "{all}");
    assert!(
        all.contains("by=olive") && all.contains("operation=install"),
        "{all}"
    );
    let one = bench.ok("audit --plugin http-cache").out;
    assert!(
        one.contains("http-cache") && !one.contains("plain-notes"),
        "{one}"
    );
    assert_eq!(bench.ok("audit list --limit 2").out.lines().count(), 2);
    assert_eq!(
        bench.json("audit list --limit 3").as_array().unwrap().len(),
        3
    );
    assert_eq!(bench.ok("audit --plugin nobody").out, "");
    let report = bench.json("audit verify");
    assert_eq!(report["success"], true);
    assert_eq!(
        report["records"].as_u64().unwrap(),
        all.lines().count() as u64
    );
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
