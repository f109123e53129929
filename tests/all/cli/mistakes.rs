//! The mistakes that a first day brings: each refusal names what was meant, or where to look.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::bench::{Bench, Ran, manifest};

#[test]
fn a_mistyped_plugin_is_guessed() {
    let bench = Bench::with(&["plain-notes"]);
    for command in [
        "plugin info plain-nots",
        "plugin grants plain-nots",
        "plugin approve plain-nots",
        "plugin enable plain-nots",
        "plugin configure plain-nots a=1",
    ] {
        let said = bench.fails(command, "PLUGIN_NOT_FOUND");
        let expected = "  did you mean `plain-notes`?\n  help: keyway plugin list\n";
        assert!(said.ends_with(expected), "{command}: {said}");
    }
    // Control: nothing is guessed of a name that is far from each.
    let said = bench.fails("plugin info weather", "PLUGIN_NOT_FOUND");
    assert!(!said.contains("did you mean"), "{said}");
}

#[test]
fn a_path_in_the_place_of_a_name_is_told_so() {
    let bench = Bench::with(&["plain-notes"]);
    let said = bench.fails("plugin approve ./plain-notes", "NAME_INVALID");
    assert!(
        said.contains("help: give the plugin's name, not a path"),
        "{said}"
    );
    let said = bench.fails("plugin approve Plain_Notes", "NAME_INVALID");
    assert!(said.ends_with("  help: keyway plugin list\n"), "{said}");
}

#[test]
fn a_command_without_its_group_is_found() {
    let bench = Bench::new();
    for (typed, meant) in [
        ("install ./notes", "keyway plugin install"),
        ("list", "keyway plugin list"),
        ("verify", "keyway audit verify"),
        ("explain notes/add", "keyway tool explain"),
        ("serve", "keyway mcp serve"),
        ("plugin new notes", "keyway new"),
        ("plugin call notes/add", "keyway call"),
    ] {
        let ran = bench.run(typed);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{typed}: {ran:#?}");
        let tip = format!("tip: there is `{meant}`\n");
        assert!(ran.err.contains(&tip), "{typed}: {ran:#?}");
    }
    let ran = bench.run("frobnicate");
    assert!(!ran.err.contains("there is"), "{ran:#?}");
}

#[test]
fn an_empty_listing_says_whose_it_is() {
    let bench = Bench::new();
    let listed = bench.ok("plugin list --dir mistyped");
    assert!(
        listed
            .err
            .starts_with("note: nothing is installed in mistyped\n"),
        "{listed:#?}"
    );
    assert_eq!(bench.ok("plugin list --dir mistyped --json").err, "");
    assert!(!bench.path("mistyped").exists());
    bench.install("plain-notes");
    // Control: what a filter hides is installed all the same.
    assert_eq!(bench.ok("plugin list --slot llm").err, "");
}

#[test]
fn a_trail_that_is_not_there_is_not_called_whole() {
    let bench = Bench::new();
    let said = bench.fails("audit verify --dir mistyped", "AUDIT_ABSENT");
    assert!(
        said.contains("there is no audit trail in mistyped"),
        "{said}"
    );
    assert_eq!(bench.json_failure("audit verify")["code"], "AUDIT_ABSENT");
    bench.install("plain-notes");
    bench.ok("audit verify");
    fs::remove_file(bench.path(".keyway/audit.jsonl")).unwrap();
    bench.fails("audit verify", "AUDIT_ABSENT");
}

#[test]
fn a_revocation_needs_a_reason_that_says_something() {
    let bench = Bench::with(&["plain-notes"]);
    for reason in ["", "  "] {
        let arguments = ["plugin", "revoke", "plain-notes", "--reason", reason];
        let ran = Ran::from(bench.command_of(arguments).output().unwrap());
        assert_eq!(ran.code, 2, "{ran:#?}");
        assert!(ran.err.contains("say why"), "{ran:#?}");
    }
    assert_eq!(bench.status("plain-notes"), "enabled");
    bench.ok("plugin revoke plain-notes --reason leaked");
}

#[test]
fn a_file_that_is_not_there_comes_with_a_next_step() {
    let bench = Bench::new();
    let asks = json!({ "capabilities": [{ "kind": "state", "quotaBytes": 100 }] });
    let package = bench.package("keeper", &manifest("keeper", "1.0.0", &asks));
    bench.ok(&format!("plugin install {package} --approve"));
    for (command, code, step) in [
        (
            "state import keeper nowhere.json",
            "FILE_UNUSABLE",
            "keyway state export",
        ),
        (
            "mcp import nowhere.json",
            "FILE_UNREADABLE",
            "keyway mcp import .mcp.json",
        ),
    ] {
        let said = bench.fails(command, code);
        let help = said.lines().last().unwrap();
        assert!(
            help.starts_with("  help: ") && help.contains(step),
            "{said}"
        );
    }
}

/// What `keyway check` says of a process's command, by code.
#[track_caller]
fn check_command(runtime: &serde_json::Value, expected: &[(&str, &str)]) {
    let bench = Bench::new();
    let mut process = json!({ "kind": "process" });
    for (key, value) in runtime.as_object().unwrap() {
        process[key] = value.clone();
    }
    let extension = json!({ "runtime": process });
    let package = bench.package("p", &manifest("p", "1.0.0", &extension));
    fs::write(bench.path("src/p/plugin.py"), "").unwrap();
    let ran = bench.run(&format!("check {package} --json"));
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let found: Vec<_> = ["problems", "notices"]
        .iter()
        .flat_map(|list| report[list].as_array().unwrap())
        .map(|problem| {
            let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
            (text("code"), text("hint"))
        })
        .collect();
    assert_eq!(found.len(), expected.len(), "{runtime}: {report:#}");
    for ((code, hint), (expected_code, part)) in found.iter().zip(expected) {
        assert!(code == expected_code && hint.contains(part), "{report:#}");
    }
    let is_refused = expected.iter().any(|(code, _)| *code == "COMMAND_UNUSABLE");
    assert_eq!(ran.code, i32::from(is_refused), "{runtime}");
}

#[test]
fn a_check_finds_commands_that_no_host_starts() {
    let args = ["-u", "plugin.py"];
    check_command(&json!({ "command": "python3", "args": args }), &[]);
    check_command(&json!({ "command": "./plugin.py" }), &[]);
    check_command(
        &json!({ "command": "python3", "args": ["other.py"] }),
        &[("COMMAND_MISSING", "")],
    );
    for (command, hint) in [
        ("bin/notes", "write `./bin/notes`"),
        ("notes", "write `./notes`"),
        ("python3", "name the script in `args`"),
    ] {
        check_command(
            &json!({ "command": command }),
            &[("COMMAND_UNUSABLE", hint)],
        );
    }
}

/// Another user's state folder is neither empty nor whole.
#[cfg(unix)]
#[test]
fn a_folder_that_must_not_be_read_says_whose_it_is() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;

    const NOBODY: u32 = 65_534;
    let bench = Bench::with(&["plain-notes"]);
    let folder = bench.path(".keyway");
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    allow(&bench.path("."), 0o755);
    allow(&folder, 0o000);
    let is_root = fs::read_dir(&folder).is_ok();
    let owner = fs::metadata(&folder).unwrap().uid();
    for (arguments, code) in [
        ("plugin list", "STORE_FAILED"),
        ("audit", "AUDIT_UNAVAILABLE"),
        ("audit verify", "AUDIT_UNAVAILABLE"),
    ] {
        let mut command = bench.command(arguments);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        // Where root's checkout is closed to others, so is the binary.
        let Ok(output) = command.output() else { break };
        let ran = Ran::from(output);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
        for said in [
            &format!("[{code}]\n"),
            &format!(".keyway belongs to user {owner}\n"),
            "help: run this as the user",
        ] {
            assert!(ran.err.contains(said), "{said}: {ran:#?}");
        }
    }
    allow(&folder, 0o700);
}
