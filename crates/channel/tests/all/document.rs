//! The page for authors of SDKs, held against the transcripts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use keyway_channel::message::{FromHost, FromPlugin};
use serde_json::Value;

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join("docs/wire-protocol.md")).unwrap()
}

fn recorded() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts/v1");
    let files = ["handshake.jsonl", "host.jsonl", "plugin.jsonl"];
    let text: String = files
        .iter()
        .map(|file| fs::read_to_string(folder.join(file)).unwrap())
        .collect();
    let rows = text
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap());
    rows.filter_map(|row| Some(row["line"].as_str()?.to_owned()))
        .collect()
}

/// The lines of the page's JSON blocks.
fn examples(page: &str) -> Vec<&str> {
    let blocks = page.split("```json\n").skip(1);
    blocks
        .flat_map(|block| block.split("\n```").next().unwrap_or_default().lines())
        .collect()
}

#[test]
fn every_example_line_of_the_page_is_a_recorded_one() {
    let (page, recorded) = (page(), recorded());
    let examples = examples(&page);
    assert!(examples.len() > 50, "{} examples", examples.len());
    for example in examples {
        assert!(recorded.contains(example), "not recorded: {example}");
    }
}

#[test]
fn every_method_is_on_the_page_with_an_example() {
    let page = page();
    let shown: BTreeSet<String> = examples(&page)
        .iter()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            Some(line["method"].as_str()?.to_owned())
        })
        .collect();
    let handshake = ["keyway/hello", "keyway/prove", "keyway/ready"];
    let all = FromHost::METHODS
        .iter()
        .chain(&FromPlugin::METHODS)
        .chain(&handshake);
    let all: BTreeSet<String> = all.map(|method| (*method).to_owned()).collect();
    assert_eq!(shown, all);
}
