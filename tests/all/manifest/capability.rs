//! What a capability allows, covers, costs and is called, as tables.

use keyway_plugin_api::{Capability, Need, Risk, Selector, SurfaceVerb, is_reserved_env};
use serde_json::{Value, json};

#[track_caller]
fn cap(value: Value) -> Capability {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn tag(tag: &str) -> Capability {
    Capability::parse_tag(tag).unwrap()
}

#[track_caller]
fn check_host(pattern: &str, host: &str, allowed: bool) {
    let capability = cap(json!({ "kind": "network", "hosts": [pattern] }));
    assert_eq!(
        capability.allows_host(host, "GET"),
        allowed,
        "{pattern} {host}"
    );
}

#[test]
fn l06_host_patterns() {
    for (pattern, host, allowed) in [
        ("api.github.com", "api.github.com", true),
        ("api.github.com", "API.GitHub.COM.", true),
        ("API.GitHub.COM.", "api.github.com", true),
        ("api.github.com", "github.com", false),
        ("api.github.com", "x.api.github.com", false),
        ("api.github.com", "api.github.com.evil.example", false),
        ("api.github.com", "api-github.com", false),
        ("api.github.com", "api.github.com@evil.example", false),
        ("api.github.com", "api.github.com:443", false),
        ("api.github.com", "api\u{3002}github\u{3002}com", false),
        ("api.github.com", "ap\u{456}.github.com", false),
        ("api.github.com", "", false),
        ("api.github.com", "api.github.com..", false),
        ("*.github.com", "api.github.com", true),
        ("*.github.com", "a.b.github.com", true),
        ("*.github.com", "github.com", false),
        ("*.github.com", ".github.com", false),
        ("*.github.com", "evilgithub.com", false),
        ("*.github.com", "*.github.com", false),
        ("*.com", "evil.com", true),
        ("*.com", "com", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.1", false),
        ("127.0.0.1", "0x7f.0.0.1", false),
        ("127.0.0.1", "2130706433", false),
        // Malformed grants allow nothing, whatever they look like.
        ("*", "api.github.com", false),
        ("*.", "api.github.com", false),
        ("", "", false),
        ("*.0.0.1", "127.0.0.1", false),
        ("api.*.com", "api.x.com", false),
    ] {
        check_host(pattern, host, allowed);
    }
}

#[test]
fn methods_narrow_a_network_capability() {
    let any = cap(json!({ "kind": "network", "hosts": ["a.example"] }));
    let some = cap(json!({ "kind": "network", "hosts": ["a.example"], "methods": ["get"] }));
    let none = cap(json!({ "kind": "network", "hosts": ["a.example"], "methods": [] }));
    for (method, any_allows, some_allows) in [
        ("GET", true, true),
        ("get", true, true),
        ("DELETE", true, false),
        ("G T", false, false),
        ("", false, false),
    ] {
        assert_eq!(any.allows_host("a.example", method), any_allows, "{method}");
        assert_eq!(
            some.allows_host("a.example", method),
            some_allows,
            "{method}"
        );
        assert!(!none.allows_host("a.example", method), "{method}");
    }
    assert!(none.is_empty() && !some.is_empty());
}

#[track_caller]
fn check_path(granted: &str, path: &str, allowed: bool) {
    let files = cap(json!({ "kind": "filesystem", "read": [granted] }));
    assert_eq!(files.allows_read(path), allowed, "read {granted} {path}");
    assert!(
        !files.allows_write(path),
        "the right to read is not the right to write"
    );
    let files = cap(json!({ "kind": "filesystem", "write": [granted] }));
    assert_eq!(files.allows_write(path), allowed, "write {granted} {path}");
    assert!(
        !files.allows_read(path),
        "the right to write is not the right to read"
    );
}

#[test]
fn l07_paths_are_compared_by_component() {
    for (granted, path, allowed) in [
        ("./repo", "./repo", true),
        ("./repo", "repo/src/main.rs", true),
        ("repo", "./repo//src/./main.rs", true),
        ("./repo/", "repo/", true),
        ("./repo", "./repo2", false),
        ("./repo", "./repo2/x", false),
        ("./repo", "./rep", false),
        ("./repo", ".", false),
        ("./repo", "./Repo", false),
        ("./repo", "./repo/../secret", false),
        ("./repo", "./repo/..", false),
        ("./repo", "../repo", false),
        ("./repo", "/repo", false),
        ("./repo", "/etc/passwd", false),
        ("./repo", "", false),
        ("./repo", "./repo/a\0b", false),
        ("./repo", "./repo\\..\\x", false),
        (".", "anything/below", true),
        (".", "/etc/passwd", false),
        (".", "..", false),
        ("/srv/data", "/srv/data/x", true),
        ("/srv/data", "/srv/database", false),
        ("/srv/data", "srv/data", false),
        ("/", "/etc/passwd", true),
        ("/", "etc/passwd", false),
        // Malformed grants allow nothing.
        ("./repo/../..", "./repo/x", false),
        ("..", "..", false),
        ("", ".", false),
        ("~", "~", false),
    ] {
        check_path(granted, path, allowed);
    }
}

#[test]
fn secrets_tools_programs_providers_and_surfaces_are_matched_by_name() {
    let secret = cap(json!({ "kind": "secret", "names": ["GITHUB_TOKEN", "LD_PRELOAD"] }));
    assert!(secret.allows_secret("GITHUB_TOKEN"));
    assert!(!secret.allows_secret("github_token") && !secret.allows_secret(""));
    assert!(
        !secret.allows_secret("LD_PRELOAD"),
        "reserved even when granted"
    );

    let tools = cap(json!({ "kind": "tool", "tools": ["notes/*", "web/fetch"] }));
    assert!(tools.allows_tool("notes", "add") && tools.allows_tool("web", "fetch"));
    assert!(!tools.allows_tool("web", "post") && !tools.allows_tool("note", "s/add"));
    assert!(!tools.allows_tool("notes", "*") && !tools.allows_tool("notes", ""));

    let process = cap(json!({ "kind": "process", "programs": ["git", "/bin/sh"] }));
    assert!(process.allows_program("git") && !process.allows_program("gitk"));
    assert!(
        !process.allows_program("/bin/sh"),
        "a malformed grant allows nothing"
    );

    let model = cap(json!({ "kind": "model", "providers": ["anthropic"] }));
    assert!(model.allows_provider("anthropic") && !model.allows_provider("other"));

    let surface = tag("surface:inbox:read");
    assert!(surface.allows_verb("inbox", SurfaceVerb::Read));
    assert!(!surface.allows_verb("inbox", SurfaceVerb::Delete));
    assert!(!surface.allows_verb("outbox", SurfaceVerb::Read));
}

#[test]
fn s_t12_loader_variables_are_never_grantable() {
    for name in [
        "PATH",
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "NODE_OPTIONS",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "GIT_SSH_COMMAND",
        "HTTP_PROXY",
        "https_proxy",
        "DYLD_INSERT_LIBRARIES",
        "PERL5LIB",
        "RUBYOPT",
        "JAVA_TOOL_OPTIONS",
        "IFS",
        "GLIBC_TUNABLES",
        "Ld_Preload",
        "KEYWAY_DIR",
    ] {
        assert!(is_reserved_env(name), "{name}");
        let asked = cap(json!({ "kind": "secret", "names": [name] }));
        assert!(!asked.allows_secret(name) && asked.is_empty(), "{name}");
        assert!(
            Capability::parse_tag(&format!("secret:{name}")).is_err(),
            "{name}"
        );
        // Control: without the list of reserved names the grant would be taken at its word.
        assert!(matches!(&asked, Capability::Secret { names } if names.contains(name)));
    }
    assert!(!is_reserved_env("GITHUB_TOKEN") && !is_reserved_env("LDAP_PASSWORD"));
}

#[test]
fn questions_of_another_family_are_denied() {
    let network = tag("network:a.example");
    assert!(!network.allows_read("a") && !network.allows_write("a"));
    assert!(!network.allows_secret("A") && !network.allows_tool("a", "b"));
    assert!(!tag("secret:A").allows_host("a.example", "GET"));
    assert!(!tag("secret:A").covers(&network) && network.intersect(&tag("secret:A")).is_none());
}

#[test]
fn wider_covers_narrower() {
    for (wide, narrow) in [
        ("network:*.github.com", "network:api.github.com"),
        ("network:*.github.com", "network:*.api.github.com"),
        ("network:a.example", "network:a.example[GET]"),
        ("network:a.example[GET,HEAD]", "network:a.example[HEAD]"),
        ("filesystem:read:.", "filesystem:read:./repo"),
        ("filesystem:write:/", "filesystem:write:/srv"),
        ("tool:notes/*", "tool:notes/add"),
        ("state:2048", "state:1024"),
    ] {
        let (wide, narrow) = (tag(wide), tag(narrow));
        assert!(wide.covers(&narrow), "{wide} {narrow}");
        assert!(!narrow.covers(&wide), "{narrow} {wide}");
        assert_eq!(wide.intersect(&narrow), Some(narrow.clone()));
        assert_eq!(narrow.intersect(&wide), Some(narrow.clone()));
    }
}

#[test]
fn unrelated_capabilities_do_not_meet() {
    for (a, b) in [
        ("network:a.example", "network:b.example"),
        ("network:*.a.example", "network:a.example"),
        ("network:a.example[GET]", "network:a.example[POST]"),
        ("filesystem:read:./a", "filesystem:read:./b"),
        ("filesystem:read:.", "filesystem:read:/"),
        ("filesystem:read:./a", "filesystem:write:./a"),
        ("surface:inbox:read", "surface:inbox:emit"),
        ("surface:inbox:read", "surface:board:read"),
        ("process:git", "process:gh"),
        ("tool:a/*", "tool:b/*"),
    ] {
        assert_eq!(tag(a).intersect(&tag(b)), None, "{a} {b}");
        assert!(!tag(a).covers(&tag(b)), "{a} {b}");
    }
}

#[test]
fn several_capabilities_cover_together() {
    let asked = cap(
        json!({ "kind": "network", "hosts": ["a.example", "b.example"],
                            "methods": ["GET", "POST"] }),
    );
    let get = tag("network:*.example[GET]");
    let (a, b) = (tag("network:a.example[POST]"), tag("network:b.example"));
    assert!(!asked.is_covered_by([&get]));
    assert!(!asked.is_covered_by([&get, &a]));
    assert!(asked.is_covered_by([&get, &a, &b]));
}

#[test]
fn tags_are_sorted_and_complete() {
    let asked = cap(json!({ "kind": "filesystem", "read": ["b", "./a/./c/"], "write": ["/x//y"] }));
    let tags = [
        "filesystem:read:./a/c",
        "filesystem:read:./b",
        "filesystem:write:/x/y",
    ];
    assert_eq!(asked.tags(), tags);
    assert_eq!(asked.to_string(), tags.join(", "));
    let none = cap(json!({ "kind": "network", "hosts": [] }));
    assert_eq!(
        (none.tags().len(), none.to_string()),
        (0, "network:nothing".to_owned())
    );
}

#[track_caller]
fn refused_tag(tag: &str, text: &str) {
    let error = Capability::parse_tag(tag).unwrap_err();
    assert_eq!(error.code(), "TAG_INVALID");
    assert_eq!(error.to_string(), text);
}

#[test]
fn malformed_tags_are_refused_with_the_rule() {
    refused_tag(
        "telepathy:all",
        "tag `telepathy:all` is refused: the families are filesystem, model, network, process, \
         secret, state, surface, tool",
    );
    refused_tag(
        "filesystem:./repo",
        "tag `filesystem:./repo` is refused: write filesystem:read:PATH or filesystem:write:PATH",
    );
    refused_tag(
        "filesystem:read:../x",
        "tag `filesystem:read:../x` is refused: `..` is never allowed",
    );
    refused_tag(
        "network:a.example[GET",
        "tag `network:a.example[GET` is refused: close the list of methods with `]`",
    );
    refused_tag(
        "network:a.example[]",
        "tag `network:a.example[]` is refused: a method is a word such as GET",
    );
    refused_tag(
        "state:0",
        "tag `state:0` is refused: write state:BYTES with a positive number",
    );
    refused_tag(
        "surface:inbox:explode",
        "tag `surface:inbox:explode` is refused: write surface:NAME:VERB; the verbs are delete, \
         display, emit, hide, read, route, wake, write",
    );
    refused_tag(
        "secret:PATH",
        "tag `secret:PATH` is refused: this variable steers programs and loaders and can never \
         be granted",
    );
    refused_tag(
        "\u{1b}[2J",
        "tag `\\u{1b}[2J` is refused: the families are filesystem, model, network, process, \
         secret, state, surface, tool",
    );
}

#[test]
fn selectors_pick_parts() {
    let files = cap(json!({ "kind": "filesystem", "read": ["./repo"], "write": ["./notes"] }));
    let inbox = cap(json!({ "kind": "surface", "surface": "inbox", "verbs": ["read", "emit"] }));
    let pick = |selector: &str, from: &Capability| {
        let part = Selector::parse(selector).unwrap().select(from);
        part.map(|part| part.to_string())
    };
    for (selector, from, picked) in [
        (
            "filesystem",
            &files,
            "filesystem:read:./repo, filesystem:write:./notes",
        ),
        ("filesystem:write", &files, "filesystem:write:./notes"),
        ("filesystem:read", &files, "filesystem:read:./repo"),
        (
            "filesystem:read:./repo/src",
            &files,
            "filesystem:read:./repo/src",
        ),
        ("filesystem:read:.", &files, "filesystem:read:./repo"),
        ("surface", &inbox, "surface:inbox:emit, surface:inbox:read"),
        (
            "surface:inbox",
            &inbox,
            "surface:inbox:emit, surface:inbox:read",
        ),
        ("surface:inbox:read", &inbox, "surface:inbox:read"),
    ] {
        assert_eq!(pick(selector, from).as_deref(), Some(picked), "{selector}");
    }
    for (selector, from) in [
        ("network", &files),
        ("filesystem:write:./repo", &files),
        ("surface:board", &inbox),
        ("surface:inbox:delete", &inbox),
    ] {
        assert_eq!(pick(selector, from), None, "{selector}");
    }
    for selector in ["", "file", "filesystem:exec", "surface:in box", "network:"] {
        assert!(Selector::parse(selector).is_err(), "{selector}");
    }
}

#[test]
fn needs_are_met_by_what_is_held() {
    let reads = tag("filesystem:read:./repo");
    let secret = tag("secret:TOKEN");
    let network = |hosts: &[&str]| Need::Network {
        hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
    };
    let token = |name: &str| Need::Secret {
        name: name.to_owned(),
    };
    assert!(reads.satisfies(&Need::FilesystemRead) && !reads.satisfies(&Need::FilesystemWrite));
    assert!(tag("filesystem:write:.").satisfies(&Need::FilesystemWrite));
    assert!(secret.satisfies(&token("TOKEN")) && !secret.satisfies(&token("OTHER")));
    assert!(tag("state:1").satisfies(&Need::State) && !reads.satisfies(&Need::State));
    assert!(tag("tool:a/b").satisfies(&Need::Tools) && !secret.satisfies(&Need::Tools));
    let (a, b) = (tag("network:a.example[GET]"), tag("network:b.example"));
    assert!(network(&["a.example", "b.example"]).is_met_by([&a, &b]));
    assert!(!network(&["a.example", "b.example"]).is_met_by([&a]));
    assert!(!network(&[]).is_met_by([&a, &b]));
    let empty = cap(json!({ "kind": "filesystem", "read": [], "write": ["../x"] }));
    assert!(!empty.satisfies(&Need::FilesystemRead) && !empty.satisfies(&Need::FilesystemWrite));
    assert!(!cap(json!({ "kind": "state", "quotaBytes": 0 })).satisfies(&Need::State));
}

#[test]
fn risk_follows_the_table() {
    for (tagged, risk) in [
        ("state:1024", Risk::Low),
        ("filesystem:read:./repo", Risk::Low),
        ("surface:inbox:read", Risk::Low),
        ("surface:inbox:display", Risk::Low),
        ("network:api.github.com", Risk::Medium),
        ("secret:GITHUB_TOKEN", Risk::Medium),
        ("tool:notes/add", Risk::Medium),
        ("filesystem:write:./notes", Risk::Medium),
        ("filesystem:read:/etc", Risk::Medium),
        ("surface:inbox:emit", Risk::Medium),
        ("surface:inbox:hide", Risk::Medium),
        ("surface:inbox:route", Risk::Medium),
        ("surface:inbox:wake", Risk::Medium),
        ("surface:inbox:write", Risk::Medium),
        ("model:anthropic", Risk::High),
        ("filesystem:write:/srv", Risk::High),
        ("surface:inbox:delete", Risk::High),
        ("process:git", Risk::Privileged),
    ] {
        assert_eq!(tag(tagged).risk(), risk, "{tagged}");
    }
    let mixed = cap(json!({ "kind": "surface", "surface": "inbox", "verbs": ["read", "delete"] }));
    assert_eq!(mixed.risk(), Risk::High);
    let nothing = cap(json!({ "kind": "process", "programs": [] }));
    assert_eq!(
        nothing.risk(),
        Risk::Low,
        "what allows nothing risks nothing"
    );
}
