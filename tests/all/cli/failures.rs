//! Every refusal, to the letter: message, code, next step, exit code.

use serde_json::json;

use super::bench::{Bench, fixture, manifest};

#[test]
fn what_a_refusal_says() {
    let bench = Bench::with(&[
        "deepseek-llm",
        "ollama-llm",
        "http-cache",
        "feed-reader",
        "github-tools",
    ]);
    let installed = fixture("deepseek-llm");
    let again = format!("plugin install {}", installed.display());
    let table = [
        (
            again.as_str(),
            "\
error: deepseek-llm is already installed [ALREADY_INSTALLED]
  help: keyway plugin reload deepseek-llm
  help: keyway plugin uninstall deepseek-llm
",
        ),
        (
            "plugin enable nobody",
            "\
error: nobody is not installed [PLUGIN_NOT_FOUND]
  help: keyway plugin list
",
        ),
    ];
    for (command, want) in table {
        let ran = bench.run(command);
        assert_eq!(
            (ran.code, ran.out.as_str(), ran.err.as_str()),
            (1, "", want),
            "{command}"
        );
    }
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
        "plugin reload",
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
