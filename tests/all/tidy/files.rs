//! Sizes, forgotten files, and modules that must stay pure.

use std::fs;
use std::path::{Path, PathBuf};

/// Beyond this a file has a seam.
const LINES_MAX: usize = 520;

/// Modules that decide and never do: no file, no clock, no process, no async runtime.
const PURE: &[&str] = &[
    "crates/host/src/catalog",
    "crates/host/src/gate",
    "crates/host/src/lifecycle",
    "crates/host/src/registry",
    "crates/plugin-api/src",
];

/// What a pure module does not contain.
const EFFECTS: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "SystemTime",
    "Instant::now",
    "tokio::",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("target") => {}
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn files_have_about_500_lines_at_most() {
    let too_long: Vec<_> = ["crates", "tests", "examples"]
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .collect();
    assert!(too_long.is_empty(), "is there a seam? {too_long:#?}");
}

#[test]
fn no_test_file_is_forgotten() {
    for path in sources(&root().join("tests/all")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "main" || (name == "mod" && path.parent().unwrap().ends_with("all")) {
            continue;
        }
        let (name, folder) = match name {
            "mod" => {
                let folder = path.parent().unwrap();
                (
                    folder.file_name().unwrap().to_str().unwrap(),
                    folder.parent().unwrap(),
                )
            }
            name => (name, path.parent().unwrap()),
        };
        let index = [
            folder.join("mod.rs"),
            folder.join("main.rs"),
            folder.with_extension("rs"),
        ];
        let listed = index
            .iter()
            .filter_map(|index| fs::read_to_string(index).ok())
            .any(|text| {
                text.lines()
                    .any(|line| line.trim().ends_with(&format!("mod {name};")))
            });
        assert!(
            listed,
            "{} is in no `mod` list, so it is never run",
            path.display()
        );
    }
}

#[test]
fn deciding_modules_do_nothing() {
    for folder in PURE {
        for path in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let effect = EFFECTS.iter().find(|effect| line.contains(**effect));
                assert!(effect.is_none(), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn every_crate_has_a_readme_and_a_line_in_the_changelog() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(
            readme.lines().count() > 10,
            "{} says too little",
            folder.display()
        );
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = "))
            .unwrap();
        let name = name.trim_matches('"');
        assert!(
            changelog.contains(&format!("`{name}`")),
            "{name} is not in CHANGELOG.md"
        );
    }
}
