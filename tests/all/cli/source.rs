//! The session that source 002 prints, typed again.

use serde_json::json;

use super::bench::{Bench, fixture};
use crate::support::SOURCE_002_EXAMPLE as EXAMPLE;

/// Returns a text with runs of blanks made one, as the source document has them.
fn squeezed(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The five plugins of the first listing of source 002, in the states it shows.
#[track_caller]
fn five_plugins() -> Bench {
    let bench = Bench::with(&[
        "grok-llm@builtin",
        "sqlite-memory@builtin",
        "noir-groth16@builtin",
        "otel-telemetry@user",
        "deepseek-llm@user",
    ]);
    bench.ok("plugin disable otel-telemetry");
    bench.ok("plugin disable deepseek-llm");
    bench.ok("plugin enable grok-llm");
    bench
}

#[test]
fn the_listing_has_the_rows_and_the_dashes_of_the_source() {
    let listing = five_plugins().ok("plugin list").out;
    let want = "\
Plugin                Slot       Status   Precedence
--------------------- ---------- -------- ----------
deepseek-llm          llm        disabled user
otel-telemetry        telemetry  disabled user
grok-llm              llm        enabled  builtin
noir-groth16          proof      enabled  builtin
sqlite-memory         memory     enabled  builtin
";
    assert_eq!(listing, want);
}

#[test]
fn c02_a_user_plugin_displaces_the_builtin_and_the_rows_are_those_of_the_source() {
    let bench = Bench::with(&["grok-llm@builtin"]);
    let ran = bench.install("deepseek-llm@user");
    assert_eq!(
        ran.err,
        "warning: slot llm: deepseek-llm displaces grok-llm\n"
    );
    let want = "\
Plugin          Slot Status   Precedence
--------------- ---- -------- ----------
deepseek-llm    llm  enabled  user
grok-llm        llm  disabled builtin
";
    assert_eq!(bench.ok("plugin list --slot llm").out, want);
}

#[test]
fn c02_the_collision_is_in_the_json_of_the_installation() {
    let bench = Bench::with(&["grok-llm@builtin"]);
    let path = fixture("deepseek-llm");
    let result = bench.json(&format!("plugin install {}", path.display()));
    assert_eq!(result["success"], true);
    assert_eq!(
        result["collision"],
        json!({
            "slot": "llm",
            "incumbentId": "grok-llm",
            "incumbentPrecedence": 2,
            "challengerId": "deepseek-llm",
            "challengerPrecedence": 1,
            "willDisplace": true,
        })
    );
}

#[test]
fn c03_nobody_is_promoted_when_the_challenger_is_disabled() {
    let bench = Bench::with(&["grok-llm@builtin", "deepseek-llm@user"]);
    let ran = bench.ok("plugin disable deepseek-llm");
    assert_eq!(
        ran.out,
        "Disabled deepseek-llm. Slot llm is now unoccupied.\n"
    );
    assert_eq!(bench.slots(), json!({}));
    assert_eq!(bench.status("grok-llm"), "disabled");
    let ran = bench.ok("plugin enable grok-llm");
    assert_eq!(ran.out, "Enabled grok-llm (slot: llm).\n");
    assert_eq!(bench.slots(), json!({ "llm": "grok-llm" }));
}

#[test]
fn c05_enabling_a_higher_precedence_names_whom_it_displaced() {
    let bench = five_plugins();
    let ran = bench.ok("plugin enable deepseek-llm");
    let want = "Enabled deepseek-llm (slot: llm). Displaced grok-llm (lower precedence).\n";
    assert_eq!(ran.out, want);
    assert_eq!(bench.status("grok-llm"), "disabled");
}

#[test]
fn the_other_messages_of_the_source() {
    let bench = Bench::with(&["otel-telemetry", "deepseek-llm"]);
    let table = [
        (
            "plugin disable otel-telemetry",
            "Disabled otel-telemetry. Slot telemetry is now unoccupied.",
        ),
        (
            "plugin uninstall otel-telemetry",
            "Uninstalled otel-telemetry. Catalog entry removed.",
        ),
    ];
    for (command, want) in table {
        assert_eq!(bench.ok(command).out.trim_end(), want, "{command}");
    }
    let reloaded = bench.ok("plugin reload deepseek-llm").out;
    let downtime = reloaded
        .strip_prefix("Reloaded deepseek-llm. Downtime: ")
        .and_then(|rest| rest.strip_suffix("ms.\n"));
    assert!(
        downtime.is_some_and(|ms| ms.parse::<u64>().is_ok()),
        "{reloaded}"
    );
}

#[test]
fn info_has_the_keys_of_the_source_in_its_order() {
    let bench = Bench::with(&["deepseek-llm@user"]);
    let info = bench.ok("plugin info deepseek-llm").out;
    let lines: Vec<_> = info.lines().collect();
    let source = format!("Source: {}", fixture("deepseek-llm").display());
    let want = [
        "Plugin: deepseek-llm",
        "Version: 1.2.0",
        "Slot: llm",
        "Status: enabled",
        "Precedence: user",
        &source,
    ];
    assert_eq!(lines[..6], want);
    for (line, key) in lines[6..8].iter().zip(["Installed: ", "Modified: "]) {
        let time = line.strip_prefix(key).unwrap();
        assert_eq!(time.len(), "2026-02-10T14:30:00Z".len(), "{line}");
        assert!(time.ends_with('Z') && time.contains('T'), "{line}");
    }
    let want = [
        "Dependencies:",
        "(none)",
        "Manifest:",
        "name: deepseek-llm",
        "version: 1.2.0",
        "slot: llm",
        "description: DeepSeek model provider for AgenC",
    ];
    assert_eq!(lines[8..15], want);
}

#[test]
fn info_lists_dependencies_one_per_line() {
    let bench = Bench::with(&["http-cache", "feed-reader"]);
    let info = bench.ok("plugin info feed-reader").out;
    assert!(
        info.contains("\nDependencies:\nhttp-cache@^1.2\nManifest:\n"),
        "{info}"
    );
}

/// The two `jq` lines of source 002, with `jq` itself where there is one.
#[test]
fn the_jq_lines_of_the_source_work() {
    let bench = Bench::with(&[
        "grok-llm@builtin",
        "deepseek-llm@user",
        "sqlite-memory@builtin",
        "noir-groth16@builtin",
    ]);
    let occupied = json!({
        "llm": "deepseek-llm",
        "memory": "sqlite-memory",
        "proof": "noir-groth16",
    });
    assert_eq!(bench.slots(), occupied);
    let listed = bench.ok("plugin list --json").out;
    let free = r#"["memory","llm","proof","telemetry"] - [.slotAssignments | keys[]]"#;
    for (filter, want) in [(".slotAssignments", occupied), (free, json!(["telemetry"]))] {
        if let Some(got) = jq(filter, &listed) {
            assert_eq!(got, want, "{filter}");
        }
    }
}

/// Runs `jq`; `None` where it is not installed.
#[track_caller]
fn jq(filter: &str, input: &str) -> Option<serde_json::Value> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut child = Command::new("jq")
        .arg(filter)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The catalog file has the keys of source 002, with the values of its own example.
#[test]
fn c14_the_catalog_file_has_the_layout_of_the_source() {
    let bench = Bench::with(&["grok-llm@builtin", "sqlite-memory@builtin"]);
    let file = bench.catalog();
    assert_eq!(file["schemaVersion"], 1);
    assert_eq!(
        file["slotAssignments"],
        json!({ "llm": "grok-llm", "memory": "sqlite-memory" })
    );
    assert!(file["lastModifiedMs"].is_i64());
    let entry = &file["entries"]["grok-llm"];
    for (key, want) in [
        ("/manifest/name", json!("grok-llm")),
        ("/manifest/version", json!("1.0.0")),
        ("/manifest/slot", json!("llm")),
        ("/manifest/description", json!("xAI Grok model provider")),
        ("/precedence", json!(2)),
        ("/enabled", json!(true)),
        ("/slot", json!("llm")),
        ("/sourcePath", json!(fixture("grok-llm"))),
    ] {
        assert_eq!(entry.pointer(key), Some(&want), "{key}");
    }
    assert!(entry["installedAtMs"].is_i64() && entry["lastModifiedMs"].is_i64());
}

#[test]
fn c14_the_example_file_of_the_source_is_read_shown_and_kept() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path(".keyway")).unwrap();
    std::fs::write(bench.path(".keyway/plugins.json"), EXAMPLE).unwrap();
    let listed = bench.ok("plugin list");
    assert_eq!(listed.err, "");
    assert!(
        listed
            .out
            .contains("grok-llm              llm        enabled  builtin\n"),
        "{listed:#?}"
    );
    assert_eq!(bench.ok("plugin list --json").out.trim_end(), EXAMPLE);
    let info = bench.ok("plugin info grok-llm").out;
    assert!(
        info.contains("\nSource: runtime/dist/plugins/grok-llm\n"),
        "{info}"
    );
    assert!(
        info.contains("\nInstalled: 2024-02-10T16:00:00Z\n"),
        "{info}"
    );
    assert_eq!(
        bench.catalog_bytes(),
        EXAMPLE.as_bytes(),
        "looking changes nothing"
    );

    bench.ok("plugin disable sqlite-memory");
    let untouched = |catalog: &serde_json::Value| catalog["entries"]["grok-llm"].clone();
    let example = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(untouched(&bench.catalog()), untouched(&example));
}

#[test]
fn the_help_names_every_command_of_the_source() {
    let help = squeezed(&Bench::new().ok("plugin --help").out);
    for command in [
        "list",
        "install",
        "enable",
        "disable",
        "reload",
        "info",
        "uninstall",
    ] {
        assert!(help.contains(&format!("\n{command} ")), "{command}");
    }
}
