//! Plugin state: values, quotas, exports, damage.

use std::fs;
use std::sync::Arc;

use keyway_effects::EffectLimits;
use keyway_effects::state::{StateExport, StateFolder};
use keyway_plugin_api::{ToolError, ToolErrorKind};
use proptest::prelude::*;

use super::plugin;

fn states() -> (tempfile::TempDir, StateFolder) {
    let folder = tempfile::tempdir().unwrap();
    let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
    (folder, states)
}

#[test]
fn values_are_kept_apart_by_plugin_and_survive_a_restart() {
    let (folder, states) = states();
    let (a, b) = (plugin("a"), plugin("b"));
    states.plugin(&a, 100).unwrap().put("k", b"of a").unwrap();
    states.plugin(&b, 100).unwrap().put("k", b"of b").unwrap();
    drop(states);
    let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
    assert_eq!(
        states.plugin(&a, 100).unwrap().get("k").unwrap().unwrap(),
        b"of a"
    );
    let b = states.plugin(&b, 100).unwrap();
    assert_eq!(b.get("k").unwrap().unwrap(), b"of b");
    b.delete("k").unwrap();
    b.delete("k").unwrap();
    assert_eq!(b.get("k").unwrap(), None);
}

#[test]
fn keys_are_listed_by_prefix_and_sorted() {
    let (_folder, states) = states();
    let state = states.plugin(&plugin("a"), 1000).unwrap();
    for key in ["b/2", "a", "b/10", "b", "c", "ü/1", "b0"] {
        state.put(key, b"").unwrap();
    }
    assert_eq!(
        state.list("").unwrap(),
        ["a", "b", "b/10", "b/2", "b0", "c", "ü/1"]
    );
    assert_eq!(state.list("b/").unwrap(), ["b/10", "b/2"]);
    assert_eq!(state.list("ü").unwrap(), ["ü/1"]);
    assert!(state.list("z").unwrap().is_empty());
}

#[test]
fn cas_swaps_only_what_was_expected() {
    let (_folder, states) = states();
    let state = states.plugin(&plugin("a"), 100).unwrap();
    let steps = [
        (Some(""), "x", false),
        (None, "1", true),
        (None, "2", false),
        (Some("2"), "3", false),
        (Some("1"), "", true),
        (Some(""), "4", true),
    ];
    for (expected, value, swapped) in steps {
        let found = state.cas("k", expected.map(str::as_bytes), value.as_bytes());
        assert_eq!(found.unwrap(), swapped, "{expected:?}");
    }
    assert_eq!(state.get("k").unwrap().unwrap(), b"4");
}

#[test]
fn concurrent_cas_loses_no_update() {
    let (_folder, states) = states();
    let state = states.plugin(&plugin("a"), 100).unwrap();
    state.put("n", b"0").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let state = state.clone();
            scope.spawn(move || {
                let mut done = 0;
                while done < 25 {
                    let old = state.get("n").unwrap().unwrap();
                    let n: u32 = std::str::from_utf8(&old).unwrap().parse().unwrap();
                    let swapped = state.cas("n", Some(&old), (n + 1).to_string().as_bytes());
                    done += u32::from(swapped.unwrap());
                }
            });
        }
    });
    assert_eq!(state.get("n").unwrap().unwrap(), b"100");
}

#[test]
fn the_quota_bounds_keys_and_values_together() {
    let (_folder, states) = states();
    let state = states.plugin(&plugin("a"), 10).unwrap();
    state.put("k", b"123456789").unwrap();
    let refused = state.put("l", b"").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the state would grow to 11 bytes, and 10 are granted"
    );
    assert_eq!(
        state
            .cas("k", Some(b"123456789"), b"1234567890")
            .unwrap_err()
            .code(),
        "STATE_QUOTA"
    );
    assert_eq!(state.get("k").unwrap().unwrap(), b"123456789");
    state.put("k", b"1").unwrap();
    state.put("l", b"1234567").unwrap();
    // A quota that was lowered stops growth, and lets a plugin shrink.
    let state = states.plugin(&plugin("a"), 4).unwrap();
    assert!(state.put("l", b"12345678").is_err());
    state.put("l", b"123456").unwrap();
    state.delete("l").unwrap();
    let nothing = states.plugin(&plugin("b"), 0).unwrap();
    assert_eq!(
        ToolError::from(nothing.put("k", b"").unwrap_err()).kind,
        ToolErrorKind::Denied
    );
}

#[test]
fn keys_and_values_are_checked() {
    let (_folder, states) = states();
    let state = states.plugin(&plugin("a"), u64::MAX).unwrap();
    let long = "k".repeat(257);
    for key in ["", "a\0", "a\nb", "\u{202e}", "\u{1b}[2J", long.as_str()] {
        for code in [
            state.put(key, b"").unwrap_err().code(),
            state.get(key).unwrap_err().code(),
            state.delete(key).unwrap_err().code(),
            state.cas(key, None, b"").unwrap_err().code(),
        ] {
            assert_eq!(code, "BAD_STATE_KEY", "{key:?}");
        }
    }
    state.put(&long[..256], &vec![7; 1 << 20]).unwrap();
    assert_eq!(
        state.put("k", &vec![7; (1 << 20) + 1]).unwrap_err().code(),
        "STATE_VALUE_TOO_LARGE"
    );
    // A key is no path.
    state.put("../../etc/passwd", b"x").unwrap();
    assert_eq!(state.list("..").unwrap(), ["../../etc/passwd"]);
}

#[test]
fn an_export_is_readable_and_comes_back_as_it_was() {
    let (_folder, states) = states();
    let (a, b) = (plugin("a"), plugin("b"));
    let state = states.plugin(&a, 1000).unwrap();
    state.put("text", "grüße".as_bytes()).unwrap();
    state.put("bytes", &[0, 1, 255]).unwrap();
    let export = states.export(&a).unwrap();
    let json = export.to_json();
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        read,
        serde_json::json!({"format": "keyway-state/1", "plugin": "a", "entries": {
            "bytes": {"base64": "AAH/"}, "text": {"text": "grüße"}}})
    );
    state.put("later", b"1").unwrap();
    states
        .import(&a, &StateExport::from_json(&json).unwrap(), 1000)
        .unwrap();
    assert_eq!(states.export(&a).unwrap(), export);
    assert_eq!(
        states.import(&b, &export, 1000).unwrap_err().code(),
        "STATE_OF_ANOTHER_PLUGIN"
    );
    assert_eq!(
        states.import(&a, &export, 5).unwrap_err().code(),
        "STATE_QUOTA"
    );
    assert_eq!(states.export(&a).unwrap(), export);
}

#[test]
fn what_is_no_export_is_refused() {
    for json in [
        "",
        "{}",
        r#"{"format":"keyway-state/2","plugin":"a","entries":{}}"#,
        r#"{"format":"keyway-state/1","plugin":"../a","entries":{}}"#,
        r#"{"format":"keyway-state/1","plugin":"a","entries":{},"more":1}"#,
        r#"{"format":"keyway-state/1","plugin":"a","entries":{"k":"v"}}"#,
    ] {
        assert_eq!(
            StateExport::from_json(json).unwrap_err().code(),
            "BAD_STATE_EXPORT",
            "{json}"
        );
    }
    let (_folder, states) = states();
    let import = |entries: &str| {
        let json = format!(r#"{{"format":"keyway-state/1","plugin":"a","entries":{entries}}}"#);
        states.import(&plugin("a"), &StateExport::from_json(&json).unwrap(), 100)
    };
    assert_eq!(
        import(r#"{"k":{"base64":"%%"}}"#).unwrap_err().code(),
        "BAD_STATE_EXPORT"
    );
    assert_eq!(
        import(r#"{"":{"text":""}}"#).unwrap_err().code(),
        "BAD_STATE_KEY"
    );
}

#[test]
fn state_leaves_by_an_export_or_when_it_is_discarded() {
    let (folder, states) = states();
    let (a, exports) = (plugin("a"), folder.path().join("exports"));
    let state = states.plugin(&a, 100).unwrap();
    state.put("k", b"v").unwrap();
    let export = states.export(&a).unwrap();
    let kept = states.retire(&a, &exports, 17).unwrap().unwrap();
    assert_eq!(kept, exports.join("a-17.json"));
    assert_eq!(
        StateExport::from_json(&fs::read_to_string(&kept).unwrap()).unwrap(),
        export
    );
    assert_eq!(state.get("k").unwrap(), None);
    // Nothing kept, nothing exported; an export is never overwritten.
    assert_eq!(states.retire(&a, &exports, 17).unwrap(), None);
    state.put("k", b"w").unwrap();
    assert_eq!(
        states.retire(&a, &exports, 17).unwrap_err().code(),
        "STATE_IO"
    );
    assert_eq!(state.get("k").unwrap().unwrap(), b"w");
    states.discard(&a).unwrap();
    assert_eq!(state.get("k").unwrap(), None);
}

#[test]
fn one_process_at_a_time_uses_a_plugins_state() {
    let (folder, states) = states();
    let state = states.plugin(&plugin("a"), 100).unwrap();
    state.put("k", b"v").unwrap();
    let other = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
    let refused = other.plugin(&plugin("a"), 100).unwrap_err();
    assert_eq!(refused.code(), "STATE_BUSY");
    assert!(refused.hint().is_some());
    assert!(other.plugin(&plugin("b"), 100).is_ok());
    let told = ToolError::from(refused);
    assert_eq!(told.kind, ToolErrorKind::Unavailable);
    assert!(!told.message.contains(folder.path().to_str().unwrap()));
    drop((state, states));
    assert_eq!(
        other
            .plugin(&plugin("a"), 100)
            .unwrap()
            .get("k")
            .unwrap()
            .unwrap(),
        b"v"
    );
}

#[test]
fn a_file_that_was_mostly_overwritten_is_rewritten() {
    let (folder, states) = states();
    let state = states.plugin(&plugin("a"), 10 << 20).unwrap();
    state.put("keep", b"me").unwrap();
    for round in 0..40_u8 {
        state.put("big", &vec![round; 100_000]).unwrap();
    }
    let bytes = fs::metadata(folder.path().join("a.state")).unwrap().len();
    assert!(bytes < 2_000_000, "{bytes}");
    drop((state, states));
    let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
    let state = states.plugin(&plugin("a"), 10 << 20).unwrap();
    assert_eq!(state.get("keep").unwrap().unwrap(), b"me");
    assert_eq!(state.get("big").unwrap().unwrap(), vec![39; 100_000]);
}

/// Wherever a crash cuts the file, every change before the cut is there and the rest is put aside.
#[test]
fn a_file_cut_off_at_any_byte_keeps_every_whole_record() {
    let (folder, states) = states();
    let state = states.plugin(&plugin("a"), 1000).unwrap();
    let path = folder.path().join("a.state");
    let mut ends = vec![(fs::metadata(&path).unwrap().len(), 0)];
    for n in 1..=4 {
        state.put(&format!("k{n}"), &vec![b'x'; n]).unwrap();
        ends.push((fs::metadata(&path).unwrap().len(), n));
    }
    drop((state, states));
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        for tail in [&[][..], &[0; 64][..]] {
            fs::write(&path, [&whole[..cut], tail].concat()).unwrap();
            let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
            let state = states.plugin(&plugin("a"), 1000);
            let expected = ends.iter().rev().find(|(end, _)| *end <= cut as u64);
            let expected = expected.map_or(0, |(_, n)| *n);
            match state {
                Ok(state) => {
                    assert_eq!(state.list("").unwrap().len(), expected, "cut at {cut}");
                    state.put("after", b"1").unwrap();
                    assert_eq!(state.list("").unwrap().len(), expected + 1);
                }
                // Zeros after half a record read as a damaged one.
                Err(error) => assert!(
                    !tail.is_empty() && error.code() == "STATE_DAMAGED",
                    "{error}"
                ),
            }
        }
    }
}

#[test]
fn damage_in_the_middle_is_reported_and_nothing_is_touched() {
    let (folder, states) = states();
    let state = states.plugin(&plugin("a"), 1000).unwrap();
    state.put("first", b"value").unwrap();
    state.put("second", b"value").unwrap();
    drop((state, states));
    let path = folder.path().join("a.state");
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[30] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
    let refused = states.plugin(&plugin("a"), 1000).unwrap_err();
    assert_eq!(refused.code(), "STATE_DAMAGED");
    assert_eq!(fs::read(&path).unwrap(), damaged);
    fs::write(&path, b"something else entirely").unwrap();
    assert_eq!(
        states.plugin(&plugin("a"), 1000).unwrap_err().code(),
        "STATE_DAMAGED"
    );
    fs::write(&path, whole).unwrap();
    assert_eq!(
        states
            .plugin(&plugin("a"), 1000)
            .unwrap()
            .list("")
            .unwrap()
            .len(),
        2
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn state_behaves_like_a_map(
        steps in prop::collection::vec((0..4_u8, "[ab]{1,2}", prop::collection::vec(any::<u8>(), 0..5)), 0..40),
    ) {
        let (folder, states) = states();
        let states = Arc::new(states);
        let state = states.plugin(&plugin("a"), u64::MAX).unwrap();
        let mut model = std::collections::BTreeMap::new();
        for (kind, key, value) in steps {
            match kind {
                0 => { state.put(&key, &value).unwrap(); model.insert(key, value); }
                1 => { state.delete(&key).unwrap(); model.remove(&key); }
                2 => {
                    let old = model.get(&key).cloned();
                    prop_assert!(state.cas(&key, old.as_deref(), &value).unwrap());
                    model.insert(key, value);
                }
                _ => prop_assert_eq!(state.get(&key).unwrap(), model.get(&key).cloned()),
            }
        }
        drop((state, states));
        let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
        let state = states.plugin(&plugin("a"), u64::MAX).unwrap();
        prop_assert_eq!(state.list("").unwrap(), model.keys().cloned().collect::<Vec<_>>());
        for (key, value) in &model {
            prop_assert_eq!(&state.get(key).unwrap().unwrap(), value);
        }
    }
}
