use keyway_plugin_api::PluginId;

use super::support::{Desk, cascading, disable, enable, id, plugin, uninstall};

#[test]
fn c08_absent_and_mismatched_dependencies_are_refused() {
    let mut desk = Desk::with(&[plugin("http-cache").version("1.1.0")]);
    let before = desk.state.clone();
    for (needs, missing, hint) in [
        (
            "notes",
            "notes (not installed)",
            "keyway plugin install notes",
        ),
        (
            "http-cache@^1.2",
            "http-cache@^1.2 (installed: 1.1.0)",
            "keyway plugin info http-cache",
        ),
    ] {
        let error = desk.refused(&plugin("tools").needs(&[needs]).install());
        assert_eq!(error.code(), "DEPENDENCY_MISSING");
        assert_eq!(error.to_string(), format!("tools needs {missing}"));
        assert_eq!(error.hints(), [hint]);
    }
    assert_eq!(desk.state, before, "nothing is written");
    desk.run(&plugin("tools").needs(&["http-cache@^1.1"]).install());
    assert!(desk.is_enabled("tools"));
}

#[test]
fn c08_a_circle_is_refused() {
    let mut desk = Desk::with(&[plugin("a"), plugin("b").needs(&["a"])]);
    let circle = plugin("a").version("1.0.1").needs(&["b"]);
    let error = desk.refused(&circle.reload());
    assert_eq!(error.code(), "RELOAD_FAILED");
    assert_eq!(
        error.to_string(),
        "reload of a failed at resolve: a -> b -> a need each other"
    );
}

#[test]
fn c08_an_installed_but_disabled_dependency_stores_the_plugin_disabled() {
    let mut desk = Desk::with(&[plugin("notes")]);
    desk.run(&disable("notes"));
    let plan = desk.run(&plugin("tools").needs(&["notes"]).install());
    assert!(!desk.is_enabled("tools"));
    let reason = desk.entry("tools").keyway.disabled_reason.clone();
    assert_eq!(reason.unwrap(), "tools needs notes (disabled)");
    assert!(
        plan.result()
            .message
            .ends_with("Disabled: tools needs notes (disabled).")
    );
    let error = desk.refused(&enable("tools"));
    assert_eq!(error.code(), "DEPENDENCY_MISSING");
    assert_eq!(error.hints(), ["keyway plugin enable notes"]);
    desk.run(&enable("notes"));
    desk.run(&enable("tools"));
}

fn chain() -> Desk {
    Desk::with(&[
        plugin("base"),
        plugin("mid").needs(&["base"]),
        plugin("top").needs(&["mid"]),
        plugin("side").needs(&["base"]),
    ])
}

#[test]
fn c09_a_needed_plugin_is_not_taken_away() {
    let mut desk = chain();
    let before = desk.state.clone();
    for operation in [disable("base"), uninstall("base")] {
        let error = desk.refused(&operation);
        assert_eq!(error.code(), "HAS_DEPENDENTS");
        let text = error.to_string();
        for name in ["mid", "top", "side"] {
            assert!(text.contains(name), "{text}");
        }
        assert!(error.hints()[0].ends_with("base --cascade"));
    }
    assert_eq!(desk.state, before);
    desk.run(&disable("top"));
    desk.run(&disable("mid"));
    let error = desk.refused(&disable("base"));
    assert_eq!(error.to_string(), "base is needed by side");
}

#[test]
fn c09_cascade_takes_dependents_first() {
    for (operation, word) in [
        (disable("base"), "disabled"),
        (uninstall("base"), "uninstalled"),
    ] {
        let mut desk = chain();
        let plan = desk.run(&cascading(operation));
        let stops: Vec<_> = plan.stops().iter().map(PluginId::as_str).collect();
        let at = |name: &str| stops.iter().position(|stop| *stop == name).unwrap();
        assert!(at("top") < at("mid") && at("mid") < at("base") && at("side") < at("base"));
        assert_eq!(stops.len(), 4);
        assert!(plan.result().message.contains(&format!(" Also {word}: ")));
        assert_eq!(desk.state.start_order(), Vec::<PluginId>::new());
    }
}

#[test]
fn c09_cascade_leaves_the_others_alone() {
    let mut desk = chain();
    desk.run(&plugin("free").install());
    desk.run(&cascading(uninstall("mid")));
    assert!(desk.is_enabled("base") && desk.is_enabled("side") && desk.is_enabled("free"));
    assert!(desk.state.entry(&id("top")).is_none());
}

#[test]
fn a_long_chain_of_dependencies_does_not_overflow() {
    let mut desk = Desk::with(&[plugin("p0")]);
    for n in 1..400 {
        let needs = format!("p{}", n - 1);
        let state = keyway_host::catalog::decide(
            &desk.state,
            &plugin(&format!("p{n}")).needs(&[&needs]).install(),
            5_000,
        );
        match state {
            Ok(plan) => desk.state = plan.next().clone(),
            // A few of these names look alike; the chain goes on from the last that did not.
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(desk.state.dependents_first(&id("p0")).len(), 399);
    assert_eq!(desk.state.start_order().first(), Some(&id("p0")));
}
