//! Replaying the trail gives the catalog.

use keyway_host::audit::{AuditEvent, AuditSink, Change, Recorded, replay};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use super::support::{Scene, called, plugin};

#[test]
fn replaying_gives_the_catalog_of_the_committed_operations() {
    let first = json!({
        "schemaVersion": 1,
        "entries": {"grok-llm": {"enabled": true, "slot": "llm"}},
        "slotAssignments": {"llm": "grok-llm"},
        "lastModifiedMs": 1,
    });
    let second = json!({
        "schemaVersion": 1,
        "entries": {
            "deepseek-llm": {"enabled": true, "slot": "llm", "dependencies": null},
            "grok-llm": {"enabled": false, "slot": "llm"},
        },
        "slotAssignments": {"llm": "deepseek-llm"},
        "lastModifiedMs": 2,
        "keyway": {"a/b~c": [1, 2]},
    });
    let scene = Scene::new();
    let audit = scene.open();
    audit.record(committed(1, Change::between(&json!({}), &first)));
    audit.record(called(1));
    audit.record(AuditEvent::OperationIntended {
        plugin: plugin("deepseek-llm"),
        operation: "install".into(),
        by: None,
        revision: 2,
    });
    audit.record(committed(2, Change::between(&first, &second)));
    audit.record(AuditEvent::OperationAborted {
        plugin: plugin("deepseek-llm"),
        operation: "enable".into(),
        by: None,
        revision: 3,
        why: "the disk is full".into(),
    });
    audit.flush().unwrap();
    assert_eq!(scene.trail().replay().unwrap(), second);
}

#[test]
fn the_revision_decides_where_hosts_recorded_out_of_order() {
    let at = |n: u64| json!({"keyway": {"revision": n}});
    let step = |n: u64| committed(n, Change::new().set("/keyway", at(n)["keyway"].clone()));
    let first = committed(
        1,
        Change::new().set("/keyway", json!({})).set("/a", json!(1)),
    );
    let table = [
        (vec![1, 2, 3], 3),
        (vec![3, 1, 2], 3),
        (vec![2, 3, 1], 3),
        // A trail that began later, and one that lost a record.
        (vec![7, 6], 7),
        (vec![1, 4, 3], 4),
    ];
    for (order, last) in table {
        let events: Vec<_> = order
            .iter()
            .map(|n| if *n == 1 { first.clone() } else { step(*n) })
            .collect();
        assert_eq!(replay(&events)["keyway"], at(last)["keyway"], "{order:?}");
    }
}

/// Both ways to read a trail tell the same, also of texts that look like members of a record.
#[test]
fn how_far_a_trail_goes_is_told_without_its_catalog() {
    let at = |n: u64| json!({"revision": n});
    let odd = |n: u64| AuditEvent::OperationCommitted {
        plugin: plugin("notes"),
        operation: r#"x","revision":99,"y":""#.into(),
        by: None,
        revision: n,
        message: r#"","revision":98,""#.into(),
        change: Box::new(Change::new().set("/keyway", at(n))),
    };
    let repaired = |n: u64| AuditEvent::CatalogRepaired {
        what: "a change was not recorded".into(),
        kept: None,
        change: Box::new(Change::new().set("/keyway/revision", json!(n))),
    };
    let table = [
        (vec![], (0, false)),
        (vec![odd(1), odd(2), called(7), odd(3)], (3, false)),
        (vec![odd(1), odd(3), odd(2)], (3, false)),
        (vec![odd(1), odd(3)], (3, true)),
        (vec![odd(7)], (7, true)),
        (vec![odd(1), odd(3), repaired(3)], (3, false)),
        (vec![odd(1), repaired(5), odd(6)], (6, false)),
        (vec![odd(1), repaired(5), odd(4)], (5, false)),
    ];
    for (events, want) in table {
        let scene = Scene::new();
        let audit = scene.open();
        events.iter().for_each(|event| audit.record(event.clone()));
        audit.flush().unwrap();
        let recorded = scene.trail().recorded().unwrap();
        assert_eq!((recorded.revision, recorded.has_gap), want, "{events:?}");
        let replayed = scene.trail().replayed().unwrap();
        assert_eq!(recorded, Recorded::from(&replayed), "{events:?}");
    }
}

#[test]
fn a_change_names_places_and_nulls_exactly() {
    let cases = [
        (json!({}), json!({"a": null})),
        (json!({"a": null}), json!({})),
        (json!({"a": {"b": 1}}), json!({"a": {}})),
        (json!({"a": [1]}), json!({"a": [1, 2]})),
        (
            json!({"/": {"~": 1}}),
            json!({"/": {"~": 2, "~1": 3}, "": 4}),
        ),
        (json!({"a": 1}), json!("text")),
        (json!("text"), json!({"a": {"": {}}})),
    ];
    for (before, after) in cases {
        let change = Change::between(&before, &after);
        assert!(!change.is_empty(), "{before} to {after}");
        assert_eq!(change.applied_to(before), after, "{change:?}");
    }
}

proptest! {
    #[test]
    fn a_change_between_any_documents_leads_from_one_to_the_other(
        before in document(), after in document(),
    ) {
        let change = Change::between(&before, &after);
        prop_assert_eq!(change.is_empty(), before == after);
        let text = serde_json::to_string(&change).unwrap();
        let read: Change = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read.applied_to(before), after);
    }

    #[test]
    fn replaying_any_history_gives_its_last_state(states in proptest::collection::vec(catalog(), 1..12)) {
        let mut events = Vec::new();
        let mut before = json!({});
        for (revision, after) in states.iter().enumerate() {
            events.push(called(revision as u64));
            events.push(committed(revision as u64, Change::between(&before, after)));
            before = after.clone();
        }
        prop_assert!(replay(&events) == before);
    }
}

fn committed(revision: u64, change: Change) -> AuditEvent {
    AuditEvent::OperationCommitted {
        plugin: plugin("deepseek-llm"),
        operation: "install".into(),
        by: None,
        revision,
        message: "Installed deepseek-llm.".into(),
        change: Box::new(change),
    }
}

fn catalog() -> impl Strategy<Value = Value> {
    document().prop_filter("a catalog is an object", Value::is_object)
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c/~]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from);
        let members = proptest::collection::btree_map("[a-c/~]{0,2}", inner, 0..4);
        prop_oneof![list, members.prop_map(|m| Value::Object(Map::from_iter(m)))]
    })
}
