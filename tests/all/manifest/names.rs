//! Attack E1: names that want to be paths, commands, look-alikes or bombs.

use std::path::{Component, Path};

use keyway_plugin_api::{AgentId, Manifest, NameError, PluginId, ToolId, ToolName};
use serde_json::json;

/// Names that no plugin may carry. The first ones are those of attack T19.
const NAUGHTY: &[&str] = &[
    "../../etc/cron.d/x",
    "a/b",
    ".",
    "..",
    "con.",
    "A",
    "a\0b",
    "a%2fb",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "",
    " ",
    "  a",
    "a ",
    "a b",
    "\t",
    "\n",
    "a\n",
    "a\r\nb",
    "\u{0}",
    "\u{7f}",
    "\u{1b}[2J",
    "\u{85}",
    "\u{a0}",
    "\u{feff}a",
    "a\u{200b}",
    "a\u{200d}b",
    "\u{202e}txt",
    "a\u{2066}b",
    "\u{e0041}",
    "\u{ad}a",
    "-",
    "--",
    "-a",
    "a-",
    "a--b",
    "_",
    "_a",
    "a_b",
    "a.b",
    ".a",
    "a.",
    "...",
    "/",
    "\\",
    "//",
    "/etc/passwd",
    "C:\\x",
    "c:x",
    "\\\\server\\share",
    "~",
    "~root",
    "$HOME",
    "$(id)",
    "`id`",
    "${IFS}",
    "a;b",
    "a|b",
    "a&b",
    "a>b",
    "a<b",
    "a*",
    "a?",
    "[a]",
    "{a}",
    "a'b",
    "a\"b",
    "a:b",
    "a@b",
    "a,b",
    "a=b",
    "a+b",
    "a#b",
    "a!b",
    "%00",
    "%2e%2e",
    "&lt;",
    "<script>",
    "NULL\u{0}",
    "Null",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{430}dmin",
    "\u{ff41}",
    "a\u{1f600}",
    "\u{661}\u{662}",
];

#[test]
fn s_e1_naughty_plugin_ids_are_refused() {
    assert!(NAUGHTY.len() >= 60);
    for name in NAUGHTY {
        let error = PluginId::parse(name).unwrap_err();
        assert_eq!(error.code(), "NAME_INVALID", "{name:?}");
        is_printable(&error);
        assert!(
            serde_json::from_value::<PluginId>(json!(name)).is_err(),
            "{name:?}"
        );
        assert!(
            format!("{name}/tool").parse::<ToolId>().is_err(),
            "{name:?}"
        );
    }
}

#[test]
fn s_e1_naughty_names_are_refused_by_the_manifest() {
    for name in NAUGHTY {
        let text = json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": name, "version": "1.0.0",
        });
        let error = Manifest::parse(text.to_string().as_bytes()).unwrap_err();
        let codes: Vec<&str> = error
            .problems()
            .iter()
            .map(|problem| problem.code)
            .collect();
        assert_eq!(codes, ["NAME_INVALID"], "{name:?}");
        assert!(
            Manifest::parse_claude(text.to_string().as_bytes()).is_err(),
            "{name:?}"
        );
    }
}

#[test]
fn s_e1_naughty_tool_and_agent_names_are_refused() {
    // These two allow capitals and inner `_`, `.` and `-`, and a tool begins with a letter.
    let fine_for_agents = |name: &&&str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        let first = name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric());
        first && name.len() <= 64 && name.bytes().all(allowed)
    };
    let fine: Vec<&&str> = NAUGHTY
        .iter()
        .filter(|name| fine_for_agents(name))
        .collect();
    let expected = ["con.", "A", "a-", "a--b", "a_b", "a.b", "a.", "Null"];
    assert_eq!(fine, expected.iter().collect::<Vec<_>>());
    for name in NAUGHTY.iter().filter(|name| !fine_for_agents(name)) {
        is_printable(&AgentId::parse(name).unwrap_err());
        is_printable(&ToolName::parse(name).unwrap_err());
    }
    assert!(ToolName::parse("1st").is_err() && AgentId::parse("1st").is_ok());
}

/// The control: what the same names do to a host that joins them to its folder unchecked.
#[test]
fn s_e1_control_unchecked_names_leave_the_folder_or_meet() {
    let folder = Path::new("/plugins");
    let leaves = |name: &&&str| {
        let path = folder.join(name);
        !path.starts_with(folder) || path.components().any(|c| c == Component::ParentDir)
    };
    let escaped: Vec<&&str> = NAUGHTY.iter().filter(leaves).collect();
    let expected = ["../../etc/cron.d/x", "..", "/", "//", "/etc/passwd"];
    assert_eq!(escaped, expected.iter().collect::<Vec<_>>());
    assert_eq!(folder.join("."), folder, "and one is the folder itself");
    assert_ne!(
        folder.join("a/b").parent(),
        Some(folder),
        "and one is inside another"
    );
}

#[test]
fn plain_names_are_accepted() {
    let longest = "a".repeat(64);
    for name in [
        "a",
        "0",
        "a1",
        "github-tools",
        "x-y-z",
        "con",
        "null",
        longest.as_str(),
    ] {
        assert_eq!(PluginId::parse(name).unwrap().as_str(), name);
    }
    for name in ["a", "search_issues", "Search.Issues-2", longest.as_str()] {
        assert_eq!(ToolName::parse(name).unwrap().as_str(), name);
    }
}

#[track_caller]
fn is_printable(error: &NameError) {
    let text = error.to_string();
    assert!(
        text.is_ascii() && text.chars().all(|c| !c.is_control()),
        "{text:?}"
    );
    assert!(text.len() < 1024, "{text:?}");
}
