use keyway_host::catalog::{Operation, StateDecision};
use keyway_plugin_api::Slot;
use serde_json::json;

use super::support::{Desk, disable, enable, id, plugin, uninstall};

#[test]
fn c01_install_disable_enable_list() {
    let mut desk = Desk::new();
    let installed = desk.run(&plugin("beta").install());
    assert_eq!(installed.result().message, "Installed beta (slot: custom).");
    assert_eq!(installed.starts(), [id("beta")]);
    assert!(desk.is_enabled("beta"));

    let twice = desk.refused(&plugin("beta").install());
    assert_eq!(twice.code(), "ALREADY_INSTALLED");
    assert_eq!(twice.plugin_id(), Some(&id("beta")));

    let disabled = desk.run(&disable("beta"));
    assert_eq!(disabled.result().message, "Disabled beta.");
    assert_eq!(disabled.stops(), [id("beta")]);
    assert!(!desk.is_enabled("beta"));
    let enabled = desk.run(&enable("beta"));
    assert_eq!(enabled.result().message, "Enabled beta (slot: custom).");
    assert!(desk.is_enabled("beta"));

    desk.run(&plugin("alpha").install());
    desk.run(&plugin("zeta").workspace().install());
    desk.run(&plugin("core").builtin().install());
    let listed: Vec<_> = desk.state.listed().map(|(id, _)| id.as_str()).collect();
    assert_eq!(listed, ["zeta", "alpha", "beta", "core"]);
}

#[test]
fn c01_an_unknown_id_is_not_found_by_any_operation() {
    let mut desk = Desk::new();
    for operation in [
        enable("ghost"),
        disable("ghost"),
        uninstall("ghost"),
        plugin("ghost").reload(),
        super::support::approve("ghost"),
        super::support::deny("ghost", &[]),
        super::support::revoke("ghost"),
    ] {
        let error = desk.refused(&operation);
        assert_eq!(error.code(), "PLUGIN_NOT_FOUND", "{operation:?}");
        assert_eq!(error.hints(), ["keyway plugin list"]);
    }
}

#[test]
fn c07_uninstall_stops_once_and_frees_the_slot() {
    let mut desk = Desk::with(&[plugin("otel-telemetry").slot("telemetry")]);
    assert_eq!(desk.holder(Slot::Telemetry), Some("otel-telemetry"));
    let plan = desk.run(&uninstall("otel-telemetry"));
    assert_eq!(
        plan.result().message,
        "Uninstalled otel-telemetry. Catalog entry removed."
    );
    assert_eq!(plan.stops(), [id("otel-telemetry")]);
    assert!(plan.result().new_state.is_none());
    assert!(plan.result().previous_state.is_some());
    assert_eq!(desk.holder(Slot::Telemetry), None);
    assert!(desk.state.entries.is_empty());
    let again = desk.refused(&uninstall("otel-telemetry"));
    assert_eq!(again.code(), "PLUGIN_NOT_FOUND");
}

#[test]
fn c07_a_disabled_plugin_is_uninstalled_without_a_stop() {
    let mut desk = Desk::with(&[plugin("notes")]);
    desk.run(&disable("notes"));
    assert!(desk.run(&uninstall("notes")).stops().is_empty());
}

#[test]
fn c13_enabling_the_enabled_and_disabling_the_disabled_change_nothing() {
    let mut desk = Desk::with(&[plugin("notes")]);
    let before = desk.state.clone();
    assert_eq!(desk.refused(&enable("notes")).code(), "ALREADY_ENABLED");
    assert_eq!(desk.state, before);
    desk.run(&disable("notes"));
    let before = desk.state.clone();
    assert_eq!(desk.refused(&disable("notes")).code(), "ALREADY_DISABLED");
    assert_eq!(desk.state, before, "timestamps are untouched");
}

#[test]
fn disabling_the_holder_of_a_slot_says_so() {
    let mut desk = Desk::with(&[plugin("otel-telemetry").slot("telemetry")]);
    let plan = desk.run(&disable("otel-telemetry"));
    assert_eq!(
        plan.result().message,
        "Disabled otel-telemetry. Slot telemetry is now unoccupied."
    );
}

#[test]
fn results_carry_the_entries_before_and_after() {
    let mut desk = Desk::new();
    let install = desk.run(&plugin("notes").install());
    let result = serde_json::to_value(install.result()).unwrap();
    assert_eq!(result["success"], json!(true));
    assert_eq!(result["pluginId"], json!("notes"));
    assert_eq!(result["operation"], json!("install"));
    assert!(result.get("previousState").is_none());
    assert_eq!(result["newState"]["enabled"], json!(true));
    assert_eq!(result["newState"]["precedence"], json!(1));
    let disable = desk.run(&disable("notes"));
    let result = serde_json::to_value(disable.result()).unwrap();
    assert_eq!(result["previousState"]["enabled"], json!(true));
    assert_eq!(result["newState"]["enabled"], json!(false));
}

#[test]
fn a_plan_changes_nothing_until_it_is_applied() {
    let desk = Desk::with(&[plugin("notes")]);
    let plan = keyway_host::catalog::decide(&desk.state, &disable("notes"), 9_000).unwrap();
    assert_eq!(plan.base_revision(), desk.state.revision());
    assert_eq!(plan.next().revision(), desk.state.revision() + 1);
    assert!(desk.is_enabled("notes"));
    assert_eq!(plan.to_string(), "Disabled notes.\n  stop notes\n");
    let shown = serde_json::to_value(&plan).unwrap();
    assert_eq!(shown["operation"]["do"], json!("disable"));
    assert_eq!(shown["stops"], json!(["notes"]));
}

#[test]
fn removing_a_plugin_that_owns_state_needs_a_decision() {
    let keeper = plugin("keeper").with("state", json!({ "owns": true, "version": 1 }));
    let mut desk = Desk::with(&[keeper]);
    let undecided = desk.refused(&uninstall("keeper"));
    assert_eq!(undecided.code(), "STATE_UNDECIDED");
    assert_eq!(undecided.hints().len(), 2);
    let plan = desk.run(&Operation::Uninstall {
        plugin: id("keeper"),
        cascade: false,
        state: Some(StateDecision::Export),
    });
    assert_eq!(plan.removals(), [(id("keeper"), StateDecision::Export)]);
}

#[test]
fn names_that_look_like_an_installed_one_are_refused() {
    let mut desk = Desk::with(&[plugin("mail-01")]);
    for look_alike in ["mai1-01", "mail-o1", "mail-0l", "rnail-01"] {
        let error = desk.refused(&plugin(look_alike).install());
        assert_eq!(error.code(), "NAME_CONFUSABLE", "{look_alike}");
    }
    for other in ["mail-02", "mails-01", "nail-01"] {
        desk.run(&plugin(other).install());
    }
}
