//! Attacks T15, T17, C3 and C4: paths that lead out of what was granted.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use keyway_effects::EffectLimits;
use keyway_effects::files::Files;

use super::granted;

const SECRET: &[u8] = b"s3cret-outside";

/// A base folder with a granted folder `notes`, and a secret beside and outside of it.
struct Scene {
    root: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["outside", "base/notes/deep", "base/private"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in [
            "outside/secret",
            "base/secret",
            "base/private/secret",
            "base/notes-secret",
        ] {
            fs::write(root.path().join(file), SECRET).unwrap();
        }
        fs::write(root.path().join("base/notes/plain"), b"plain").unwrap();
        let scene = Self { root };
        scene.set_traps();
        scene
    }

    fn base(&self) -> PathBuf {
        self.root.path().join("base")
    }

    fn notes(&self) -> PathBuf {
        self.base().join("notes")
    }

    fn set_traps(&self) {
        let (notes, root) = (self.notes(), self.root.path());
        let outside = root.join("outside");
        symlink(outside.join("secret"), notes.join("link-absolute")).unwrap();
        symlink("../secret", notes.join("link-up")).unwrap();
        symlink("../../outside/secret", notes.join("link-out")).unwrap();
        symlink(&outside, notes.join("folder-link")).unwrap();
        symlink("../private", notes.join("folder-beside")).unwrap();
        symlink("link-up", notes.join("link-to-link")).unwrap();
        symlink(
            format!("/proc/self/root{}", outside.display()),
            notes.join("magic"),
        )
        .unwrap();
        symlink(
            format!(
                "/proc/self/cwd/../../../../../../../../..{}",
                outside.join("secret").display()
            ),
            notes.join("cwd"),
        )
        .unwrap();
        symlink(root.join("outside"), self.base().join("granted-link")).unwrap();
        symlink("private", self.base().join("granted-beside")).unwrap();
        fs::hard_link(outside.join("secret"), notes.join("hard-link")).unwrap();
        fs::hard_link(self.base().join("secret"), notes.join("deep/hard-link")).unwrap();
    }

    fn files(&self) -> Files {
        Files::open(&self.base(), EffectLimits::default()).unwrap()
    }
}

/// A granted path and a request that a join of paths would let out of it.
#[rustfmt::skip]
const READS: &[(&str, &str, &str)] = &[
    ("./notes", "notes/../secret", "BAD_PATH"),
    ("./notes", "./notes/deep/../../secret", "BAD_PATH"),
    ("./notes", "notes/../../outside/secret", "BAD_PATH"),
    ("./notes", "../outside/secret", "BAD_PATH"),
    ("./notes/..", "secret", "OUTSIDE_CONSTRAINT"),
    ("./notes", "secret", "OUTSIDE_CONSTRAINT"),
    ("./notes", "notes-secret", "OUTSIDE_CONSTRAINT"),
    ("./notes", "private/secret", "OUTSIDE_CONSTRAINT"),
    ("./notes", "notes/link-absolute", "PATH_HAS_LINK"),
    ("./notes", "notes/link-up", "PATH_HAS_LINK"),
    ("./notes", "notes/link-out", "PATH_HAS_LINK"),
    ("./notes", "notes/link-to-link", "PATH_HAS_LINK"),
    ("./notes", "notes/folder-link/secret", "PATH_HAS_LINK"),
    ("./notes", "notes/folder-beside/secret", "PATH_HAS_LINK"),
    ("./notes", "notes//folder-link/./secret", "PATH_HAS_LINK"),
    ("./notes", "notes/magic/secret", "PATH_HAS_LINK"),
    ("./notes", "notes/cwd", "PATH_HAS_LINK"),
    (".", "notes/link-out", "PATH_HAS_LINK"),
    ("./granted-link", "granted-link/secret", "PATH_HAS_LINK"),
    ("./granted-beside", "granted-beside/secret", "PATH_HAS_LINK"),
    ("./notes", "notes/hard-link", "FILE_HARD_LINKED"),
    ("./notes/deep", "notes/deep/hard-link", "FILE_HARD_LINKED"),
];

#[test]
fn s_c3_no_path_reads_what_was_not_granted() {
    let scene = Scene::new();
    let files = scene.files();
    for (grant, path, code) in READS {
        let grant = granted(&[grant]);
        let read = files.read(&grant, path);
        assert_eq!(
            read.as_ref().map_err(|e| e.code()).unwrap_err(),
            *code,
            "read {path}"
        );
        assert!(files.stat(&grant, path).is_err(), "stat {path}");
        assert!(files.list(&grant, path).is_err(), "list {path}");
    }
    assert_eq!(
        files.read(&granted(&["./notes"]), "notes/plain").unwrap(),
        b"plain"
    );
}

/// The control: joined to the base and opened, every one of these paths gives the secret.
#[test]
fn s_c3_control_joined_paths_read_the_secret() {
    let scene = Scene::new();
    for (_, path, _) in READS {
        let read = fs::read(scene.base().join(path));
        assert_eq!(read.unwrap(), SECRET, "{path}");
    }
}

#[test]
fn s_c3_absolute_and_relative_paths_do_not_cover_each_other() {
    let scene = Scene::new();
    let files = scene.files();
    let outside = scene.root.path().join("outside/secret");
    let outside = outside.to_str().unwrap();
    for grant in [".", "./notes", "./"] {
        let refused = files.read(&granted(&[grant]), outside).unwrap_err();
        assert_eq!(refused.code(), "OUTSIDE_CONSTRAINT", "{grant}");
    }
    assert_eq!(
        files.read(&granted(&["/"]), "secret").unwrap_err().code(),
        "OUTSIDE_CONSTRAINT"
    );
    // Granted as such, an absolute path is read; a second name of the file stands in the way here.
    let folder = granted(&[scene.root.path().to_str().unwrap()]);
    let private = scene.root.path().join("base/private/secret");
    assert_eq!(
        files.read(&folder, private.to_str().unwrap()).unwrap(),
        SECRET
    );
    let through_proc = format!("/proc/self/root{}", private.display());
    let refused = files.read(&granted(&["/proc"]), &through_proc).unwrap_err();
    assert_eq!(refused.code(), "PATH_HAS_LINK");
    assert_eq!(fs::read(&through_proc).unwrap(), SECRET);
}

#[test]
fn s_c3_malformed_paths_are_refused_before_any_disk_is_asked() {
    let scene = Scene::new();
    let files = scene.files();
    let long = "n/".repeat(600);
    let long_name = "n".repeat(256);
    let paths = [
        "",
        "notes/a\0b",
        "notes/a\nb",
        "notes/\u{1b}[2J",
        "notes\\plain",
        "C:\\plain",
        "c:/plain",
        "notes/..",
        "..",
        "/..",
        long.as_str(),
        long_name.as_str(),
    ];
    for path in paths {
        let refused = files.read(&granted(&["."]), path).unwrap_err();
        assert_eq!(refused.code(), "BAD_PATH", "{path:?}");
        assert!(
            !refused.to_string().chars().any(char::is_control),
            "{path:?}"
        );
    }
    // Names are compared as they are: another case is another name.
    let refused = files
        .read(&granted(&["./notes"]), "Notes/plain")
        .unwrap_err();
    assert_eq!(refused.code(), "OUTSIDE_CONSTRAINT");
}

#[test]
fn s_t17_what_is_not_a_regular_file_is_not_opened() {
    let scene = Scene::new();
    let files = scene.files();
    let fifo = scene.notes().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let _socket = std::os::unix::net::UnixListener::bind(scene.notes().join("socket")).unwrap();
    let grant = granted(&["./notes"]);
    for path in ["notes/fifo", "notes/socket", "notes/deep", "notes"] {
        for code in [
            files.read(&grant, path).map(drop).unwrap_err().code(),
            files.write(&grant, path, b"x").unwrap_err().code(),
            files.remove(&grant, path).unwrap_err().code(),
        ] {
            assert_eq!(code, "NOT_A_REGULAR_FILE", "{path}");
        }
    }
    let devices = granted(&["/dev"]);
    assert_eq!(
        files.read(&devices, "/dev/zero").unwrap_err().code(),
        "NOT_A_REGULAR_FILE"
    );
    // The control: opened without care, the FIFO takes what is sent into it.
    let mut careless = fs::OpenOptions::new();
    let opened = careless.read(true).custom_flags(0o4000).open(&fifo);
    assert!(!opened.unwrap().metadata().unwrap().is_file());
}

#[test]
fn s_t17_a_file_beyond_the_limit_is_not_read_however_sparse() {
    let scene = Scene::new();
    let sparse = fs::File::create(scene.notes().join("sparse")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    let refused = scene
        .files()
        .read(&granted(&["./notes"]), "notes/sparse")
        .unwrap_err();
    assert_eq!(refused.code(), "FILE_TOO_LARGE");
}

/// Paths that a write through a join would put outside; none may change anything there.
#[test]
fn s_c4_no_write_and_no_removal_leaves_the_grant() {
    let scene = Scene::new();
    let files = scene.files();
    for (grant, path, _) in READS {
        let (grant, is_hard_link) = (granted(&[grant]), path.ends_with("hard-link"));
        // A hard link's name may be replaced or removed: the other name keeps the file.
        assert_eq!(
            files.write(&grant, path, b"changed").is_ok(),
            is_hard_link,
            "write {path}"
        );
        assert_eq!(
            files.remove(&grant, path).is_ok(),
            is_hard_link,
            "remove {path}"
        );
    }
    for file in [
        "outside/secret",
        "base/secret",
        "base/private/secret",
        "base/notes-secret",
    ] {
        assert_eq!(
            fs::read(scene.root.path().join(file)).unwrap(),
            SECRET,
            "{file}"
        );
    }
}

/// The control: the same writes through joined paths change the secret.
#[test]
fn s_c4_control_joined_paths_overwrite_the_secret() {
    for (_, path, _) in READS {
        let scene = Scene::new();
        fs::write(scene.base().join(path), b"changed").unwrap();
        let all = [
            "outside/secret",
            "base/secret",
            "base/private/secret",
            "base/notes-secret",
        ];
        let changed = |file: &&str| fs::read(scene.root.path().join(file)).unwrap() != SECRET;
        assert!(all.iter().any(changed), "{path}");
    }
}

#[test]
fn s_c4_files_that_steer_agents_need_a_grant_of_their_own() {
    let scene = Scene::new();
    let files = scene.files();
    let steering = [
        ".mcp.json",
        ".claude/settings.json",
        "sub/.Claude/settings.json",
        "AGENTS.md",
        "docs/CLAUDE.md",
        "memory.md",
        ".git/hooks/pre-commit",
        ".bashrc",
        ".ssh/authorized_keys",
        ".vscode/tasks.json",
        ".github/workflows/x.yml",
        ".env",
    ];
    for path in steering {
        for result in [
            files.write(&granted(&["."]), path, b"x"),
            files.remove(&granted(&["."]), path),
        ] {
            assert_eq!(result.unwrap_err().code(), "PATH_STEERING", "{path}");
        }
        assert!(!scene.base().join(path).exists());
        // The operator who names it means it.
        let exact = path.split('/').next().unwrap();
        if exact.starts_with('.') {
            files.write(&granted(&[exact]), path, b"x").unwrap();
        }
    }
    files
        .write(&granted(&["./AGENTS.md"]), "AGENTS.md", b"x")
        .unwrap();
}

#[test]
fn s_c4_a_protected_folder_is_out_of_reach_under_every_name() {
    let scene = Scene::new();
    let state = scene.base().join(".keyway");
    fs::create_dir_all(state.join("deep")).unwrap();
    fs::write(state.join("plugins.json"), b"{}").unwrap();
    symlink(".keyway", scene.base().join("innocent")).unwrap();
    let mut files = scene.files();
    files.protect(&state).unwrap();
    let absolute = state.join("plugins.json");
    let absolute = absolute.to_str().unwrap();
    let cases = [
        (".", ".keyway/plugins.json"),
        (".", "./.keyway//deep/x"),
        ("./.keyway", ".keyway/plugins.json"),
        ("./.keyway/plugins.json", ".keyway/plugins.json"),
        ("./innocent", "innocent/plugins.json"),
        ("/", absolute),
        (absolute, absolute),
    ];
    for (grant, path) in cases {
        let grant = granted(&[grant]);
        assert!(files.read(&grant, path).is_err(), "read {path}");
        assert!(files.stat(&grant, path).is_err(), "stat {path}");
        assert!(files.write(&grant, path, b"x").is_err(), "write {path}");
        assert!(files.remove(&grant, path).is_err(), "remove {path}");
    }
    assert!(files.list(&granted(&["."]), ".keyway").is_err());
    assert!(files.stat(&granted(&["."]), ".keyway").is_err());
    assert_eq!(fs::read(state.join("plugins.json")).unwrap(), b"{}");
    // Another folder that holds the base would leave nothing.
    assert!(scene.files().protect(scene.root.path()).is_err());
    assert!(scene.files().protect(&scene.base()).is_err());
    // The control: unprotected, the same grant reads it.
    assert!(
        scene
            .files()
            .read(&granted(&["."]), ".keyway/plugins.json")
            .is_ok()
    );
}

/// No machine takes so long.
const CEILING: std::time::Duration = std::time::Duration::from_secs(60);

/// Attack T17: the path is swapped between the check and the use, again and again.
#[test]
fn s_t17_a_folder_that_is_swapped_for_a_link_never_leads_out() {
    let scene = Scene::new();
    let files = scene.files();
    let (victim, aside) = (scene.notes().join("swap"), scene.notes().join("aside"));
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("secret"), b"inside").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                fs::rename(&victim, &aside).unwrap();
                symlink(scene.root.path().join("outside"), &victim).unwrap();
                fs::remove_file(&victim).unwrap();
                fs::rename(&aside, &victim).unwrap();
            }
        });
        let grant = granted(&["./notes"]);
        let (mut read, mut refused, mut wrong) = (0, 0, 0);
        let began = std::time::Instant::now();
        // Both were met, or nothing was shown.
        while (read + refused < 3_000 || read == 0 || refused == 0) && began.elapsed() < CEILING {
            match files.read(&grant, "notes/swap/secret") {
                Ok(bytes) if bytes == b"inside" => read += 1,
                Ok(_) => wrong += 1,
                Err(_) => refused += 1,
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
        assert_eq!(wrong, 0);
    });
    assert_eq!(
        fs::read(Path::new(&victim).join("secret")).unwrap(),
        b"inside"
    );
}
