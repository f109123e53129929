//! Catalog files that are not what they were, or not files.

use std::fs;
use std::path::{Path, PathBuf};

use keyway_host::catalog::{Catalog, CatalogState};
use keyway_host::store::{CatalogStore, FileStore, Loaded, StoreError};

use super::store::open;
use super::support::{plugin, revoke};

fn load(dir: &Path) -> Result<Loaded, StoreError> {
    FileStore::open(dir).unwrap().load()
}

/// A catalog with all kinds of content, small enough to break it everywhere.
fn folder() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let dir = super::support::scratch();
    let (catalog, _) = open(dir.path());
    let ask = serde_json::json!([{ "kind": "secret", "names": ["TOKEN"] }]);
    let store = plugin("store").slot("memory").runs().asks(ask);
    catalog.run(&store.install_approved()).unwrap();
    catalog.run(&plugin("liar").install()).unwrap();
    catalog.run(&revoke("liar")).unwrap();
    let path = dir.path().join("plugins.json");
    let bytes = fs::read(&path).unwrap();
    (dir, path, bytes)
}

/// Breaks the file, loads it, and checks what holds of every broken file: no panic; refused
/// with nothing touched, or put aside whole and said with path and reason, or read as a state
/// that keeps every rule. Returns whether the damage was noticed.
#[track_caller]
fn survives(dir: &Path, path: &Path, broken: &[u8]) -> bool {
    fs::write(path, broken).unwrap();
    match load(dir) {
        Err(error) => {
            assert_eq!(error.code(), "SCHEMA_NEWER", "{error}");
            assert!(error.to_string().contains("plugins.json"));
            assert_eq!(fs::read(path).unwrap(), broken, "not touched");
            true
        }
        Ok(loaded) => {
            let noticed = loaded.events.iter().any(|e| e.code == "CATALOG_DAMAGED");
            if noticed {
                let aside = dir.join("plugins.json.damaged-1");
                assert_eq!(fs::read(&aside).unwrap(), broken, "kept whole");
                fs::remove_file(aside).unwrap();
                assert!(loaded.events[0].message.contains("plugins.json"));
                assert_eq!(loaded.state, CatalogState::new());
            } else {
                super::support::assert_sound(&loaded.state);
            }
            noticed || !loaded.events.is_empty()
        }
    }
}

/// What a loader that shrugs would do; it is the control of the tests below.
fn shrugging_load(bytes: &[u8]) -> CatalogState {
    serde_json::from_slice(bytes).unwrap_or_default()
}

#[test]
fn s_a5_each_byte_flipped() {
    let (dir, path, bytes) = folder();
    let mut noticed = 0;
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80] {
            let mut broken = bytes.clone();
            broken[at] ^= mask;
            noticed += usize::from(survives(dir.path(), &path, &broken));
        }
    }
    assert!(
        noticed > bytes.len(),
        "{noticed} of {} flips",
        bytes.len() * 2
    );
}

#[test]
fn s_a5_truncated_at_each_length() {
    let (dir, path, bytes) = folder();
    for length in 0..bytes.len() - 1 {
        assert!(
            survives(dir.path(), &path, &bytes[..length]),
            "cut at {length}"
        );
    }
    assert!(
        !survives(dir.path(), &path, &bytes[..bytes.len() - 1]),
        "only the newline"
    );
}

#[test]
fn s_a5_control_a_loader_that_shrugs_loses_every_plugin_in_silence() {
    let (_dir, _path, bytes) = folder();
    let lost = (0..bytes.len() - 1)
        .filter(|length| shrugging_load(&bytes[..*length]).entries.is_empty())
        .count();
    assert_eq!(lost, bytes.len() - 1, "the damage is real");
}

#[test]
fn s_a5_content_that_is_no_catalog() {
    let (dir, path, bytes) = folder();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let version = |new: &str| text.replacen("\"schemaVersion\": 1", new, 1).into_bytes();
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let cases: [(&str, Vec<u8>); 15] = [
        ("empty", Vec::new()),
        ("NULs", vec![0; 4096]),
        ("a newline", b"\n".to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("a byte order mark", [b"\xef\xbb\xbf", &bytes[..]].concat()),
        ("twice the document", [&bytes[..], &bytes[..]].concat()),
        ("depth", deep),
        ("version 0", version("\"schemaVersion\": 0")),
        ("version -1", version("\"schemaVersion\": -1")),
        ("version text", version("\"schemaVersion\": \"1\"")),
        ("version 2", version("\"schemaVersion\": 2")),
        ("no version", version("\"schema\": 1")),
        (
            "another plugin's manifest",
            text.replacen("\"name\": \"store\"", "\"name\": \"other\"", 1)
                .into_bytes(),
        ),
    ];
    for (what, broken) in cases {
        assert!(
            survives(dir.path(), &path, &broken),
            "{what} went unnoticed"
        );
    }
}

#[test]
fn s_a5_fifty_megabytes_are_not_read() {
    let (dir, path, bytes) = folder();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(50 * 1024 * 1024).unwrap();
    let loaded = load(dir.path()).unwrap();
    assert_eq!(loaded.events[0].code, "CATALOG_DAMAGED");
    assert!(
        loaded.events[0]
            .message
            .contains("unexpected 52428800 bytes, expected at most 33554432"),
        "{}",
        loaded.events[0].message
    );
    let aside = fs::read(dir.path().join("plugins.json.damaged-1")).unwrap();
    assert_eq!(&aside[..bytes.len()], &bytes[..]);
}

#[cfg(unix)]
mod not_a_file {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const FIFO: &str = "fifo";

    /// Puts something else in the place of the catalog.
    fn replaced_by(kind: &str, dir: &Path, path: &Path) {
        let elsewhere = dir.join("elsewhere.json");
        let mode = |mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        match kind {
            "symlink" => {
                fs::rename(path, &elsewhere).unwrap();
                symlink(&elsewhere, path).unwrap();
            }
            "dangling symlink" => {
                fs::remove_file(path).unwrap();
                symlink(dir.join("nowhere"), path).unwrap();
            }
            "hard link" => fs::hard_link(path, &elsewhere).unwrap(),
            "folder" => {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }
            "socket" => {
                fs::remove_file(path).unwrap();
                std::os::unix::net::UnixListener::bind(path).unwrap();
            }
            FIFO => {
                fs::remove_file(path).unwrap();
                let made = std::process::Command::new("mkfifo").arg(path).status();
                assert!(made.unwrap().success());
            }
            "0666" => mode(0o666),
            "0664" => mode(0o664),
            "foreign owner" => std::os::unix::fs::chown(path, Some(65_534), None).unwrap(),
            other => panic!("{other}"),
        }
    }

    fn is_root() -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().unwrap();
        fs::metadata(dir.path()).unwrap().uid() == 0
    }

    #[test]
    fn s_a8_what_is_not_the_owners_own_file_is_refused_and_not_touched() {
        for (kind, reason) in [
            ("symlink", "it is a symbolic link"),
            ("dangling symlink", "it is a symbolic link"),
            ("folder", "it is not a regular file"),
            ("socket", "it is not a regular file"),
            (FIFO, "it is not a regular file"),
            ("0666", "anybody can write it (mode 666)"),
            ("foreign owner", "unexpected owner 65534, expected 0"),
        ] {
            if kind == "foreign owner" && !is_root() {
                println!("not root: a foreign owner cannot be made here");
                continue;
            }
            let (dir, path, _) = folder();
            replaced_by(kind, dir.path(), &path);
            let before = fs::symlink_metadata(&path).unwrap();
            let error = load(dir.path()).unwrap_err();
            assert_eq!(error.code(), "CATALOG_UNSAFE", "{kind}");
            assert!(error.to_string().ends_with(reason), "{kind}: {error}");
            let store = FileStore::open(dir.path()).unwrap();
            let error = store.commit(0, &std::sync::Arc::default()).unwrap_err();
            assert_eq!(error.code(), "CATALOG_UNSAFE", "{kind}: nor written");
            let after = fs::symlink_metadata(&path).unwrap();
            assert_eq!(before.file_type(), after.file_type(), "{kind}");
            assert_eq!(before.permissions(), after.permissions(), "{kind}");
        }
    }

    #[test]
    fn s_a8_what_a_copy_mends_is_mended_and_said() {
        for (kind, reason) in [
            ("hard link", "it had another name (a hard link)"),
            ("0664", "its group could write it"),
        ] {
            let (dir, path, bytes) = folder();
            replaced_by(kind, dir.path(), &path);
            let loaded = load(dir.path()).unwrap();
            assert_eq!(loaded.events[0].code, "CATALOG_SHARED", "{kind}");
            assert!(loaded.events[0].message.ends_with(reason), "{kind}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{kind}");
            use std::os::unix::fs::MetadataExt as _;
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(
                (metadata.mode() & 0o777, metadata.nlink()),
                (0o600, 1),
                "{kind}"
            );
            assert_eq!(load(dir.path()).unwrap().events, [], "{kind}: once");
        }
    }

    /// The control: reading by name follows a link wherever it leads, and never asks whose file
    /// it is.
    #[test]
    fn s_a8_control_reading_by_name_is_fooled() {
        for kind in ["symlink", "0666"] {
            let (dir, path, bytes) = folder();
            replaced_by(kind, dir.path(), &path);
            assert_eq!(fs::read(&path).unwrap(), bytes, "{kind}");
        }
    }

    #[test]
    fn new_files_are_their_owners_alone() {
        use std::os::unix::fs::MetadataExt as _;
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join(".keyway");
        let (catalog, _) = open(&dir);
        catalog.run(&plugin("notes").install()).unwrap();
        for (path, mode) in [
            (dir.clone(), 0o700),
            (dir.join("plugins.json"), 0o600),
            (dir.join("plugins.lock"), 0o600),
        ] {
            let found = fs::metadata(&path).unwrap().mode() & 0o777;
            assert_eq!(found, mode, "{}", path.display());
        }
    }
}
