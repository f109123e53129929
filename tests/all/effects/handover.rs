//! State as a whole, handed over when a plugin is replaced by one of another layout.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use async_trait::async_trait;
use keyway_effects::state::StateExport;
use keyway_effects::{EffectLimits, Effects, state::StateFolder};
use keyway_host::effects::EffectPerformer;
use keyway_host::gate::EffectPermit;
use keyway_plugin_api::{
    Capability, EffectReply, EffectRequest, StateEntries, ToolError, ToolErrorKind,
};

use super::plugin;

/// As the host writes the version of a layout.
const LAYOUT: &str = "\0layout";

fn entries(pairs: &[(&str, &str)]) -> StateEntries {
    let pairs = pairs.iter();
    pairs
        .map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec()))
        .collect()
}

fn put(effects: &Effects, key: &str, value: &str, quota: u64) -> Result<EffectReply, ToolError> {
    let within = [Capability::State { quota_bytes: quota }];
    let (key, value) = (key.to_owned(), value.as_bytes().to_vec());
    effects.perform_within(
        &plugin("a"),
        &within,
        EffectRequest::StatePut { key, value },
    )
}

#[tokio::test]
async fn state_is_exported_and_replaced_as_a_whole_and_durably() {
    let folder = tempfile::tempdir().unwrap();
    let build = || Effects::builder(folder.path()).build().unwrap();
    let effects = build();
    assert!(effects.export_state(&plugin("a")).await.unwrap().is_empty());
    put(&effects, "old", "1", 1000).unwrap();
    let exported = effects.export_state(&plugin("a")).await.unwrap();
    assert_eq!(exported, entries(&[("old", "1")]));
    let new = entries(&[(LAYOUT, "2"), ("new", "one"), ("newer", "two")]);
    effects
        .replace_state(&plugin("a"), new.clone())
        .await
        .unwrap();
    assert!(effects.export_state(&plugin("b")).await.unwrap().is_empty());
    drop(effects);
    let effects = build();
    assert_eq!(effects.export_state(&plugin("a")).await.unwrap(), new);
    effects
        .replace_state(&plugin("a"), StateEntries::new())
        .await
        .unwrap();
    assert!(effects.export_state(&plugin("a")).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_the_host_keeps_there_is_out_of_a_plugins_reach() {
    let folder = tempfile::tempdir().unwrap();
    let effects = Effects::builder(folder.path()).build().unwrap();
    let both = entries(&[(LAYOUT, "2"), ("own", "x")]);
    effects
        .replace_state(&plugin("a"), both.clone())
        .await
        .unwrap();
    let within = [Capability::State { quota_bytes: 1000 }];
    let ask = |request| effects.perform_within(&plugin("a"), &within, request);
    for prefix in ["", "\0", LAYOUT] {
        let prefix = prefix.to_owned();
        let listed = ask(EffectRequest::StateList {
            prefix: prefix.clone(),
        })
        .unwrap();
        let own = if prefix.is_empty() {
            vec!["own".to_owned()]
        } else {
            Vec::new()
        };
        assert_eq!(listed, EffectReply::Names(own));
    }
    let key = || LAYOUT.to_owned();
    let refused = [
        EffectRequest::StateGet { key: key() },
        EffectRequest::StateDelete { key: key() },
        EffectRequest::StatePut {
            key: key(),
            value: b"9".to_vec(),
        },
        EffectRequest::StateCas {
            key: key(),
            expected: None,
            value: b"9".to_vec(),
        },
    ];
    for request in refused {
        let error = ask(request).unwrap_err();
        assert_eq!(error.case.as_deref(), Some("BAD_STATE_KEY"));
    }
    assert_eq!(effects.export_state(&plugin("a")).await.unwrap(), both);
    // An operator's export takes it along and an import brings it back.
    let json = effects.states().export(&plugin("a")).unwrap().to_json();
    effects.states().discard(&plugin("a")).unwrap();
    let export = StateExport::from_json(&json).unwrap();
    effects.states().import(&plugin("a"), &export, 4).unwrap();
    assert_eq!(effects.export_state(&plugin("a")).await.unwrap(), both);
}

#[tokio::test]
async fn a_replacement_keeps_to_the_quota_and_to_the_limits_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let effects = Effects::builder(folder.path()).build().unwrap();
    put(&effects, "k", "0123456789", 20).unwrap();
    let before = effects.export_state(&plugin("a")).await.unwrap();
    let long = "x".repeat(257);
    let refused = [
        (entries(&[("k", "01234567890123456789")]), "STATE_QUOTA"),
        (
            entries(&[("a", "0123456789"), ("b", "0123456789")]),
            "STATE_QUOTA",
        ),
        (entries(&[("", "x")]), "BAD_STATE_KEY"),
        (entries(&[("a\nb", "x")]), "BAD_STATE_KEY"),
        (entries(&[("\0", "x")]), "BAD_STATE_KEY"),
        (entries(&[("\0\0", "x")]), "BAD_STATE_KEY"),
        (entries(&[(&long, "x")]), "BAD_STATE_KEY"),
        (
            [("k".to_owned(), vec![0; 1024 * 1024 + 1])].into(),
            "STATE_VALUE_TOO_LARGE",
        ),
    ];
    for (entries, code) in refused {
        let error = effects
            .replace_state(&plugin("a"), entries)
            .await
            .unwrap_err();
        assert_eq!(error.case.as_deref(), Some(code));
        assert_eq!(effects.export_state(&plugin("a")).await.unwrap(), before);
    }
    let fits = entries(&[(LAYOUT, "2"), ("k", "0123456789012345678")]);
    effects.replace_state(&plugin("a"), fits).await.unwrap();
    // The quota of the last effect counts, and what is kept counts towards it.
    assert!(put(&effects, "more", "0123456789", 20).is_err());
}

/// Performs nothing and keeps nothing, as a performer of before this question.
struct Plain;

#[async_trait]
impl EffectPerformer for Plain {
    async fn perform(&self, _: EffectPermit, _: EffectRequest) -> Result<EffectReply, ToolError> {
        Ok(EffectReply::Done)
    }
}

#[tokio::test]
async fn a_performer_that_keeps_no_state_says_so_before_any_is_lost() {
    assert!(Plain.export_state(&plugin("a")).await.unwrap().is_empty());
    let nothing = [StateEntries::new(), entries(&[(LAYOUT, "2")])];
    for entries in nothing {
        Plain.replace_state(&plugin("a"), entries).await.unwrap();
    }
    let error = Plain
        .replace_state(&plugin("a"), entries(&[("k", "v")]))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::Unavailable);
}

/// A host that is killed while it replaces a state leaves the old one or the new one.
#[test]
fn a_replacement_is_whole_after_a_kill_in_the_middle() {
    const CHILD: &str = "KEYWAY_TEST_REPLACER";
    const KEYS: usize = 40;
    let whole = |n: usize| -> StateEntries {
        let keys = (0..KEYS).map(|key| format!("key{key}"));
        keys.map(|key| (key, vec![u8::try_from(n % 251).unwrap(); 20_000]))
            .collect()
    };
    if let Some(folder) = std::env::var_os(CHILD) {
        let states = StateFolder::open(&folder, EffectLimits::default()).unwrap();
        for n in 0.. {
            states.replace(&plugin("a"), whole(n), 1 << 30).unwrap();
            println!("ack {n}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let test = "effects::handover::a_replacement_is_whole_after_a_kill_in_the_middle";
    for round in 1..=12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged =
            lines.filter_map(|line| line.ok()?.strip_prefix("ack ")?.parse().ok());
        let some: usize = acknowledged.by_ref().take(round).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let last = acknowledged.last().unwrap_or(some);
        let states = StateFolder::open(folder.path(), EffectLimits::default()).unwrap();
        let found = states.entries(&plugin("a")).unwrap();
        assert!(
            [whole(last), whole(last + 1)].contains(&found),
            "neither {last} nor the next"
        );
    }
}
