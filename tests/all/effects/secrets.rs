//! Secret stores: who may have what, and where a value never shows.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use keyway_effects::secrets::{EnvSecrets, FileSecrets, MemorySecrets, SecretStore};
use keyway_plugin_api::{SecretValue, ToolError, ToolErrorKind};

const VALUE: &str = "canary-5f3a9c";

fn file(folder: &Path) -> FileSecrets {
    let path = folder.join("secrets.json");
    let secrets = BTreeMap::from([("API_KEY".to_owned(), SecretValue::new(VALUE))]);
    FileSecrets::write(&path, &secrets).unwrap();
    FileSecrets::new(path)
}

#[test]
fn every_store_answers_by_name_and_shows_no_value() {
    let folder = tempfile::tempdir().unwrap();
    // PATH is always set, and can be no secret; its value stands in for one here.
    let memory = MemorySecrets::new().with("API_KEY", VALUE);
    let file = file(folder.path());
    let stores: [(&dyn SecretStore, String); 2] = [
        (&memory, format!("{memory:?}")),
        (&file, format!("{file:?}")),
    ];
    for (store, debug) in stores {
        let found = store.read("API_KEY").unwrap().unwrap();
        assert_eq!(found.expose(), VALUE);
        assert!(store.read("OTHER").unwrap().is_none());
        assert!(store.read("api_key").unwrap().is_none());
        for shown in [debug, format!("{found:?}"), format!("{found}")] {
            assert!(!shown.contains(VALUE), "{shown}");
        }
    }
}

#[test]
fn s_c6_names_that_steer_programs_are_no_secrets_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    let memory = MemorySecrets::new()
        .with("LD_PRELOAD", VALUE)
        .with("path", VALUE);
    fs::write(
        &path,
        r#"{"LD_PRELOAD": "x", "path": "x", "NODE_OPTIONS": "x"}"#,
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let file = FileSecrets::new(&path);
    for name in [
        "LD_PRELOAD",
        "path",
        "NODE_OPTIONS",
        "KEYWAY_DIR",
        "BASH_ENV",
        "HTTPS_PROXY",
    ] {
        assert_eq!(
            EnvSecrets::new().allow(name, "SAFE").unwrap_err().code(),
            "RESERVED_NAME"
        );
        assert_eq!(
            EnvSecrets::new().allow("SAFE", name).unwrap_err().code(),
            "RESERVED_NAME"
        );
        for store in [&memory as &dyn SecretStore, &file, &EnvSecrets::new()] {
            let refused = store.read(name).unwrap_err();
            assert_eq!(refused.code(), "RESERVED_NAME", "{name}");
            assert_eq!(ToolError::from(refused).kind, ToolErrorKind::Denied);
        }
    }
}

#[test]
fn s_c6_only_allowed_variables_are_read() {
    // Cargo sets these for every test.
    let secrets = EnvSecrets::new()
        .allow("VERSION", "CARGO_PKG_VERSION")
        .unwrap();
    assert!(std::env::var("CARGO_PKG_NAME").is_ok());
    assert_eq!(
        secrets.read("VERSION").unwrap().unwrap().expose(),
        env!("CARGO_PKG_VERSION")
    );
    for name in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION", "USERNAME", ""] {
        assert!(secrets.read(name).unwrap().is_none(), "{name}");
    }
    let debug = format!("{secrets:?}");
    assert!(debug.contains("CARGO_PKG_VERSION") && !debug.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_missing_file_holds_no_secrets_and_a_new_one_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let missing = FileSecrets::new(folder.path().join("none.json"));
    assert!(missing.read("API_KEY").unwrap().is_none());
    file(folder.path());
    let written = fs::metadata(folder.path().join("secrets.json")).unwrap();
    assert_eq!(written.permissions().mode() & 0o777, 0o600);
}

#[test]
fn s_g4_a_file_that_others_can_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = file(folder.path());
    let path = folder.path().join("secrets.json");
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = secrets.read("API_KEY").unwrap_err();
        assert_eq!(refused.code(), "SECRETS_UNSAFE", "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(secrets.read("API_KEY").is_ok());
    let link = folder.path().join("link.json");
    symlink(&path, &link).unwrap();
    assert_eq!(
        FileSecrets::new(&link).read("API_KEY").unwrap_err().code(),
        "SECRETS_UNSAFE"
    );
    fs::hard_link(&path, folder.path().join("twin.json")).unwrap();
    assert_eq!(
        secrets.read("API_KEY").unwrap_err().code(),
        "SECRETS_UNSAFE"
    );
    let not_a_file = FileSecrets::new(folder.path());
    assert_eq!(
        not_a_file.read("API_KEY").unwrap_err().code(),
        "SECRETS_UNSAFE"
    );
}

#[test]
fn s_g4_no_error_shows_what_is_in_a_malformed_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    let contents = [
        VALUE.to_owned(),
        format!("\"{VALUE}\""),
        format!("[\"{VALUE}\"]"),
        format!("{{\"API_KEY\": \"{VALUE}\", \"API_KEY\": \"{VALUE}\"}}"),
        format!("{{\"API_KEY\": [\"{VALUE}\"]}}"),
        format!("{{\"API_KEY\": \"{VALUE}"),
        format!("{{\"{VALUE}\": 1, \"{VALUE}\": 2}}"),
    ];
    for content in contents {
        fs::write(&path, &content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let refused = FileSecrets::new(&path).read("API_KEY").unwrap_err();
        assert_eq!(refused.code(), "SECRETS_MALFORMED", "{content}");
        assert!(
            !format!("{refused} {refused:?}").contains(VALUE),
            "{refused:?}"
        );
        let told = ToolError::from(refused);
        assert!(!format!("{told:?}").contains(VALUE) && !told.message.contains('/'));
    }
}
