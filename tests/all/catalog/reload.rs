use std::collections::BTreeMap;

use keyway_host::catalog::{Approval, Authority, Candidate, Operation};
use keyway_host::digest::Digest;
use keyway_host::rank::Trust;
use keyway_plugin_api::{Slot, ToolName};
use serde_json::json;

use super::support::{Desk, Draft, approve, approve_with, deny, disable, id, operator, plugin};

fn old() -> Draft {
    plugin("tools").tools(&["search"]).asks(json!([
        { "kind": "network", "hosts": ["a.example", "b.example"] },
        { "kind": "secret", "names": ["TOKEN"], "optional": true },
    ]))
}

fn approved() -> Desk {
    let mut desk = Desk::new();
    desk.run(&old().install());
    desk.run(&approve_with("tools", Approval::by(operator()).with_all()));
    desk
}

#[test]
fn l13_a_narrower_update_carries_grants_over_without_a_question() {
    let mut desk = approved();
    let narrower = old().version("1.1.0").asks(json!([
        { "kind": "network", "hosts": ["a.example"] },
    ]));
    let mut plan = desk.run(&narrower.reload());
    assert_eq!(plan.result().message, "Reloaded tools. Downtime: 0ms.");
    plan.note_downtime(42);
    assert_eq!(plan.result().message, "Reloaded tools. Downtime: 42ms.");
    assert_eq!(plan.starts(), [id("tools")]);
    assert_eq!(plan.stops(), [id("tools")]);
    assert_eq!(desk.granted("tools"), ["network:a.example"]);
    let entry = desk.entry("tools");
    assert_eq!(entry.manifest.version.to_string(), "1.1.0");
    assert!(entry.keyway.pending_update.is_none());
    let digest = entry.keyway.declared.digest;
    assert!(
        entry
            .keyway
            .grants
            .iter()
            .all(|grant| grant.digest == digest),
        "re-pinned"
    );
}

#[test]
fn l13_a_wider_update_waits_while_the_old_version_serves() {
    let mut desk = approved();
    let before = desk.entry("tools").clone();
    let wider = old().version("2.0.0").asks(json!([
        { "kind": "network", "hosts": ["a.example", "b.example", "c.example"] },
    ]));
    let plan = desk.run(&wider.reload());
    assert!(plan.starts().is_empty() && plan.stops().is_empty());
    assert_eq!(
        plan.result().message,
        "tools 2.0.0 waits for approval: + network:c.example. Version 1.0.0 goes on."
    );
    let entry = desk.entry("tools");
    assert!(entry.enabled);
    assert_eq!(entry.manifest, before.manifest);
    assert_eq!(entry.keyway.grants, before.keyway.grants);
    assert_eq!(
        entry.keyway.pending_update.as_ref().unwrap().diff,
        ["+ network:c.example"]
    );

    let plan = desk.run(&approve("tools"));
    assert_eq!(plan.starts(), [id("tools")]);
    let entry = desk.entry("tools");
    assert_eq!(entry.manifest.version.to_string(), "2.0.0");
    assert!(entry.keyway.pending_update.is_none());
    let hosts = [
        "network:a.example",
        "network:b.example",
        "network:c.example",
    ];
    assert_eq!(desk.granted("tools"), hosts);
}

#[test]
fn settlement_22_every_change_that_needs_a_look_waits() {
    let cases: [(Draft, &str); 8] = [
        (
            old().tools(&["search", "write"]),
            "+ contributes tool:write",
        ),
        (old().needs(&["base"]), "+ dependency base"),
        (old().slot("memory"), "~ slot: custom -> memory"),
        (
            old().with(
                "runtime",
                json!({ "kind": "process", "command": "./bin/other" }),
            ),
            "~ launch: process \"./bin/tools\" -> process \"./bin/other\"",
        ),
        (
            old().with(
                "runtime",
                json!({ "kind": "process", "command": "./bin/tools", "args": ["-c", "id"] }),
            ),
            "~ launch: process \"./bin/tools\" -> process \"./bin/tools\" \"-c\" \"id\"",
        ),
        (
            old().asks(json!([
                { "kind": "network", "hosts": ["a.example", "b.example"] },
                { "kind": "secret", "names": ["TOKEN"] },
            ])),
            "! secret:TOKEN (now required)",
        ),
        (
            old().asks(json!([{ "kind": "network", "hosts": ["*.example"] }])),
            "+ network:*.example",
        ),
        (
            old().with(
                "contributes",
                json!({ "tools": ["search"], "hooks": ["pre_tool_call"] }),
            ),
            "+ contributes hook:PreToolCall",
        ),
    ];
    for (update, line) in cases {
        let mut desk = approved();
        desk.run(&plugin("base").install());
        desk.run(&update.version("1.0.1").reload());
        let entry = desk.entry("tools");
        let waiting = entry.keyway.pending_update.as_ref();
        let diff = &waiting
            .unwrap_or_else(|| panic!("{line}: did not wait"))
            .diff;
        assert!(diff.iter().any(|l| l == line), "{line} is not in {diff:?}");
        assert_eq!(entry.manifest.version.to_string(), "1.0.0", "{line}");
    }
}

#[test]
fn a_denied_update_is_dropped_and_the_old_version_goes_on() {
    let mut desk = approved();
    let wider = old().version("2.0.0").tools(&["search", "write"]);
    desk.run(&wider.reload());
    let plan = desk.run(&deny("tools", &[]));
    assert_eq!(
        plan.result().message,
        "Denied the update of tools to 2.0.0. What was approved stays."
    );
    assert!(plan.stops().is_empty());
    assert!(desk.is_enabled("tools"));
    assert!(desk.entry("tools").keyway.pending_update.is_none());
}

#[test]
fn c10_a_reload_that_cannot_be_leaves_everything_as_it_was() {
    let mut desk = approved();
    desk.run(&plugin("user").needs(&["tools@^1"]).install());
    let before = desk.state.clone();
    let other_name = Operation::Reload {
        plugin: id("tools"),
        candidate: Box::new(plugin("impostor").candidate()),
    };
    for (operation, text) in [
        (
            other_name,
            "reload of tools failed at validate: the manifest names impostor",
        ),
        (
            old().needs(&["ghost"]).reload(),
            "reload of tools failed at resolve: it needs ghost (not installed)",
        ),
        (
            old().version("2.0.0").reload(),
            "reload of tools failed at resolve: user needs tools@^1, which 2.0.0 is not",
        ),
    ] {
        let error = desk.refused(&operation);
        assert_eq!(error.code(), "RELOAD_FAILED");
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(desk.state, before);
}

#[test]
fn c11_reload_of_a_plugin_that_is_not_enabled_is_refused() {
    let mut desk = approved();
    desk.run(&disable("tools"));
    assert_eq!(desk.refused(&old().reload()).code(), "NOT_ENABLED");
    let mut desk = Desk::new();
    desk.run(&old().install());
    assert_eq!(desk.refused(&old().reload()).code(), "APPROVAL_PENDING");
}

#[test]
fn an_update_of_a_waiting_plugin_replaces_what_waits() {
    let mut desk = Desk::new();
    desk.run(&old().install());
    let newer = old().version("1.2.0");
    desk.run(&Operation::Update {
        plugin: id("tools"),
        candidate: Box::new(newer.candidate()),
    });
    assert_eq!(desk.authority("tools"), Authority::PendingApproval);
    assert_eq!(desk.entry("tools").manifest.version.to_string(), "1.2.0");
    desk.run(&approve("tools"));
    assert!(desk.is_enabled("tools"));
}

#[test]
fn an_update_can_be_approved_in_the_same_step() {
    let mut desk = approved();
    let wider = old().version("2.0.0").asks(json!([
        { "kind": "network", "hosts": ["c.example"] },
    ]));
    desk.run(&Operation::Reload {
        plugin: id("tools"),
        candidate: Box::new(wider.candidate().with_approval(Approval::by(operator()))),
    });
    assert_eq!(desk.granted("tools"), ["network:c.example"]);
    assert_eq!(desk.entry("tools").manifest.version.to_string(), "2.0.0");
}

#[test]
fn an_update_that_moves_to_another_slot_competes_for_it() {
    let mut desk = approved();
    desk.run(&plugin("keeper").slot("memory").workspace().install());
    desk.run(&old().slot("memory").version("1.1.0").reload());
    desk.run(&approve("tools"));
    assert_eq!(desk.holder(Slot::Memory), Some("keeper"));
    assert!(!desk.is_enabled("tools"), "it lost, and runs nowhere");
    assert!(desk.entry("tools").keyway.disabled_reason.is_some());
}

fn pins(definitions: &[(&str, &str)]) -> BTreeMap<ToolName, Digest> {
    let pin =
        |(name, text): &(&str, &str)| (ToolName::parse(name).unwrap(), Digest::of(text.as_bytes()));
    definitions.iter().map(pin).collect()
}

fn pin(definitions: &[(&str, &str)]) -> Operation {
    Operation::PinTools {
        plugin: id("tools"),
        pins: pins(definitions),
        changes: Vec::new(),
    }
}

#[test]
fn s_d5_a_changed_tool_definition_takes_the_approval_back() {
    for (changed, line) in [
        (vec![("search", "two")], "~ tool search: another definition"),
        (vec![("search", "one"), ("write", "new")], "+ tool write"),
    ] {
        let mut desk = approved();
        desk.run(&pin(&[("search", "one")]));
        assert!(!desk.run(&pin(&[("search", "one")])).changes_anything());
        let plan = desk.run(&pin(&changed));
        assert_eq!(desk.authority("tools"), Authority::PendingApproval);
        assert_eq!(plan.stops(), [id("tools")]);
        assert!(!desk.is_enabled("tools"));
        let entry = desk.entry("tools");
        assert_eq!(
            entry.keyway.declared.tool_pins,
            pins(&[("search", "one")]),
            "old pin kept"
        );
        assert_eq!(entry.keyway.pending_update.as_ref().unwrap().diff, [line]);

        desk.run(&approve("tools"));
        assert!(desk.is_enabled("tools"));
        assert_eq!(
            desk.entry("tools").keyway.declared.tool_pins,
            pins(&changed)
        );
    }
}

/// The control of the test above: the same definitions change nothing, fewer take nothing back.
#[test]
fn s_d5_control_unchanged_definitions_keep_the_approval() {
    let mut desk = approved();
    desk.run(&pin(&[("search", "one"), ("list", "two")]));
    for same in [
        vec![("list", "two"), ("search", "one")],
        vec![("search", "one")],
    ] {
        assert!(!desk.run(&pin(&same)).changes_anything());
    }
    assert!(desk.is_enabled("tools"));
}

#[test]
fn s_d5_the_definitions_of_a_new_version_are_compared_too() {
    let mut desk = approved();
    desk.run(&pin(&[("search", "one")]));
    let candidate = |text: &str| -> Candidate {
        let pinned = pins(&[("search", text)]);
        old().version("1.0.1").candidate().with_tool_pins(pinned)
    };
    let reload = |candidate| Operation::Reload {
        plugin: id("tools"),
        candidate: Box::new(candidate),
    };
    assert_eq!(desk.run(&reload(candidate("one"))).starts(), [id("tools")]);
    assert!(desk.run(&reload(candidate("two"))).starts().is_empty());
    let entry = desk.entry("tools");
    assert_eq!(
        entry.keyway.pending_update.as_ref().unwrap().diff,
        ["~ tool search: another definition"]
    );
}

#[test]
fn denying_changed_definitions_denies_the_plugin() {
    let mut desk = approved();
    desk.run(&pin(&[("search", "one")]));
    desk.run(&pin(&[("search", "two")]));
    desk.run(&deny("tools", &[]));
    assert_eq!(desk.authority("tools"), Authority::Denied);
}

#[test]
fn a_builtin_updates_freely_and_only_from_a_builtin_source() {
    let core = plugin("core").runs().trusted_as(Trust::Builtin);
    let wider = core.clone().version("1.1.0").tools(&["more"]);
    let mut desk = Desk::with(&[]);
    desk.run(&core.install());
    desk.run(&wider.reload());
    assert_eq!(desk.entry("core").manifest.version.to_string(), "1.1.0");
    let foreign = wider.version("1.2.0").trusted_as(Trust::Community);
    desk.run(&foreign.reload());
    let entry = desk.entry("core");
    assert_eq!(entry.manifest.version.to_string(), "1.1.0");
    assert_eq!(
        entry.keyway.pending_update.as_ref().unwrap().diff,
        ["! trust: builtin -> community"]
    );
}

#[test]
fn a_plugin_that_loses_its_new_slot_takes_those_that_need_it_along() {
    let mut desk = approved();
    desk.run(&plugin("keeper").slot("memory").workspace().install());
    desk.run(&plugin("friend").needs(&["tools"]).install());
    desk.run(&old().slot("memory").version("1.1.0").reload());
    let plan = desk.run(&approve("tools"));
    assert!(!desk.is_enabled("friend") && !desk.is_enabled("tools"));
    assert!(plan.stops().contains(&id("friend")));
    assert!(plan.starts().is_empty());
}

#[test]
fn an_update_of_a_waiting_plugin_can_be_approved_in_the_same_step() {
    let mut desk = Desk::new();
    desk.run(&old().install());
    let candidate = old().version("1.2.0").candidate();
    desk.run(&Operation::Update {
        plugin: id("tools"),
        candidate: Box::new(candidate.with_approval(Approval::by(operator()))),
    });
    assert!(desk.is_enabled("tools"));
    assert_eq!(desk.granted("tools").len(), 2);
}
