//! What the manifest's errors and notices say, and L4 and L5.

use keyway_plugin_api::{Manifest, Problem, Risk};
use serde_json::{Value, json};

fn document(extension: &Value) -> Vec<u8> {
    let text = json!({
        "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
        "name": "notes", "version": "1.0.0", "extensions": { "dev.keyway": extension },
    });
    text.to_string().into_bytes()
}

fn asks_secret(risk: &str) -> Vec<u8> {
    document(&json!({ "risk": risk,
        "capabilities": [{ "kind": "secret", "names": ["GITHUB_TOKEN"] }] }))
}

#[test]
fn l04_claiming_low_while_asking_for_a_secret_is_invalid() {
    let error = Manifest::parse(&asks_secret("low")).unwrap_err();
    assert_eq!(error.code(), "MANIFEST_INVALID");
    assert_eq!(
        error.to_string(),
        "the manifest is invalid: extensions[\"dev.keyway\"].risk: claims `low`, but what it asks \
         for amounts to `medium`: secret:GITHUB_TOKEN (claim `medium` or ask for less)"
    );
    assert_eq!(error.hints(), ["claim `medium` or ask for less"]);
    for claim in ["medium", "high", "privileged"] {
        let (manifest, _) = Manifest::parse(&asks_secret(claim)).unwrap();
        assert_eq!(manifest.risk().as_str(), claim, "an author may claim more");
    }
}

#[test]
fn l04_without_a_claim_the_risk_is_computed() {
    let request = json!([{ "kind": "process", "programs": ["git"], "optional": true }]);
    let (manifest, _) = Manifest::parse(&document(&json!({ "capabilities": request }))).unwrap();
    assert_eq!(
        manifest.risk(),
        Risk::Privileged,
        "optional requests count too"
    );
}

#[test]
fn l05_all_problems_are_listed_at_once_in_a_stable_order() {
    let broken = document(&json!({
        "slot": "brain",
        "contributes": { "tools": ["add", "add"], "hooks": ["boot"] },
        "capabilities": [{ "kind": "telepathy" }, { "kind": "network" }],
        "risk": "harmless",
        "dependencies": ["notes", "x@newest"],
    }));
    let error = Manifest::parse(&broken).unwrap_err();
    let found: Vec<(&str, &str)> = error.problems().iter().map(short).collect();
    assert_eq!(
        found,
        [
            ("UNKNOWN_SLOT", "slot"),
            ("SELF_DEPENDENCY", "dependencies[0]"),
            ("BAD_DEPENDENCY", "dependencies[1]"),
            ("UNKNOWN_CAPABILITY", "capabilities[0].kind"),
            ("MISSING_FIELD", "capabilities[1].hosts"),
            ("UNKNOWN_RISK", "risk"),
            ("DUPLICATE_TOOL", "contributes.tools[1]"),
            ("UNKNOWN_HOOK", "contributes.hooks[0]"),
            ("RUNTIME_REQUIRED", "contributes.tools"),
            ("RUNTIME_REQUIRED", "contributes.hooks"),
        ]
    );
    assert_eq!(
        Manifest::parse(&broken).unwrap_err(),
        error,
        "the order is stable"
    );
}

fn short(problem: &Problem) -> (&str, &str) {
    let path = problem
        .path
        .trim_start_matches("extensions[\"dev.keyway\"].");
    (problem.code, path)
}

#[test]
fn strict_check_counts_notices_as_problems() {
    let odd = document(&json!({ "colour": "red" }));
    let (manifest, notices) = Manifest::parse(&odd).unwrap();
    let [notice] = notices.as_slice() else {
        panic!("{notices:?}");
    };
    assert_eq!(notice.code(), "UNKNOWN_FIELD");
    assert_eq!(notice.path(), "extensions[\"dev.keyway\"].colour");
    assert_eq!(notice.message(), "unknown field `colour`");
    let extension = &manifest.source()["extensions"]["dev.keyway"];
    assert_eq!(extension["colour"], "red", "what is not understood is kept");
    let error = Manifest::parse_strict(&odd).unwrap_err();
    assert_eq!(error.problems()[0].path, notice.path());
    assert!(Manifest::parse_strict(&document(&json!({}))).is_ok());
}

#[test]
fn full_example_passes_the_strict_check() {
    let example = include_bytes!("../../fixtures/manifests/full-example/plugin.json");
    let manifest = Manifest::parse_strict(example).unwrap();
    assert_eq!(manifest.risk(), Risk::Medium);
    assert_eq!(manifest.capabilities().len(), 4);
}

#[test]
fn problems_serialise_for_programs() {
    let error = Manifest::parse(b"[]").unwrap_err();
    let json = serde_json::to_value(error.problems()).unwrap();
    let message = "expected an object, found a list";
    assert_eq!(
        json,
        json!([{ "path": "$", "code": "WRONG_TYPE", "message": message }])
    );
}

#[test]
fn text_of_the_manifest_is_escaped_in_every_message() {
    let hostile = "\u{1b}[2J\u{1b}]8;;http://evil\u{7}x\r\n\u{202e}";
    let broken = document(&json!({
        hostile: 1, "api": hostile, "slot": hostile, "risk": hostile, "dependencies": [hostile],
        "runtime": { "kind": hostile, "command": hostile },
        "capabilities": [{ "kind": hostile }, { "kind": "network", "hosts": [hostile] },
                         { "kind": "surface", "surface": hostile, "verbs": [hostile] },
                         { "kind": "tool", "tools": [hostile], hostile: 1 }],
        "contributes": { "tools": [hostile], "hooks": [hostile], "commands": [hostile] },
        "activation": { "os": [hostile] },
    }));
    let error = Manifest::parse(&broken).unwrap_err();
    assert!(error.problems().len() >= 14, "{error}");
    let printed = error.to_string();
    assert!(
        printed.chars().all(|c| !c.is_control() && c != '\u{202e}'),
        "{printed:?}"
    );
}
