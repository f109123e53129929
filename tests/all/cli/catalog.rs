//! The catalog scenarios C1 to C15, through the binary.

use serde_json::json;

use super::bench::{Bench, fixture, manifest};

#[test]
fn c01_install_disable_enable_and_what_is_refused() {
    let bench = Bench::with(&["plain-notes"]);
    bench.fails(
        &format!("plugin install {}", fixture("plain-notes").display()),
        "ALREADY_INSTALLED",
    );
    assert_eq!(
        bench.ok("plugin disable plain-notes").out,
        "Disabled plain-notes.\n"
    );
    assert_eq!(bench.status("plain-notes"), "disabled");
    bench.ok("plugin enable plain-notes");
    assert_eq!(bench.status("plain-notes"), "enabled");
    for operation in ["enable", "disable", "reload", "uninstall", "info", "grants"] {
        bench.fails(&format!("plugin {operation} nobody"), "PLUGIN_NOT_FOUND");
    }
}

#[test]
fn c01_the_list_is_sorted_by_precedence_then_name() {
    let bench = Bench::with(&[
        "sqlite-memory@builtin",
        "plain-notes@user",
        "http-cache@workspace",
        "grok-llm@builtin",
        "deepseek-llm@user",
    ]);
    let listing = bench.ok("plugin list").out;
    let names: Vec<_> = listing
        .lines()
        .skip(2)
        .filter_map(|row| row.split(' ').next())
        .collect();
    let want = [
        "http-cache",
        "deepseek-llm",
        "plain-notes",
        "grok-llm",
        "sqlite-memory",
    ];
    assert_eq!(names, want);
}

#[test]
fn c01_an_empty_catalog_lists_only_the_header() {
    let bench = Bench::new();
    let want = "\
Plugin                Slot       Status   Precedence
--------------------- ---------- -------- ----------
";
    let ran = bench.ok("plugin list");
    assert_eq!(ran.out, want);
    assert_eq!(bench.json("plugin list")["entries"], json!({}));
    assert!(!bench.path(".keyway").exists(), "listing creates nothing");
}

#[test]
fn the_filters_of_the_list() {
    let bench = Bench::with(&[
        "grok-llm@builtin",
        "deepseek-llm@user",
        "sqlite-memory@builtin",
    ]);
    let table = [
        (
            "plugin list --enabled",
            vec!["deepseek-llm", "sqlite-memory"],
        ),
        ("plugin list --slot llm", vec!["deepseek-llm", "grok-llm"]),
        ("plugin list --slot llm --enabled", vec!["deepseek-llm"]),
        ("plugin list --slot proof", vec![]),
    ];
    for (command, want) in table {
        let listing = bench.ok(command).out;
        let names: Vec<_> = listing
            .lines()
            .skip(2)
            .filter_map(|r| r.split(' ').next())
            .collect();
        assert_eq!(names, want, "{command}");
        let state = bench.json(command);
        let keys: Vec<_> = state["entries"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(keys, want, "{command} --json");
    }
}

#[test]
fn c04_an_equal_or_lower_precedence_does_not_take_the_slot() {
    let table = [
        ("deepseek-llm@user", "ollama-llm@user"),
        ("deepseek-llm@user", "ollama-llm@builtin"),
        ("deepseek-llm@workspace", "ollama-llm@user"),
    ];
    for (incumbent, challenger) in table {
        let bench = Bench::with(&[incumbent]);
        let ran = bench.install(challenger);
        let warned = "warning: slot llm: ollama-llm does not displace deepseek-llm\n";
        assert_eq!(ran.err, warned);
        assert_eq!(bench.status("ollama-llm"), "disabled");
        let before = bench.catalog_bytes();
        let error = bench.fails("plugin enable ollama-llm", "SLOT_OCCUPIED");
        assert!(error.contains("deepseek-llm"), "{error}");
        assert!(error.contains("help: "), "{error}");
        assert_eq!(bench.catalog_bytes(), before);
    }
}

#[test]
fn c06_two_custom_plugins_are_both_enabled() {
    let bench = Bench::with(&["plain-notes", "http-cache"]);
    assert_eq!(bench.status("plain-notes"), "enabled");
    assert_eq!(bench.status("http-cache"), "enabled");
}

#[test]
fn c07_uninstalling_an_enabled_plugin_frees_its_slot() {
    let bench = Bench::with(&["deepseek-llm"]);
    let ran = bench.ok("plugin uninstall deepseek-llm");
    assert_eq!(
        ran.out,
        "Uninstalled deepseek-llm. Catalog entry removed.\n"
    );
    assert_eq!(bench.slots(), json!({}));
    assert_eq!(bench.catalog()["entries"], json!({}));
    bench.fails("plugin uninstall deepseek-llm", "PLUGIN_NOT_FOUND");
}

#[test]
fn c08_an_absent_or_mismatched_dependency_is_refused_and_nothing_is_written() {
    let bench = Bench::new();
    let feed = fixture("feed-reader");
    let error = bench.fails(
        &format!("plugin install {}", feed.display()),
        "DEPENDENCY_MISSING",
    );
    assert!(error.contains("http-cache"), "{error}");
    assert_eq!(bench.catalog_bytes(), b"");

    let old = bench.package("old", &manifest("http-cache", "1.1.9", &json!({})));
    bench.ok(&format!("plugin install {old}"));
    let before = bench.catalog_bytes();
    let error = bench.fails(
        &format!("plugin install {}", feed.display()),
        "DEPENDENCY_MISSING",
    );
    assert!(error.contains("^1.2") && error.contains("1.1.9"), "{error}");
    assert_eq!(bench.catalog_bytes(), before);
}

#[test]
fn c08_a_plugin_that_depends_on_itself_is_refused() {
    let bench = Bench::new();
    let own = bench.package(
        "own",
        &manifest(
            "own-tail",
            "1.0.0",
            &json!({ "dependencies": ["own-tail"] }),
        ),
    );
    let ran = bench.run(&format!("plugin install {own}"));
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert_eq!(bench.catalog_bytes(), b"");
}

#[test]
fn c08_a_disabled_dependency_leaves_the_plugin_disabled() {
    let bench = Bench::with(&["http-cache"]);
    bench.ok("plugin disable http-cache");
    let ran = bench.install("feed-reader");
    assert!(ran.out.contains("http-cache"), "{ran:#?}");
    assert_eq!(bench.status("feed-reader"), "disabled");
    let error = bench.fails("plugin enable feed-reader", "DEPENDENCY_MISSING");
    assert!(error.contains("http-cache"), "{error}");
    bench.ok("plugin enable http-cache");
    bench.ok("plugin enable feed-reader");
    assert_eq!(bench.status("feed-reader"), "enabled");
}

#[test]
fn c09_what_others_need_stays_unless_the_operator_says_cascade() {
    for operation in ["disable", "uninstall"] {
        let bench = Bench::with(&["http-cache", "feed-reader", "digest-mailer"]);
        let before = bench.catalog_bytes();
        let error = bench.fails(&format!("plugin {operation} http-cache"), "HAS_DEPENDENTS");
        assert!(
            error.contains("feed-reader") && error.contains("--cascade"),
            "{error}"
        );
        assert_eq!(bench.catalog_bytes(), before);

        let ran = bench.ok(&format!("plugin {operation} http-cache --cascade"));
        let at = |name: &str| {
            ran.out
                .find(name)
                .unwrap_or_else(|| panic!("{name}: {ran:#?}"))
        };
        assert!(at("digest-mailer") < at("feed-reader"), "{ran:#?}");
        assert_eq!(bench.ok("plugin list --enabled").out.lines().count(), 2);
    }
}

#[test]
fn c10_a_reload_that_fails_changes_nothing() {
    let bench = Bench::new();
    let package = bench.package("notes", &manifest("notes", "1.0.0", &json!({})));
    bench.ok(&format!("plugin install {package}"));
    let before = bench.catalog_bytes();
    let table = [
        json!({ "name": "notes" }),
        manifest("other", "1.0.0", &json!({})),
        manifest("notes", "1.0.1", &json!({ "slot": "nowhere" })),
    ];
    for broken in table {
        bench.package("notes", &broken);
        let error = bench.fails("plugin reload notes", "RELOAD_FAILED");
        assert!(error.contains("notes"), "{error}");
        assert_eq!(bench.catalog_bytes(), before, "{broken}");
    }
}

#[test]
fn c11_a_disabled_plugin_is_not_reloaded() {
    let bench = Bench::with(&["plain-notes"]);
    bench.ok("plugin disable plain-notes");
    let before = bench.catalog_bytes();
    let ran = bench.run("plugin reload plain-notes");
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.err.contains("keyway plugin enable plain-notes"),
        "{ran:#?}"
    );
    assert_eq!(bench.catalog_bytes(), before);
}

#[test]
fn c13_enabling_the_enabled_and_disabling_the_disabled() {
    let bench = Bench::with(&["plain-notes"]);
    let before = bench.catalog_bytes();
    bench.fails("plugin enable plain-notes", "ALREADY_ENABLED");
    assert_eq!(bench.catalog_bytes(), before);
    bench.ok("plugin disable plain-notes");
    let before = bench.catalog_bytes();
    bench.fails("plugin disable plain-notes", "ALREADY_DISABLED");
    assert_eq!(bench.catalog_bytes(), before);
}

#[test]
fn c15_an_unapproved_workspace_plugin_waits_and_the_incumbent_keeps_the_slot() {
    let bench = Bench::with(&["grok-llm@builtin"]);
    let ran = bench.install("model-gateway@workspace");
    assert!(
        ran.err.contains("keyway plugin approve model-gateway"),
        "{ran:#?}"
    );
    assert_eq!(bench.status("model-gateway"), "pending");
    assert_eq!(bench.status("grok-llm"), "enabled");
    assert_eq!(bench.slots(), json!({ "llm": "grok-llm" }));

    bench.ok("plugin approve model-gateway --all");
    assert_eq!(bench.slots(), json!({ "llm": "model-gateway" }));
    assert_eq!(bench.status("grok-llm"), "disabled");
}
