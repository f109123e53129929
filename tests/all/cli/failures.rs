//! Every refusal, to the letter: message, code, next step, exit code.

use serde_json::json;

use super::bench::{Bench, fixture, manifest};

/// Runs commands that are refused and returns what a person sees of each.
#[track_caller]
fn transcript(bench: &Bench, commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        let ran = bench.run(command);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{command}: {ran:#?}");
        text.push_str(&format!("$ keyway {command}\n{}\n", ran.err));
    }
    let folder = bench.path("").canonicalize().unwrap();
    let fixtures = fixture("").display().to_string();
    text.replace(&fixtures, "FIXTURES/")
        .replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn refusals_of_switching() {
    let bench = Bench::with(&[
        "deepseek-llm",
        "ollama-llm",
        "http-cache",
        "feed-reader",
        "github-tools",
        "model-gateway",
    ]);
    bench.ok("plugin deny model-gateway --reason unreviewed");
    bench.ok("plugin disable feed-reader");
    bench.ok("plugin disable http-cache");
    let told = transcript(
        &bench,
        &[
            "plugin enable nobody",
            "plugin enable No_Good",
            "plugin enable deepseek-llm",
            "plugin enable ollama-llm",
            "plugin disable ollama-llm",
            "plugin enable feed-reader",
            "plugin enable github-tools",
            "plugin enable model-gateway",
            "plugin reload feed-reader",
            "plugin clear-revocation deepseek-llm",
        ],
    );
    insta::assert_snapshot!(told);
}

#[test]
fn refusals_of_installing() {
    let bench = Bench::with(&["deepseek-llm", "plain-notes"]);
    bench.package(
        "self",
        &manifest(
            "own-tail",
            "1.0.0",
            &json!({ "dependencies": ["own-tail"] }),
        ),
    );
    bench.package(
        "future",
        &manifest("future", "1.0.0", &json!({ "api": ">=9, <10" })),
    );
    bench.package(
        "needy",
        &manifest("needy", "1.0.0", &json!({ "dependencies": ["ghost@^2"] })),
    );
    let low = json!({ "risk": "low", "capabilities": [{ "kind": "secret", "names": ["KEY"] }] });
    bench.package("low", &manifest("low", "1.0.0", &low));
    bench.ok("plugin revoke plain-notes --reason leaked");
    bench.ok("plugin uninstall plain-notes");
    let again = format!("plugin install {}", fixture("deepseek-llm").display());
    let revoked = format!("plugin install {}", fixture("plain-notes").display());
    let told = transcript(
        &bench,
        &[
            &again,
            &revoked,
            "plugin install ./src/self",
            "plugin install ./src/future",
            "plugin install ./src/needy",
            "plugin install ./src/low",
            "plugin install ./src",
            "plugin install ./nowhere",
            "plugin install ./src/self --scope a/b/c/d",
        ],
    );
    insta::assert_snapshot!(told);
}

#[test]
fn refusals_of_deciding() {
    let bench = Bench::with(&["github-tools", "http-cache", "feed-reader"]);
    let told = transcript(
        &bench,
        &[
            "plugin approve github-tools --grant network:evil.example",
            "plugin deny github-tools --capability nonsense",
            "plugin ungrant github-tools secret:GITHUB_TOKEN",
            "plugin disable http-cache",
            "plugin uninstall http-cache",
            "plugin drop-proposal proposal-1",
            "plugin forget github-tools/open_pr",
            "plugin allow not//a/tool",
            "plugin scope http-cache a/b/c/d",
            "plugin list --slot nowhere",
            "call allow nothing",
            "audit verify --against nonsense",
        ],
    );
    insta::assert_snapshot!(told);
}

#[test]
fn a_look_alike_of_an_installed_plugin_is_refused() {
    let bench = Bench::with(&["plain-notes"]);
    bench.package("alike", &manifest("p1ain-notes", "1.0.0", &json!({})));
    let error = bench.fails("plugin install ./src/alike", "NAME_CONFUSABLE");
    assert!(error.contains("plain-notes"), "{error}");
}

#[test]
fn a_command_line_that_makes_no_sense_exits_2() {
    let bench = Bench::new();
    let table = [
        "plugin",
        "plugin frobnicate",
        "plugin revoke notes",
        "plugin install ./x --trust builtin",
        "plugin install ./x --precedence highest",
        "plugin install ./x --all",
        "plugin approve notes --all --grant tag",
        "plugin approve notes --expires-in soon",
        "plugin approve notes --uses 0",
        "plugin uninstall notes --discard-state --export-state file",
        "plugin uninstall notes --discard-state --keep-state",
        "audit list --limit many",
    ];
    for command in table {
        let ran = bench.run(command);
        assert_eq!(ran.code, 2, "{command}: {ran:#?}");
        assert_eq!(ran.out, "", "{command}");
    }
}

#[test]
fn without_arguments_it_says_where_to_start() {
    let ran = Bench::new().ok("");
    assert!(
        ran.out.contains("keyway plugin install ./my-plugin"),
        "{ran:#?}"
    );
    assert_eq!(ran.err, "");
    let version = Bench::new().ok("--version").out;
    assert_eq!(version, concat!("keyway ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn every_command_has_an_example() {
    let bench = Bench::new();
    let commands = [
        "plugin",
        "plugin list",
        "plugin info",
        "plugin grants",
        "plugin proposals",
        "plugin plan",
        "plugin install",
        "plugin enable",
        "plugin disable",
        "plugin drop-proposal",
        "plugin rules",
        "call",
        "call list",
        "call allow",
        "call deny",
        "state export",
        "state import",
        "plugin update",
        "plugin uninstall",
        "plugin approve",
        "plugin deny",
        "plugin revoke",
        "plugin ungrant",
        "plugin clear-revocation",
        "plugin scope",
        "plugin allow",
        "plugin disallow",
        "plugin forget",
        "plugin propose",
        "plugin drop-proposal",
        "plugin rules",
        "audit",
        "new",
        "check",
    ];
    for command in commands {
        let help = bench.ok(&format!("{command} --help")).out;
        assert!(help.contains("\nExample"), "{command}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{command}: {help}"
        );
    }
}

/// The README names every command that the help names.
#[test]
fn the_readme_names_every_command() {
    let readme = include_str!("../../../crates/cli/README.md");
    let bench = Bench::new();
    for command in ["new", "dev", "check"] {
        assert!(readme.contains(&format!("\n| `{command} ")), "{command}");
    }
    for group in ["plugin", "call", "state", "audit", "tool", "mcp"] {
        let help = bench.ok(&format!("{group} --help")).out;
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in commands.take_while(|line| !line.is_empty()) {
            let command = line.split_whitespace().next().unwrap();
            let is_named = readme.lines().any(|line| {
                line.starts_with("| `")
                    && line.split_once(" |").is_some_and(|(cell, _)| {
                        cell.contains(&format!("`{command}"))
                            || cell.contains(&format!(" {command}"))
                    })
            });
            assert!(is_named || command == "help", "{group} {command}");
        }
    }
}

#[test]
fn a_failure_in_json_has_the_fixed_keys() {
    let bench = Bench::with(&["deepseek-llm", "ollama-llm"]);
    let failure = bench.json_failure("plugin enable ollama-llm");
    let keys: Vec<_> = failure.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "code",
            "hints",
            "message",
            "operation",
            "pluginId",
            "success"
        ]
    );
    assert_eq!(failure["pluginId"], "ollama-llm");
    assert_eq!(failure["operation"], "enable");
    assert_eq!(failure["code"], "SLOT_OCCUPIED");
    assert!(
        failure["hints"]
            .as_array()
            .is_some_and(|hints| !hints.is_empty())
    );
}

#[test]
fn an_invalid_manifest_in_json_has_every_problem_in_the_message() {
    let bench = Bench::new();
    let mut broken = manifest("p", "1.0.0", &json!({ "slot": "nowhere" }));
    broken["version"] = json!("one");
    let package = bench.package("p", &broken);
    let failure = bench.json_failure(&format!("plugin install {package}"));
    assert_eq!(failure["code"], "MANIFEST_INVALID");
    let message = failure["message"].as_str().unwrap();
    assert!(message.lines().count() >= 3, "{message}");
}

#[test]
fn an_operator_has_a_name() {
    let bench = Bench::with(&["plain-notes"]);
    bench.fails("plugin disable plain-notes --by a/b", "NAME_INVALID");
    let mut command = bench.command("plugin scope plain-notes acme");
    let ran = super::bench::Ran::from(command.env("USER", "not a name").output().unwrap());
    ran.succeeded();
    let events = bench.ok("audit").out;
    assert!(events.contains("by=operator"), "{events}");
}
