use keyway_host::catalog::{Authority, Operation};
use keyway_host::rank::Trust;
use keyway_plugin_api::Slot;
use serde_json::json;

use super::support::{
    Desk, Draft, approve, deny, disable, enable, id, operator, plugin, revoke, uninstall,
};

fn liar() -> Draft {
    plugin("liar").slot("memory").runs().asks(json!([
        { "kind": "network", "hosts": ["a.example"] },
    ]))
}

#[test]
fn l03_revocation_stops_frees_and_takes_every_grant() {
    let mut desk = Desk::with(&[liar(), plugin("friend").needs(&["liar"])]);
    let plan = desk.run(&revoke("liar"));
    assert_eq!(plan.stops(), [id("friend"), id("liar")], "dependents first");
    assert_eq!(desk.authority("liar"), Authority::Revoked);
    assert_eq!(desk.holder(Slot::Memory), None);
    assert_eq!(desk.granted("liar"), [""; 0]);
    assert!(!desk.is_enabled("friend"));
    let revocation = &desk.state.keyway.revocations[&id("liar")];
    assert_eq!(revocation.by, operator());
    assert_eq!(revocation.reason, "it lied");
    assert_eq!(revocation.at_ms, desk.now_ms);
    assert_eq!(revocation.grants.len(), 1, "what it took away is on record");
}

#[test]
fn l03_nothing_brings_a_revoked_plugin_back() {
    let mut desk = Desk::with(&[liar()]);
    desk.run(&revoke("liar"));
    let attempts = [
        liar().install(),
        liar().install_approved(),
        liar().version("9.9.9").install_approved(),
        liar().trusted_as(Trust::Builtin).install_approved(),
        liar().reload(),
        Operation::Update {
            plugin: id("liar"),
            candidate: Box::new(liar().version("2.0.0").candidate()),
        },
        approve("liar"),
        enable("liar"),
        disable("liar"),
        deny("liar", &[]),
        revoke("liar"),
    ];
    for operation in &attempts {
        let error = desk.refused(operation);
        assert_eq!(error.code(), "REVOKED", "{operation:?}");
        assert_eq!(error.to_string(), "liar was revoked by olga: it lied");
    }
    desk.run(&uninstall("liar"));
    assert!(desk.state.is_revoked(&id("liar")), "survives uninstalling");
    for operation in &attempts[..4] {
        assert_eq!(desk.refused(operation).code(), "REVOKED", "{operation:?}");
    }
}

#[test]
fn l03_a_cleared_revocation_lets_it_ask_again_and_no_more() {
    let mut desk = Desk::with(&[liar()]);
    desk.run(&revoke("liar"));
    let clear = Operation::ClearRevocation {
        plugin: id("liar"),
        by: operator(),
    };
    let plan = desk.run(&clear);
    assert_eq!(plan.events()[0].code, "REVOCATION_CLEARED");
    assert_eq!(desk.authority("liar"), Authority::PendingApproval);
    assert!(!desk.is_enabled("liar"));
    assert_eq!(desk.refused(&clear).code(), "NOT_REVOKED");
    desk.run(&approve("liar"));
    desk.run(&enable("liar"));
    assert!(desk.is_enabled("liar"));
}
