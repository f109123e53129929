use keyway_host::rank::Trust;
use keyway_plugin_api::Slot;
use serde_json::json;

use super::support::{Desk, disable, enable, id, plugin};

fn grok() -> super::support::Draft {
    plugin("grok-llm").slot("llm").builtin()
}

fn deepseek() -> super::support::Draft {
    plugin("deepseek-llm").slot("llm")
}

fn rows(desk: &Desk) -> Vec<String> {
    let row = |(id, entry): (
        &keyway_plugin_api::PluginId,
        &keyway_host::catalog::CatalogEntry,
    )| {
        let status = if entry.enabled { "enabled" } else { "disabled" };
        let slot = entry.slot.map_or("-", Slot::as_str);
        format!("{id} {slot} {status} {}", entry.precedence)
    };
    desk.state.listed().map(row).collect()
}

#[test]
fn c02_user_displaces_builtin() {
    let mut desk = Desk::with(&[grok()]);
    let plan = desk.run(&deepseek().install());
    assert_eq!(
        rows(&desk),
        [
            "deepseek-llm llm enabled user",
            "grok-llm llm disabled builtin"
        ]
    );
    assert_eq!(
        plan.result().message,
        "Installed deepseek-llm (slot: llm). Displaced grok-llm (lower precedence)."
    );
    assert_eq!(
        serde_json::to_value(plan.collision()).unwrap(),
        json!({
            "slot": "llm",
            "incumbentId": "grok-llm",
            "incumbentPrecedence": 2,
            "challengerId": "deepseek-llm",
            "challengerPrecedence": 1,
            "willDisplace": true,
        })
    );
    assert_eq!(plan.starts(), [id("deepseek-llm")]);
    assert_eq!(plan.stops(), [id("grok-llm")]);
    assert_eq!(plan.displaced(), Some(&id("grok-llm")));
    assert_eq!(plan.events()[0].code, "SLOT_COLLISION");
    assert_eq!(desk.holder(Slot::Llm), Some("deepseek-llm"));
}

#[test]
fn c03_disabling_the_challenger_promotes_nobody() {
    let mut desk = Desk::with(&[grok()]);
    desk.run(&deepseek().install());
    desk.run(&disable("deepseek-llm"));
    assert_eq!(desk.holder(Slot::Llm), None);
    assert!(!desk.is_enabled("grok-llm"));
    let plan = desk.run(&enable("grok-llm"));
    assert_eq!(plan.result().message, "Enabled grok-llm (slot: llm).");
    assert_eq!(desk.holder(Slot::Llm), Some("grok-llm"));
}

#[test]
fn c04_enable_lower_over_higher_and_equal_over_equal_is_refused() {
    let mut desk = Desk::with(&[grok()]);
    desk.run(&deepseek().install());
    let rival = plugin("ollama-llm").slot("llm");
    let losing = desk.run(&rival.install());
    assert!(!losing.collision().unwrap().will_displace);
    assert!(
        !desk.is_enabled("ollama-llm"),
        "a losing install succeeds disabled"
    );
    assert!(losing.starts().is_empty());
    let reason = desk.entry("ollama-llm").keyway.disabled_reason.clone();
    assert_eq!(
        reason.unwrap(),
        "slot llm is held by deepseek-llm (user), which ollama-llm (user) does not outrank"
    );
    let before = desk.state.clone();
    for loser in ["grok-llm", "ollama-llm"] {
        let error = desk.refused(&enable(loser));
        assert_eq!(error.code(), "SLOT_OCCUPIED", "{loser}");
        assert_eq!(error.plugin_id(), Some(&id(loser)));
        assert_eq!(
            error.hints(),
            [
                "keyway plugin disable deepseek-llm".to_owned(),
                format!("keyway plugin enable {loser}"),
            ]
        );
    }
    assert_eq!(desk.state, before);
}

#[test]
fn c05_enable_strictly_higher_displaces_and_says_whom() {
    let mut desk = Desk::with(&[deepseek(), grok()]);
    assert_eq!(desk.holder(Slot::Llm), Some("deepseek-llm"));
    desk.run(&disable("deepseek-llm"));
    desk.run(&enable("grok-llm"));
    let plan = desk.run(&enable("deepseek-llm"));
    assert_eq!(
        plan.result().message,
        "Enabled deepseek-llm (slot: llm). Displaced grok-llm (lower precedence)."
    );
}

#[test]
fn c06_custom_is_not_exclusive() {
    let desk = Desk::with(&[plugin("one"), plugin("two").slot("custom")]);
    assert!(desk.is_enabled("one") && desk.is_enabled("two"));
    assert!(desk.state.slot_assignments.is_empty());
}

#[test]
fn c15_an_unapproved_plugin_holds_no_slot_and_displaces_nobody() {
    let mut desk = Desk::with(&[grok()]);
    let intruder = plugin("free-llm").slot("llm").workspace().runs();
    let plan = desk.run(&intruder.install());
    assert!(plan.starts().is_empty() && plan.stops().is_empty());
    assert!(plan.collision().is_none());
    assert_eq!(
        plan.result().message,
        "Installed free-llm (slot: llm). It waits for approval."
    );
    assert_eq!(desk.holder(Slot::Llm), Some("grok-llm"));
    assert!(desk.is_enabled("grok-llm"));
    let error = desk.refused(&enable("free-llm"));
    assert_eq!(error.code(), "APPROVAL_PENDING");

    let plan = desk.run(&super::support::approve("free-llm"));
    assert_eq!(plan.displaced(), Some(&id("grok-llm")));
    assert_eq!(
        plan.result().message,
        "Approved free-llm: nothing was asked for. Enabled free-llm (slot: llm). \
         Displaced grok-llm (lower precedence)."
    );
    assert_eq!(desk.holder(Slot::Llm), Some("free-llm"));
}

#[test]
fn c15_trust_builtin_does_not_wait() {
    let core = plugin("core-llm").slot("llm").builtin().runs();
    let desk = Desk::with(&[]);
    let mut desk = desk;
    desk.run(&core.trusted_as(Trust::Builtin).install());
    assert!(desk.is_enabled("core-llm"));
}

#[test]
fn rank_never_implies_trust() {
    let mut desk = Desk::new();
    desk.run(&plugin("sly").builtin().runs().install());
    assert!(
        !desk.is_enabled("sly"),
        "precedence builtin is not trust builtin"
    );
}

/// The catalog's part of C16: a plan that is not applied leaves the incumbent alone.
#[test]
fn c16_nothing_is_displaced_before_the_challenger_has_started() {
    let desk = Desk::with(&[grok()]);
    let plan = keyway_host::catalog::decide(&desk.state, &deepseek().install(), 5_000).unwrap();
    assert_eq!(plan.starts(), [id("deepseek-llm")]);
    assert_eq!(desk.holder(Slot::Llm), Some("grok-llm"));
    assert!(desk.is_enabled("grok-llm"));
}

#[test]
fn c17_a_displaced_plugin_that_gives_tools_stays_live() {
    let giver = plugin("grok-llm").slot("llm").builtin().tools(&["ask"]);
    let mut desk = Desk::with(&[giver.trusted_as(Trust::Builtin)]);
    let plan = desk.run(&deepseek().install());
    assert_eq!(plan.displaced(), Some(&id("grok-llm")));
    assert!(plan.stops().is_empty(), "its tools stay");
    assert!(
        !desk.is_enabled("grok-llm"),
        "source 002: the incumbent is disabled"
    );
    assert!(desk.entry("grok-llm").is_live());
    assert!(desk.state.start_order().contains(&id("grok-llm")));

    let plan = desk.run(&disable("grok-llm"));
    assert_eq!(
        plan.stops(),
        [id("grok-llm")],
        "an operator can still stop it"
    );
    assert!(!desk.entry("grok-llm").is_live());
}

#[test]
fn a_displaced_plugin_that_gave_nothing_else_is_just_disabled() {
    let mut desk = Desk::with(&[grok()]);
    desk.run(&deepseek().install());
    assert!(!desk.entry("grok-llm").is_live());
    assert_eq!(
        desk.refused(&disable("grok-llm")).code(),
        "ALREADY_DISABLED"
    );
}

#[test]
fn a_slot_holder_that_others_need_is_not_displaced() {
    let helper = plugin("grok-helper").needs(&["grok-llm"]);
    let mut desk = Desk::with(&[grok(), helper]);
    desk.run(&deepseek().install());
    assert_eq!(desk.holder(Slot::Llm), Some("grok-llm"));
    assert!(!desk.is_enabled("deepseek-llm"));
    let error = desk.refused(&enable("deepseek-llm"));
    assert_eq!(error.code(), "HAS_DEPENDENTS");
    assert_eq!(error.to_string(), "grok-llm is needed by grok-helper");
}

#[test]
fn enabled_plugins_start_in_slot_order_needs_first() {
    let desk = Desk::with(&[
        plugin("tool-b").needs(&[]),
        plugin("proofs").slot("proof"),
        plugin("model").slot("llm"),
        plugin("store").slot("memory").needs(&["tool-b"]),
        plugin("metrics").slot("telemetry"),
        plugin("tool-a").workspace(),
    ]);
    let order = desk.state.start_order();
    let names: Vec<_> = order
        .iter()
        .map(keyway_plugin_api::PluginId::as_str)
        .collect();
    assert_eq!(
        names,
        ["metrics", "tool-b", "store", "model", "proofs", "tool-a"]
    );
}
