//! Approval, denial, revocation, scope and updates, through the binary.

use serde_json::{Value, json};

use super::bench::{Bench, fixture, manifest};

const NETWORK: &str = "network:api.github.com";
const SECRET: &str = "secret:GITHUB_TOKEN";

#[track_caller]
fn waiting() -> Bench {
    Bench::with(&["github-tools"])
}

#[track_caller]
fn asks_for(hosts: &[&str], version: &str) -> Value {
    let network = json!({ "kind": "network", "hosts": hosts });
    manifest(
        "fetcher",
        version,
        &json!({ "risk": "medium", "runtime": { "kind": "process", "command": "./bin/f" }, "capabilities": [network] }),
    )
}

#[test]
fn l01_install_approve_revoke_are_audited_once_each() {
    let bench = waiting();
    assert_eq!(bench.status("github-tools"), "pending");
    bench.ok("plugin approve github-tools");
    assert_eq!(bench.status("github-tools"), "enabled");
    bench.ok("plugin revoke github-tools --reason leaked");
    let events = bench.json("audit list");
    let operations: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["event"] == "operation_committed")
        .map(|event| (event["operation"].clone(), event["by"].clone()))
        .collect();
    let by = json!("olive");
    let want = ["install", "approve", "revoke"].map(|operation| (json!(operation), by.clone()));
    assert_eq!(operations, want);
    bench.ok("audit verify");
}

#[test]
fn an_installation_that_waits_shows_what_is_asked_and_the_command_that_grants_it() {
    let bench = Bench::new();
    let ran = bench.install("github-tools");
    for line in [
        "network:api.github.com [required]: reads issues",
        "secret:GITHUB_TOKEN [required]",
        "filesystem:read:./repo [optional]",
        "keyway plugin approve github-tools",
    ] {
        assert!(ran.err.contains(line), "{line}: {ran:#?}");
    }
}

#[test]
fn install_and_approve_in_one_step() {
    let bench = Bench::new();
    let path = fixture("github-tools");
    bench.ok(&format!(
        "plugin install {} --approve --all",
        path.display()
    ));
    assert_eq!(bench.status("github-tools"), "enabled");
    let info = bench.ok("plugin info github-tools").out;
    assert!(
        info.contains("filesystem:read:./repo [optional, granted]"),
        "{info}"
    );
}

#[test]
fn l08_an_optional_request_is_granted_only_when_named() {
    let bench = waiting();
    bench.ok("plugin approve github-tools");
    let grants = bench.ok("plugin grants github-tools").out;
    assert!(
        grants.contains(&format!("{NETWORK} [required, granted]: reads issues")),
        "{grants}"
    );
    assert!(
        grants.contains(&format!("{SECRET} [required, granted]")),
        "{grants}"
    );
    assert!(
        grants.contains("filesystem:read:./repo [optional, denied]"),
        "{grants}"
    );

    bench.ok("plugin approve github-tools --grant filesystem:read:./repo");
    let grants = bench.ok("plugin grants github-tools").out;
    assert!(
        grants.contains("filesystem:read:./repo [optional, granted]"),
        "{grants}"
    );
}

#[test]
fn l08_denying_a_required_request_denies_the_plugin() {
    let bench = waiting();
    bench.ok(&format!(
        "plugin deny github-tools --capability {SECRET} --reason no"
    ));
    assert_eq!(bench.status("github-tools"), "denied");
    let bench = waiting();
    bench.ok("plugin deny github-tools --capability filesystem:read:./repo");
    bench.ok("plugin approve github-tools");
    assert_eq!(bench.status("github-tools"), "enabled");
}

#[test]
fn a_denied_plugin_can_be_approved_later() {
    let bench = waiting();
    bench.ok("plugin deny github-tools --reason unreviewed");
    assert_eq!(bench.status("github-tools"), "denied");
    let ran = bench.run("plugin enable github-tools");
    assert_eq!(ran.code, 1, "{ran:#?}");
    bench.ok("plugin approve github-tools");
    assert_eq!(bench.status("github-tools"), "enabled");
}

#[test]
fn what_is_not_asked_for_cannot_be_granted() {
    let bench = waiting();
    let before = bench.catalog_bytes();
    let ran = bench.run("plugin approve github-tools --grant network:evil.example");
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("network:evil.example"), "{ran:#?}");
    let ran = bench.run("plugin approve github-tools --grant nonsense");
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert_eq!(bench.catalog_bytes(), before);
}

#[test]
fn l03_a_revocation_survives_uninstalling_and_new_versions() {
    let bench = Bench::with(&["plain-notes"]);
    bench.ok("plugin revoke plain-notes --reason leaked");
    assert_eq!(bench.status("plain-notes"), "revoked");
    for operation in ["enable", "approve", "reload"] {
        let ran = bench.run(&format!("plugin {operation} plain-notes"));
        assert_eq!(ran.code, 1, "{operation}: {ran:#?}");
        assert!(ran.err.contains("[REVOKED]"), "{operation}: {ran:#?}");
    }
    bench.ok("plugin uninstall plain-notes");
    let same = fixture("plain-notes");
    let newer = bench.package("newer", &manifest("plain-notes", "9.0.0", &json!({})));
    for source in [same.to_str().unwrap(), &newer] {
        let error = bench.fails(&format!("plugin install {source}"), "REVOKED");
        assert!(
            error.contains("leaked") && error.contains("olive"),
            "{error}"
        );
        assert!(
            error.contains("keyway plugin clear-revocation plain-notes"),
            "{error}"
        );
    }
    let ran = bench.ok("plugin list");
    assert_eq!(ran.err, "note: revoked and not installed: plain-notes\n");
    let error = bench.fails("plugin info plain-notes", "PLUGIN_NOT_FOUND");
    assert!(
        error.contains("\n  it was revoked by olive: leaked\n"),
        "{error}"
    );
    bench.ok("plugin clear-revocation plain-notes");
    bench.ok(&format!("plugin install {newer}"));
    assert_eq!(bench.status("plain-notes"), "enabled");
}

#[test]
fn l04_a_claim_below_the_computed_risk_is_refused() {
    let bench = Bench::new();
    let understated = json!({
        "risk": "low",
        "capabilities": [{ "kind": "secret", "names": ["TOKEN"] }],
    });
    let package = bench.package("p", &manifest("p", "1.0.0", &understated));
    let error = bench.fails(&format!("plugin install {package}"), "MANIFEST_INVALID");
    assert!(error.contains("risk"), "{error}");
    assert_eq!(bench.catalog_bytes(), b"");
}

#[test]
fn l05_every_problem_is_listed_at_once() {
    let bench = Bench::new();
    let mut broken = manifest(
        "p",
        "not-a-version",
        &json!({
            "slot": "nowhere",
            "capabilities": [{ "kind": "teleport" }],
            "contributes": { "tools": ["a", "a"] },
        }),
    );
    broken["name"] = json!("No Good");
    let package = bench.package("p", &broken);
    let command = format!("plugin install {package}");
    let error = bench.fails(&command, "MANIFEST_INVALID");
    for word in ["name", "version", "slot", "teleport", "tools"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert_eq!(
        error,
        bench.fails(&command, "MANIFEST_INVALID"),
        "the order is stable"
    );
}

#[test]
fn l09_a_grant_that_ended_is_shown_as_such() {
    let bench = waiting();
    bench.ok("plugin approve github-tools --expires-in 7d --uses 3");
    let grants = bench.ok("plugin grants github-tools").out;
    assert!(
        grants.contains(", until 2") && grants.contains(", 3 uses left"),
        "{grants}"
    );
    bench.ok("plugin approve github-tools --expires-in 1s");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let grants = bench.ok("plugin grants github-tools").out;
    assert!(grants.contains(", expired 2"), "{grants}");
    assert!(
        grants.contains(&format!("{SECRET} [required, expired]")),
        "{grants}"
    );
}

#[test]
fn l13_an_update_that_asks_for_more_waits_with_a_diff_and_one_that_asks_for_less_does_not() {
    let bench = Bench::new();
    let package = bench.package("fetcher", &asks_for(&["a.example"], "1.0.0"));
    bench.ok(&format!("plugin install {package} --approve"));

    bench.package("fetcher", &asks_for(&["a.example", "b.example"], "1.1.0"));
    let ran = bench.ok("plugin reload fetcher");
    let want = "fetcher 1.1.0 waits for approval: + network:b.example. Version 1.0.0 goes on.\n";
    assert_eq!(ran.out, want);
    assert!(
        ran.err
            .contains("warning: fetcher 1.1.0: + network:b.example\n"),
        "{ran:#?}"
    );
    let info = bench.ok("plugin info fetcher").out;
    assert!(info.contains("Version: 1.0.0\n"), "{info}");
    assert!(info.contains("Pending update: 1.1.0"), "{info}");
    assert!(info.contains("network:b.example"), "{info}");

    bench.ok("plugin approve fetcher");
    let info = bench.ok("plugin info fetcher").out;
    assert!(
        info.contains("Version: 1.1.0\n") && !info.contains("Pending update"),
        "{info}"
    );

    bench.package("fetcher", &asks_for(&["a.example"], "1.2.0"));
    bench.ok("plugin reload fetcher");
    let info = bench.ok("plugin info fetcher").out;
    assert!(
        info.contains("Version: 1.2.0\nSlot: custom\nStatus: enabled\n"),
        "{info}"
    );
}

#[test]
fn an_mcp_server_is_code_to_run_and_another_one_waits_again() {
    let bench = Bench::new();
    let package = bench.package("servers", &manifest("servers", "1.0.0", &json!({})));
    let write = |command: &str| {
        let servers = json!({ "mcpServers": { "x": { "type": "stdio", "command": command } } });
        std::fs::write(bench.path(&package).join("mcp.json"), servers.to_string()).unwrap();
    };
    write("./x");
    let ran = bench.ok(&format!("plugin install {package}"));
    assert!(
        ran.err.contains("run code: mcp:x runs \"./x\"\n"),
        "{ran:#?}"
    );
    assert_eq!(bench.status("servers"), "pending");
    bench.ok("plugin approve servers");
    assert_eq!(bench.status("servers"), "enabled");

    write("./y");
    let ran = bench.ok("plugin reload servers");
    assert!(
        ran.out.contains("+ contributes mcp:x runs \"./y\""),
        "{ran:#?}"
    );
    let info = bench.ok("plugin info servers").out;
    assert!(
        info.contains("\nmcp:x runs \"./x\"\n") && info.contains("Pending update"),
        "{info}"
    );
}

#[test]
fn scope_can_be_narrowed_and_widened() {
    let bench = Bench::with(&["plain-notes"]);
    for scope in ["acme", "acme/support", "acme/support/triage", "*"] {
        bench.ok(&format!("plugin scope plain-notes {scope}"));
        let info = bench.ok("plugin info plain-notes").out;
        assert!(info.contains(&format!("\nScope: {scope}\n")), "{info}");
    }
    let ran = bench.run("plugin scope plain-notes a/b/c/d");
    assert_eq!(ran.code, 1, "{ran:#?}");
}

#[test]
fn r03_rules_for_optional_tools() {
    let bench = Bench::with(&["github-tools"]);
    for target in ["github-tools/open_pr", "github-tools", "group:write"] {
        bench.ok(&format!("plugin allow {target}"));
        bench.ok(&format!("plugin disallow {target}"));
    }
    bench.ok("plugin allow github-tools --scope acme/support");
    bench.ok("plugin forget group:write");
    let rules = bench.ok("plugin rules").out;
    let rows: Vec<Vec<_>> = rules
        .lines()
        .skip(2)
        .map(|row| row.split(' ').collect())
        .collect();
    let has = |verb: &str, target: &str, scope: &str| {
        rows.iter()
            .any(|row| row[0] == verb && row.contains(&target) && row.contains(&scope))
    };
    assert!(has("disallow", "github-tools/open_pr", "*"), "{rules}");
    assert!(has("disallow", "github-tools", "*"), "{rules}");
    assert!(has("allow", "github-tools", "acme/support"), "{rules}");
    assert_eq!(rows.len(), 3, "{rules}");
    let ran = bench.run("plugin allow not//a/tool");
    assert_eq!(ran.code, 1, "{ran:#?}");
}

#[test]
fn r09_a_proposal_installs_nothing_and_an_operator_sees_it() {
    let bench = Bench::new();
    let package = bench.package("notes", &manifest("notes", "1.0.0", &json!({})));
    let mut command = bench.command_of(["plugin", "propose", &package, "--why", "keeps notes"]);
    assert!(command.status().unwrap().success());
    assert_eq!(bench.json("plugin list")["entries"], json!({}));
    let proposals = bench.ok("plugin proposals").out;
    assert!(
        proposals.contains(&package) && proposals.contains("keeps notes"),
        "{proposals}"
    );
}

/// What is wanted when nobody asks the plugin for anything is said wherever the tag stands.
#[test]
fn a_request_for_the_background_is_marked_before_and_after_it_is_granted() {
    let bench = Bench::new();
    let extension = json!({
        "capabilities": [
            { "kind": "network", "hosts": ["a.example"], "background": true, "reason": "polls" },
            { "kind": "network", "hosts": ["b.example"] },
            { "kind": "secret", "names": ["TOKEN"], "optional": true, "background": true },
        ],
    });
    let path = bench.package("poller", &manifest("poller", "1.0.0", &extension));
    let shown = bench.ok(&format!("plugin install {path}")).err;
    for line in [
        "use network:a.example (also in background) [required]: polls\n",
        "use network:b.example [required]\n",
        "use secret:TOKEN (also in background) [optional]\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let grants = bench.ok("plugin grants poller").out;
    assert!(
        grants.contains("network:a.example (also in background) [required, pending]: polls\n"),
        "{grants}"
    );

    bench.ok("plugin approve poller --grant secret:TOKEN");
    let grants = bench.ok("plugin grants poller").out;
    for granted in ["network:a.example", "secret:TOKEN"] {
        let line = format!("\n{granted} (also in background) (by olive, ");
        assert!(grants.contains(&line), "{grants}");
    }
    assert!(
        grants.contains("\nnetwork:b.example (by olive, "),
        "{grants}"
    );
    bench.ok("plugin deny poller --capability secret:TOKEN");
    let requests = bench.ok("plugin info poller").out;
    assert!(
        requests.contains("secret:TOKEN (also in background) [optional, denied]\n"),
        "{requests}"
    );
}
