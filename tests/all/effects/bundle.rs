//! All effects together, as the host performs them.

use std::fs;

use keyway_effects::Effects;
use keyway_effects::secrets::MemorySecrets;
use keyway_host::audit::Redactor;
use keyway_plugin_api::{
    Capability, EffectReply, EffectRequest as R, FileStat, LogLevel, ToolErrorKind,
};

use super::{granted, plugin};

struct Scene {
    folder: tempfile::TempDir,
    effects: Effects,
    redactor: Redactor,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let redactor = Redactor::new();
    let effects = Effects::builder(folder.path().join(".keyway"))
        .files_base(folder.path())
        .secrets(MemorySecrets::new().with("API_KEY", "canary-77aa1"))
        .redactor(redactor.clone())
        .build()
        .unwrap();
    Scene {
        folder,
        effects,
        redactor,
    }
}

fn everything() -> Vec<Capability> {
    vec![
        Capability::Filesystem {
            read: granted(&["."]),
            write: granted(&["./out"]),
        },
        Capability::Filesystem {
            read: granted(&["/nowhere"]),
            write: granted(&["./more"]),
        },
        Capability::State { quota_bytes: 1_000 },
        Capability::Secret {
            names: granted(&["API_KEY", "MISSING", "LD_PRELOAD"]),
        },
    ]
}

fn write(path: &str, bytes: &[u8]) -> R {
    let (path, bytes) = (path.to_owned(), bytes.to_vec());
    R::FsWrite { path, bytes }
}

fn requests() -> Vec<(R, EffectReply)> {
    let mut all = file_requests();
    all.extend(state_requests());
    all
}

#[rustfmt::skip]
fn file_requests() -> Vec<(R, EffectReply)> {
    let path = || "out/a.txt".to_owned();
    let stat = FileStat { is_directory: false, bytes: 2 };
    vec![
        (write("out/a.txt", b"hi"), EffectReply::Done),
        (write("more/b", b""), EffectReply::Done),
        (R::FsRead { path: path() }, EffectReply::Bytes(Some(b"hi".to_vec()))),
        (R::FsStat { path: path() }, EffectReply::Stat(stat)),
        (R::FsList { path: "out".to_owned() }, EffectReply::Names(vec!["a.txt".to_owned()])),
        (R::FsRemove { path: path() }, EffectReply::Done),
    ]
}

#[rustfmt::skip]
fn state_requests() -> Vec<(R, EffectReply)> {
    let key = || "k".to_owned();
    vec![
        (R::StatePut { key: key(), value: b"1".to_vec() }, EffectReply::Done),
        (R::StateGet { key: key() }, EffectReply::Bytes(Some(b"1".to_vec()))),
        (R::StateCas { key: key(), expected: None, value: vec![] }, EffectReply::Swapped(false)),
        (R::StateList { prefix: String::new() }, EffectReply::Names(vec![key()])),
        (R::StateDelete { key: key() }, EffectReply::Done),
        (R::StateGet { key: key() }, EffectReply::Bytes(None)),
    ]
}

#[test]
fn every_effect_is_performed_within_its_grant() {
    let scene = scene();
    for (request, reply) in requests() {
        let done = scene
            .effects
            .perform_within(&plugin("a"), &everything(), request.clone());
        assert_eq!(done, Ok(reply), "{request:?}");
    }
}

#[test]
fn s_c1_without_its_grant_every_effect_is_refused_here_too() {
    let scene = scene();
    let others = [
        vec![],
        vec![Capability::Tool {
            tools: granted(&["a/*"]),
        }],
        vec![Capability::Filesystem {
            read: granted(&[]),
            write: granted(&[]),
        }],
    ];
    let secret = (
        R::SecretRead {
            name: "API_KEY".to_owned(),
        },
        EffectReply::Done,
    );
    for within in others {
        for (request, _) in requests().into_iter().chain([secret.clone()]) {
            let refused = scene
                .effects
                .perform_within(&plugin("a"), &within, request.clone());
            assert_eq!(
                refused.unwrap_err().kind,
                ToolErrorKind::Denied,
                "{request:?}"
            );
        }
    }
    // The right to read is not the right to write.
    let read_only = [Capability::Filesystem {
        read: granted(&["."]),
        write: granted(&[]),
    }];
    let write = R::FsWrite {
        path: "x".to_owned(),
        bytes: vec![],
    };
    assert!(
        scene
            .effects
            .perform_within(&plugin("a"), &read_only, write)
            .is_err()
    );
    assert!(!scene.folder.path().join("x").exists());
}

#[test]
fn s_i1_a_secret_is_learnt_by_the_redactor_before_a_plugin_has_it() {
    let scene = scene();
    let ask = |name: &str| {
        let request = R::SecretRead {
            name: name.to_owned(),
        };
        scene
            .effects
            .perform_within(&plugin("a"), &everything(), request)
    };
    assert_eq!(scene.redactor.redact("canary-77aa1"), "canary-77aa1");
    let reply = ask("API_KEY").unwrap();
    assert!(matches!(&reply, EffectReply::Secret(value) if value.expose() == "canary-77aa1"));
    assert!(!format!("{reply:?}").contains("canary"));
    assert_eq!(scene.redactor.redact("canary-77aa1"), "[redacted]");
    assert_eq!(ask("MISSING").unwrap_err().kind, ToolErrorKind::NotFound);
    assert_eq!(ask("LD_PRELOAD").unwrap_err().kind, ToolErrorKind::Denied);
    assert_eq!(ask("OTHER").unwrap_err().kind, ToolErrorKind::Denied);
    // What a plugin then logs, or writes into its state, is another matter: only the log is ours.
    let log = R::Log {
        level: LogLevel::Info,
        message: "got canary-77aa1".to_owned(),
    };
    assert_eq!(
        scene.effects.perform_within(&plugin("a"), &[], log),
        Ok(EffectReply::Done)
    );
    let lines = scene.effects.log().tail(&plugin("a"), 1).unwrap();
    assert_eq!(lines[0].message, "got [redacted]");
}

#[test]
fn s_c4_the_hosts_own_folder_is_out_of_reach_of_a_grant_of_everything() {
    let scene = scene();
    fs::write(scene.folder.path().join(".keyway/plugins.json"), "{}").unwrap();
    let all = [Capability::Filesystem {
        read: granted(&[".", "/"]),
        write: granted(&[".", "/", "./.keyway"]),
    }];
    let path = || ".keyway/plugins.json".to_owned();
    for request in [
        R::FsRead { path: path() },
        R::FsStat { path: path() },
        R::FsList {
            path: ".keyway".to_owned(),
        },
        R::FsWrite {
            path: path(),
            bytes: b"[]".to_vec(),
        },
        R::FsRemove { path: path() },
    ] {
        let refused = scene
            .effects
            .perform_within(&plugin("a"), &all, request.clone());
        assert_eq!(
            refused.unwrap_err().case.as_deref(),
            Some("PATH_PROTECTED"),
            "{request:?}"
        );
    }
}

#[test]
fn without_a_base_folder_there_are_no_file_effects() {
    let folder = tempfile::tempdir().unwrap();
    let effects = Effects::builder(folder.path().join(".keyway"))
        .build()
        .unwrap();
    let read = R::FsRead {
        path: "x".to_owned(),
    };
    let refused = effects.perform_within(&plugin("a"), &everything(), read);
    assert_eq!(refused.unwrap_err().kind, ToolErrorKind::Unavailable);
}

#[test]
fn a_setup_that_cannot_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing =
        Effects::builder(folder.path().join(".keyway")).files_base(folder.path().join("none"));
    assert_eq!(missing.build().unwrap_err().code(), "EFFECTS_FOLDER");
    let inside = Effects::builder(folder.path()).files_base(folder.path());
    assert_eq!(inside.build().unwrap_err().code(), "EFFECTS_FOLDER");
}
