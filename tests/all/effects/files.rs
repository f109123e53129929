//! Files: what works inside the grant.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use keyway_effects::EffectLimits;
use keyway_effects::files::Files;
use keyway_plugin_api::{ToolError, ToolErrorKind};

use super::granted;

fn scene() -> (tempfile::TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::open(folder.path(), EffectLimits::default()).unwrap();
    (folder, files)
}

#[test]
fn a_file_is_written_read_listed_measured_and_removed() {
    let (folder, files) = scene();
    let grant = granted(&["./notes"]);
    files
        .write(&grant, "notes/2026/today.txt", b"hello")
        .unwrap();
    files.write(&grant, "notes/a.txt", b"").unwrap();
    assert_eq!(
        files.read(&grant, "./notes//2026/today.txt").unwrap(),
        b"hello"
    );
    assert_eq!(files.list(&grant, "notes").unwrap(), ["2026", "a.txt"]);
    let (file, dir) = (
        files.stat(&grant, "notes/2026/today.txt").unwrap(),
        files.stat(&grant, "notes/").unwrap(),
    );
    assert_eq!((file.is_directory, file.bytes), (false, 5));
    assert_eq!((dir.is_directory, dir.bytes), (true, 0));
    files.remove(&grant, "notes/a.txt").unwrap();
    assert_eq!(
        files.read(&grant, "notes/a.txt").unwrap_err().code(),
        "FILE_NOT_FOUND"
    );
    assert_eq!(
        files.remove(&grant, "notes/a.txt").unwrap_err().code(),
        "FILE_NOT_FOUND"
    );
    assert!(folder.path().join("notes/2026/today.txt").is_file());
}

#[test]
fn the_base_itself_can_be_granted() {
    let (_folder, files) = scene();
    for grant in [".", "./"] {
        let grant = granted(&[grant]);
        files.write(&grant, "x", b"1").unwrap();
        assert_eq!(files.list(&grant, ".").unwrap(), ["x"]);
        assert!(files.stat(&grant, "./").unwrap().is_directory);
    }
}

#[test]
fn a_grant_of_one_file_is_a_grant_of_that_file() {
    let (folder, files) = scene();
    fs::create_dir(folder.path().join("notes")).unwrap();
    let grant = granted(&["./notes/todo.txt"]);
    files.write(&grant, "notes/todo.txt", b"1").unwrap();
    assert_eq!(files.read(&grant, "notes/todo.txt").unwrap(), b"1");
    assert_eq!(
        files.read(&grant, "notes").unwrap_err().code(),
        "OUTSIDE_CONSTRAINT"
    );
    assert_eq!(
        files.list(&grant, "notes").unwrap_err().code(),
        "OUTSIDE_CONSTRAINT"
    );
    // Folders above the granted path are not the plugin's to make.
    let grant = granted(&["./missing/todo.txt"]);
    assert_eq!(
        files
            .write(&grant, "missing/todo.txt", b"1")
            .unwrap_err()
            .code(),
        "FILE_NOT_FOUND"
    );
    assert!(!folder.path().join("missing").exists());
}

#[test]
fn nothing_granted_means_nothing_allowed() {
    let (_folder, files) = scene();
    for grant in [
        granted(&[]),
        granted(&[""]),
        granted(&[".."]),
        granted(&["./a/../.."]),
    ] {
        assert_eq!(
            files.list(&grant, ".").unwrap_err().code(),
            "OUTSIDE_CONSTRAINT"
        );
        assert_eq!(
            files.write(&grant, "x", b"").unwrap_err().code(),
            "OUTSIDE_CONSTRAINT"
        );
    }
}

#[test]
fn a_replaced_file_keeps_its_permissions_but_not_its_powers() {
    let (folder, files) = scene();
    let path = folder.path().join("run.sh");
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(&path, "old").unwrap();
    mode(0o4751);
    files.write(&granted(&["."]), "run.sh", b"new").unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o751
    );
    mode(0o444);
    assert_eq!(
        files
            .write(&granted(&["."]), "run.sh", b"x")
            .unwrap_err()
            .code(),
        "FILE_IO"
    );
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    let limits = EffectLimits {
        file_bytes: 10,
        directory_entries: 3,
        ..EffectLimits::default()
    };
    let files = Files::open(folder.path(), limits).unwrap();
    let grant = granted(&["."]);
    files.write(&grant, "a", b"0123456789").unwrap();
    assert_eq!(files.read(&grant, "a").unwrap().len(), 10);
    assert_eq!(
        files.write(&grant, "a", b"0123456789x").unwrap_err().code(),
        "FILE_TOO_LARGE"
    );
    fs::write(folder.path().join("b"), "0123456789x").unwrap();
    assert_eq!(
        files.read(&grant, "b").unwrap_err().code(),
        "FILE_TOO_LARGE"
    );
    fs::write(folder.path().join("c"), "").unwrap();
    assert_eq!(files.list(&grant, ".").unwrap(), ["a", "b", "c"]);
    fs::write(folder.path().join("d"), "").unwrap();
    assert_eq!(
        files.list(&grant, ".").unwrap_err().code(),
        "DIRECTORY_TOO_LARGE"
    );
}

#[test]
fn errors_tell_a_plugin_whose_fault_it_is_and_nothing_of_the_host() {
    let (folder, files) = scene();
    let cases = [
        ("../x", ToolErrorKind::InvalidArguments, "BAD_PATH"),
        ("missing", ToolErrorKind::NotFound, "FILE_NOT_FOUND"),
        ("/etc/passwd", ToolErrorKind::Denied, "OUTSIDE_CONSTRAINT"),
        (".", ToolErrorKind::Conflict, "NOT_A_REGULAR_FILE"),
    ];
    for (path, kind, code) in cases {
        let error = ToolError::from(files.read(&granted(&["."]), path).unwrap_err());
        assert_eq!(
            (error.kind, error.case.as_deref()),
            (kind, Some(code)),
            "{path}"
        );
        assert!(!error.message.contains(folder.path().to_str().unwrap()));
    }
    let path = "a/b";
    files.write(&granted(&["."]), "a", b"").unwrap();
    let error = files.read(&granted(&["."]), path).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`./a/b` leads through something that is not a directory"
    );
}
