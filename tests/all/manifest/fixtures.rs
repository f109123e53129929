//! Every folder of `tests/fixtures/manifests`: what parsing its `plugin.json` says, word for word.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use keyway_plugin_api::{Manifest, ManifestError, Notice};

/// Set this variable to rewrite the expectations from what the parser says now.
const UPDATE: &str = "UPDATE_FIXTURES";

#[test]
fn every_fixture_reads_as_its_expectation_says() {
    let mut wrong = Vec::new();
    for case in cases() {
        let said = verdict(&case);
        let expected = case.join("expect.txt");
        if std::env::var_os(UPDATE).is_some() {
            fs::File::create(&expected)
                .and_then(|mut file| std::io::Write::write_all(&mut file, said.as_bytes()))
                .unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if said != wanted {
            wrong.push(format!(
                "{}\n--- wanted\n{wanted}\n--- said\n{said}",
                case.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn b9_twenty_broken_manifests_are_refused() {
    let broken = cases().into_iter().filter(|case| parse(case).is_err());
    assert!(broken.count() >= 20);
}

#[test]
fn every_code_is_in_the_reference() {
    let reference = fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    for case in cases() {
        let codes: Vec<&str> = match parse(&case) {
            Ok((_, notices)) => notices.iter().map(Notice::code).collect(),
            Err(error) => error
                .problems()
                .iter()
                .map(|problem| problem.code)
                .collect(),
        };
        for code in codes {
            assert!(
                reference.contains(&format!("`{code}`")),
                "{code} of {}",
                case.display()
            );
        }
    }
}

#[test]
fn example_of_the_reference_is_valid() {
    let reference = fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    let (_, rest) = reference.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    Manifest::parse_strict(example.as_bytes()).unwrap();
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cases() -> Vec<PathBuf> {
    let folder = root().join("tests/fixtures/manifests");
    let entries = fs::read_dir(folder).unwrap();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 30, "the fixtures are gone");
    cases
}

fn parse(case: &Path) -> Result<(Manifest, Vec<Notice>), ManifestError> {
    let bytes = fs::read(case.join("plugin.json")).unwrap();
    match case
        .file_name()
        .unwrap()
        .to_string_lossy()
        .starts_with("claude-")
    {
        true => Manifest::parse_claude(&bytes),
        false => Manifest::parse(&bytes),
    }
}

fn verdict(case: &Path) -> String {
    let mut out = String::new();
    match parse(case) {
        Ok((manifest, notices)) => {
            describe(&manifest, &mut out);
            for notice in notices {
                writeln!(out, "notice {} {notice}", notice.code()).unwrap();
            }
        }
        Err(error) => {
            writeln!(out, "{}", error.code()).unwrap();
            for problem in error.problems() {
                writeln!(out, "problem {} {problem}", problem.code).unwrap();
            }
        }
    }
    out
}

fn describe(manifest: &Manifest, out: &mut String) {
    writeln!(out, "{} {}", manifest.name(), manifest.version()).unwrap();
    let api = manifest.api().map_or("any".to_owned(), ToString::to_string);
    let (slot, risk) = (manifest.slot(), manifest.risk());
    writeln!(out, "api {api}, slot {slot}, risk {risk}").unwrap();
    for dependency in manifest.dependencies() {
        writeln!(out, "{dependency:?}").unwrap();
    }
    if let Some(runtime) = manifest.runtime() {
        writeln!(out, "{runtime:?}").unwrap();
    }
    for request in manifest.capabilities() {
        let (asked, optional, reason) = (&request.capability, request.optional, &request.reason);
        let when = if request.background {
            " in background too"
        } else {
            ""
        };
        writeln!(
            out,
            "asks {asked}{when} optional={optional} reason={reason:?}"
        )
        .unwrap();
    }
    writeln!(out, "{:?}", manifest.contributes()).unwrap();
    writeln!(out, "{:?} {:?}", manifest.state(), manifest.activation()).unwrap();
}
