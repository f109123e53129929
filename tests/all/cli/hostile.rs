//! Packages and files made to harm the operator who looks at them.

use std::fs;

use serde_json::{Value, json};

use super::bench::{Bench, Ran, fixture, manifest};

/// Clears the screen, hides a link, rewrites a line, colours with C1, writes the clipboard,
/// forges a second line, turns the reading direction.
const ESCAPES: &str = "a\u{1b}[2J\u{1b}[1;1H\u{1b}]8;;http://evil\u{7}ok\u{1b}]8;;\u{7}\rb\u{9b}31m\
    \u{1b}]52;c;ZXZpbA==\u{7}\nStatus: enabled\u{8}\u{7f}\u{202e}c\u{2066}d\u{85}e\u{200b}";

/// The sequences that keyway itself writes when colour is forced.
const OWN: [&str; 4] = ["\u{1b}[1;31m", "\u{1b}[1;33m", "\u{1b}[36m", "\u{1b}[0m"];

fn hostile_manifest() -> Value {
    let mut value = manifest(
        "hostile",
        "1.0.0",
        &json!({
            "risk": "privileged",
            "runtime": { "kind": "process", "command": "./bin/x", "args": [ESCAPES] },
            "capabilities": [
                { "kind": "surface", "surface": "inbox", "verbs": ["read"], "reason": ESCAPES, "optional": true },
            ],
            "contributes": { "tools": ["t"] },
            "unknownField": ESCAPES,
        }),
    );
    value["description"] = json!(ESCAPES);
    value["license"] = json!(ESCAPES);
    value["homepage"] = json!(format!("https://example.com/{ESCAPES}"));
    value["keywords"] = json!([ESCAPES]);
    value["author"] = json!({ "name": ESCAPES, "email": ESCAPES });
    value
}

/// Returns the characters that must not reach a terminal.
fn harmful(text: &str) -> Vec<char> {
    let own = OWN
        .iter()
        .fold(text.to_owned(), |text, own| text.replace(own, ""));
    let harms = |c: &char| {
        let direction = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && *c != '\n') || direction
    };
    own.chars().filter(harms).collect()
}

/// Runs as on a terminal, where colour sequences pass.
#[track_caller]
fn run_in_colour(bench: &Bench, arguments: &[&str]) -> Ran {
    let mut command = bench.command_of(arguments);
    Ran::from(command.env("CLICOLOR_FORCE", "1").output().unwrap())
}

/// A manifest whose fields are refused, each for what it holds.
fn broken_manifest() -> Value {
    let mut value = manifest(
        ESCAPES,
        ESCAPES,
        &json!({
            "slot": ESCAPES,
            "api": ESCAPES,
            "risk": ESCAPES,
            "dependencies": [ESCAPES],
            "runtime": { "kind": ESCAPES, "command": ESCAPES },
            "capabilities": [{ "kind": ESCAPES }, { "kind": "network", "hosts": [ESCAPES] }],
            "contributes": { "tools": [ESCAPES], "hooks": [ESCAPES], "providers": [ESCAPES] },
            "activation": { "bins": [ESCAPES] },
        }),
    );
    value["extensions"][ESCAPES] = json!({});
    value[ESCAPES] = json!(1);
    value
}

#[test]
fn s_f6_no_command_prints_a_control_character_of_a_manifest() {
    let bench = Bench::new();
    let package = bench.package("hostile", &hostile_manifest());
    let broken = bench.package("broken", &broken_manifest());
    let commands: &[&[&str]] = &[
        &["check", &package],
        &["check", &broken],
        &["check", ESCAPES],
        &["new", ESCAPES],
        &["new", "p", "--dir", ESCAPES],
        &["new", "q", "--keyway-path", ESCAPES],
        &["plugin", "install", &broken],
        &["plugin", "install", &package, "--dry-run"],
        &["plugin", "install", &package],
        &["plugin", "install", &package],
        &["plugin", "list"],
        &["plugin", "info", "hostile"],
        &["plugin", "grants", "hostile"],
        &["plugin", "enable", "hostile"],
        &["plugin", "approve", "hostile", "--grant", ESCAPES],
        &["plugin", "deny", "hostile", "--reason", ESCAPES],
        &["plugin", "info", "hostile"],
        &["plugin", "approve", "hostile", "--all"],
        &["plugin", "info", "hostile"],
        &["plugin", "reload", "hostile"],
        &["plugin", "propose", ESCAPES, "--why", ESCAPES],
        &["plugin", "proposals"],
        &["plugin", "scope", "hostile", ESCAPES],
        &["plugin", "allow", ESCAPES],
        &["plugin", "revoke", "hostile", "--reason", ESCAPES],
        &["plugin", "info", "hostile"],
        &["plugin", "info", ESCAPES],
        &["plugin", "install", ESCAPES],
        &["plugin", "list", "--slot", ESCAPES],
        &["plugin", "update", "hostile", ESCAPES],
        &["plugin", "ungrant", "hostile", ESCAPES],
        &["plugin", "drop-proposal", ESCAPES],
        &["plugin", "list", "--by", ESCAPES],
        &["plugin", ESCAPES],
        &["plugin", "approve", "hostile", "--uses", ESCAPES],
        &["plugin", "install", "hostile", "--precedence", ESCAPES],
        &["call", "allow", ESCAPES],
        &["call", "list"],
        &["state", "export", "hostile", ESCAPES],
        &["--dir", ESCAPES, "plugin", "list"],
        &["audit", "verify", "--against", ESCAPES],
        &["audit", "list"],
        &["audit", "--plugin", ESCAPES],
        &["audit", "verify"],
        &["audit", "replay"],
        &["mcp", "add", ESCAPES],
        &["mcp", "import", ESCAPES],
        &["tool", "list"],
        &["tool", "list", "--as", ESCAPES],
        &["tool", "call", ESCAPES],
        &["tool", "explain", ESCAPES],
    ];
    for arguments in commands {
        prints_nothing_harmful(&bench, arguments);
    }
}

#[track_caller]
fn prints_nothing_harmful(bench: &Bench, arguments: &[&str]) {
    let ran = run_in_colour(bench, arguments);
    let text = format!("{}{}", ran.out, ran.err);
    let found = harmful(&text);
    assert_eq!(found, Vec::<char>::new(), "{arguments:?}: {ran:#?}");
    let is_status = |line: &&str| line.starts_with("Status: ");
    let forged = text.lines().filter(is_status).count();
    assert!(forged <= 1, "a forged line: {ran:#?}");
}

/// Control: the scan sees what the same field does when it is printed as it stands.
#[test]
fn s_f6_control_the_raw_field_would_reach_the_terminal() {
    let description = hostile_manifest()["description"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = harmful(&format!("description: {description}\n"));
    for c in [
        '\u{1b}', '\r', '\u{9b}', '\u{7}', '\u{7f}', '\u{202e}', '\u{85}',
    ] {
        assert!(found.contains(&c), "{c:?}");
    }
    assert!(description.lines().any(|line| line.starts_with("Status: ")));
}

#[test]
fn s_f6_json_keeps_the_text_and_escapes_it() {
    let bench = Bench::new();
    let package = bench.package("hostile", &hostile_manifest());
    bench.ok(&format!("plugin install {package}"));
    let ran = bench.ok("plugin info hostile --json");
    assert_eq!(
        ran.out
            .chars()
            .filter(|c| *c != '\n' && c.is_ascii_control() && *c != '\u{7f}')
            .count(),
        0
    );
    let entry: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(entry["manifest"]["description"], ESCAPES);
}

#[cfg(unix)]
#[test]
fn s_e_a_manifest_that_is_not_a_regular_file_is_refused() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new();
    let folder = bench.path("src/odd");
    fs::create_dir_all(&folder).unwrap();
    let manifest = folder.join("plugin.json");

    symlink(fixture("plain-notes").join("plugin.json"), &manifest).unwrap();
    let error = bench.fails("plugin install ./src/odd", "PACKAGE_UNREADABLE");
    assert!(error.contains("symbolic link"), "{error}");

    fs::remove_file(&manifest).unwrap();
    fs::create_dir(&manifest).unwrap();
    bench.fails("plugin install ./src/odd", "PACKAGE_UNREADABLE");

    fs::remove_dir(&manifest).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&manifest)
        .status()
        .unwrap();
    assert!(made.success());
    bench.fails("plugin install ./src/odd", "PACKAGE_UNREADABLE");

    // Control: the same bytes in a regular file install.
    fs::remove_file(&manifest).unwrap();
    fs::copy(fixture("plain-notes").join("plugin.json"), &manifest).unwrap();
    bench.ok("plugin install ./src/odd");
}

/// Neither the servers nor the skills of a package are taken from somewhere else.
#[cfg(unix)]
#[test]
fn s_e_a_link_out_of_the_package_is_refused() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new();
    fs::create_dir_all(bench.path("outside/skills/s")).unwrap();
    fs::write(bench.path("outside/skills/s/SKILL.md"), "text").unwrap();
    fs::write(bench.path("outside/mcp.json"), "{}").unwrap();
    for name in ["skills", "mcp.json"] {
        let package = bench.package(name, &manifest("p", "1.0.0", &json!({})));
        symlink(
            bench.path("outside").join(name),
            bench.path(&package).join(name),
        )
        .unwrap();
        let error = bench.fails(&format!("plugin install {package}"), "PACKAGE_UNREADABLE");
        assert!(error.contains("symbolic link"), "{error}");
    }
    // Control: the same content inside the package installs and is named.
    let package = bench.package("inside", &manifest("p", "1.0.0", &json!({})));
    fs::create_dir_all(bench.path(&package).join("skills/s")).unwrap();
    fs::write(bench.path(&package).join("skills/s/SKILL.md"), "text").unwrap();
    bench.ok(&format!("plugin install {package}"));
    assert!(
        bench
            .ok("plugin info p")
            .out
            .contains("\nContributes:\nskill:s\n")
    );
}

#[test]
fn a_manifest_over_the_limit_is_refused_unread() {
    let bench = Bench::new();
    let mut large = manifest("large", "1.0.0", &json!({}));
    large["description"] = json!("x".repeat(64 * 1024));
    let package = bench.package("large", &large);
    let error = bench.fails(&format!("plugin install {package}"), "PACKAGE_UNREADABLE");
    assert!(error.contains("larger than 65536 bytes"), "{error}");
}
