use keyway_host::catalog::CatalogState;
use serde_json::Value;

use super::support::{Desk, disable, plugin};
use crate::support::SOURCE_002_EXAMPLE as EXAMPLE;

#[test]
fn c14_the_example_of_source_002_comes_back_byte_for_byte() {
    let mut state: CatalogState = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(state.to_json().unwrap(), EXAMPLE);
    assert_eq!(state.repair(), []);
}

#[test]
fn c14_a_change_keeps_the_layout_and_adds_only_keyways_own_field() {
    let mut desk = Desk::new();
    desk.state = serde_json::from_str(EXAMPLE).unwrap();
    desk.now_ms = 1_707_580_900_000;
    desk.run(&disable("grok-llm"));
    let mut text: Value = serde_json::from_str(&desk.state.to_json().unwrap()).unwrap();
    let mut example: Value = serde_json::from_str(EXAMPLE).unwrap();
    text.as_object_mut().unwrap().remove("keyway").unwrap();
    example["entries"]["grok-llm"]["enabled"] = false.into();
    example["entries"]["grok-llm"]["lastModifiedMs"] = desk.now_ms.into();
    example["slotAssignments"] = serde_json::json!({ "memory": "sqlite-memory" });
    example["lastModifiedMs"] = desk.now_ms.into();
    assert_eq!(text, example);
}

#[test]
fn unknown_fields_are_kept_wherever_they_stand() {
    let mut document: Value = serde_json::from_str(EXAMPLE).unwrap();
    for place in ["", "/entries/grok-llm", "/entries/grok-llm/manifest"] {
        let object = document
            .pointer_mut(place)
            .unwrap()
            .as_object_mut()
            .unwrap();
        object.insert(
            "future".to_owned(),
            serde_json::json!({ "deep": [1, 2.5, null] }),
        );
    }
    document["keyway"] = serde_json::json!({ "revision": 7, "future": true });
    document["entries"]["grok-llm"]["keyway"] = serde_json::json!({ "future": "x" });
    let mut desk = Desk::new();
    desk.state = serde_json::from_value(document.clone()).unwrap();
    desk.run(&plugin("notes").install());
    let after: Value = serde_json::from_str(&desk.state.to_json().unwrap()).unwrap();
    for place in [
        "/future",
        "/entries/grok-llm/future",
        "/entries/grok-llm/manifest/future",
        "/entries/grok-llm/keyway/future",
        "/keyway/future",
    ] {
        assert_eq!(after.pointer(place), document.pointer(place), "{place}");
        assert!(after.pointer(place).is_some(), "{place}");
    }
    assert_eq!(after["keyway"]["revision"], 8);
}

#[test]
fn a_key_that_comes_twice_is_refused() {
    for (from, to) in [
        (
            "\"sqlite-memory\": {\n      \"manifest\"",
            "\"grok-llm\": {\n      \"manifest\"",
        ),
        (
            "\"memory\": \"sqlite-memory\"",
            "\"llm\": \"sqlite-memory\"",
        ),
        (
            "\"enabled\": true,",
            "\"enabled\": true, \"enabled\": false,",
        ),
    ] {
        let twice = EXAMPLE.replacen(from, to, 1);
        assert_ne!(twice, EXAMPLE);
        let error = serde_json::from_str::<CatalogState>(&twice).unwrap_err();
        assert!(error.to_string().contains("duplicate"), "{error}");
    }
}

#[test]
fn a_dangling_slot_is_freed_and_said() {
    let dangling = EXAMPLE.replace("\"llm\": \"grok-llm\"", "\"llm\": \"gone-llm\"");
    let mut state: CatalogState = serde_json::from_str(&dangling).unwrap();
    let events = state.repair();
    let said: Vec<_> = events.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "slot llm was assigned to gone-llm, which cannot hold it",
            "slot llm was not assigned; grok-llm is enabled for it",
        ]
    );
    assert!(events.iter().all(|event| event.code == "SLOT_REPAIRED"));
    assert_eq!(state.repair(), [], "once");
    assert_eq!(
        state.to_json().unwrap(),
        EXAMPLE,
        "as it was before the damage"
    );
}

#[test]
fn a_forged_state_is_cut_down_to_what_the_rules_allow() {
    let mut desk = Desk::with(&[plugin("base"), plugin("mid").needs(&["base"])]);
    desk.run(&plugin("top").needs(&["mid"]).install());
    let mut forged: Value = serde_json::to_value(&desk.state).unwrap();
    forged["entries"]["base"]["keyway"]["authority"] = "pending_approval".into();
    let mut state: CatalogState = serde_json::from_value(forged).unwrap();
    let events = state.repair();
    assert_eq!(events.len(), 3);
    assert!(state.entries.values().all(|entry| !entry.enabled));
}

#[test]
fn of_two_enabled_for_one_slot_the_higher_keeps_it() {
    let mut desk = Desk::with(&[plugin("user-llm").slot("llm")]);
    desk.run(&plugin("core-llm").slot("llm").builtin().install());
    let mut forged: Value = serde_json::to_value(&desk.state).unwrap();
    forged["entries"]["core-llm"]["enabled"] = true.into();
    for assignments in [
        serde_json::json!({}),
        serde_json::json!({ "llm": "user-llm" }),
    ] {
        forged["slotAssignments"] = assignments;
        let mut state: CatalogState = serde_json::from_value(forged.clone()).unwrap();
        assert_ne!(state.repair(), []);
        let enabled: Vec<_> = state.listed().filter(|(_, entry)| entry.enabled).collect();
        assert_eq!(enabled.len(), 1);
        assert_eq!(enabled[0].0.as_str(), "user-llm");
        assert_eq!(state.repair(), [], "once");
    }
}
