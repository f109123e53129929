//! `keyway tool` where plugins do not run: each is named, and none hides another.

use serde_json::{Value, json};

use super::bench::{Bench, manifest};

/// A package of a kind that no host here has a runtime for.
fn foreign(bench: &Bench, name: &str) -> String {
    let extension = json!({
        "runtime": { "kind": "wasm", "command": "./plugin.wasm" },
        "contributes": { "tools": ["look"] },
    });
    bench.package(name, &manifest(name, "1.0.0", &extension))
}

/// Plugins of which each rests for another reason, and one that has nothing to run.
fn resting() -> Bench {
    let bench = Bench::with(&["plain-notes"]);
    for name in ["denied", "disabled", "foreign", "revoked", "waiting"] {
        let path = foreign(&bench, name);
        bench.ok(&format!("plugin install {path} --trust trusted"));
    }
    for name in ["disabled", "foreign", "revoked"] {
        bench.ok(&format!("plugin approve {name}"));
    }
    bench.ok("plugin deny denied");
    bench.ok("plugin disable disabled");
    bench.ok("plugin revoke revoked --reason leaked");
    bench
}

const WITHOUT_A_RUNTIME: &str =
    "foreign did not start: this host has no runtime for `wasm` plugins [NO_RUNTIME]";

#[test]
fn every_plugin_that_does_not_run_is_named_with_the_command_that_helps() {
    let bench = resting();
    let ran = bench.ok("tool list");
    assert_eq!(
        ran.out,
        "Tool                  Effect   Trust     Description\n\
         --------------------- -------- --------- -----------\n"
    );
    for said in [
        &format!("warning: {WITHOUT_A_RUNTIME}\n  help: keyway plugin info foreign\n"),
        "warning: denied was denied\n  help: keyway plugin approve denied\n",
        "warning: disabled is disabled\n  help: keyway plugin enable disabled\n",
        "warning: revoked is revoked\n  help: keyway plugin info revoked\n",
        "warning: waiting waits for approval (risk: ",
        "  help: keyway plugin approve waiting\n",
    ] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    assert!(!ran.err.contains("plain-notes"), "{}", ran.err);
}

#[test]
fn programs_read_tools_and_plugins_from_one_document() {
    let listed = resting().json("tool list");
    assert_eq!(listed["tools"], json!([]));
    let plugins = listed["plugins"].as_array().unwrap().iter();
    let status = |plugin: &Value| (plugin["plugin"].clone(), plugin["status"].clone());
    let mut found: Vec<_> = plugins.map(status).collect();
    found.sort_by_key(|(plugin, _)| plugin.to_string());
    let expected = [
        ("denied", "denied"),
        ("disabled", "disabled"),
        ("foreign", "failed"),
        ("plain-notes", "ready"),
        ("revoked", "revoked"),
        ("waiting", "pending_approval"),
    ];
    let expected = expected.map(|(plugin, status)| (json!(plugin), json!(status)));
    assert_eq!(found, expected);
}

#[test]
fn a_call_of_a_resting_plugins_tool_says_why_it_is_not_there() {
    let bench = resting();
    let failure = bench.json_failure("tool call foreign/look {}");
    assert_eq!(failure["code"], "UNKNOWN_TOOL");
    let message = failure["message"].as_str().unwrap();
    assert!(message.ends_with(WITHOUT_A_RUNTIME), "{message}");
    let said = bench.fails("tool call waiting/look {}", "UNKNOWN_TOOL");
    assert!(
        said.contains("help: keyway plugin approve waiting\n"),
        "{said}"
    );
    // Control: of a plugin that is not there no more is said than where to look.
    let failure = bench.json_failure("tool call nobody/look {}");
    assert_eq!(failure["hints"], json!(["keyway tool list"]));
    assert!(
        !failure["message"]
            .as_str()
            .unwrap()
            .contains("did not start")
    );
}

#[test]
fn an_explanation_names_the_command_that_helps() {
    let bench = resting();
    let ran = bench.ok("tool explain disabled/look --as acme/support/triage");
    assert!(
        ran.out
            .starts_with("Tool: disabled/look\nA call: would find no such tool\n")
    );
    assert!(
        ran.err.contains("help: keyway plugin enable disabled\n"),
        "{}",
        ran.err
    );
    let explained = bench.json("tool explain foreign/look");
    assert_eq!(explained["verdict"], "unknown_tool");
    assert_eq!(explained["rules"][0]["isMet"], false);
}

#[test]
fn an_empty_folder_stays_empty() {
    let bench = Bench::new();
    let ran = bench.ok("tool list");
    assert!(
        ran.err
            .starts_with("note: nothing is installed in .keyway\n"),
        "{ran:#?}"
    );
    assert_eq!(
        bench.json("tool list"),
        json!({ "tools": [], "plugins": [] })
    );
    let explained = bench.ok("tool explain nobody/look");
    assert_eq!(explained.err, "  help: keyway tool list\n");
    let refused = bench.fails("tool show nobody/look", "UNKNOWN_TOOL");
    assert!(refused.ends_with("  help: keyway tool list\n"), "{refused}");
    bench.fails("tool list --as a//b", "NAME_INVALID");
    assert!(!bench.path(".keyway").exists());
    // A call is an act, and so is one that is refused.
    bench.fails("tool call nobody/look {}", "UNKNOWN_TOOL");
    assert!(bench.ok("audit list --json").out.contains("call_denied"));
}

/// What the command's host did is in the trail like what any host did.
#[test]
fn starting_and_stopping_is_recorded() {
    let bench = resting();
    bench.ok("tool list");
    let trail = bench.ok("audit list --json --limit 50").out;
    for event in ["host_started", "plugin_failed", "host_stopped"] {
        assert!(trail.contains(event), "{event}: {trail}");
    }
    bench.ok("audit verify");
    bench.ok("audit replay");
}
