//! Names: what every API takes, one each, and back.

use std::collections::BTreeSet;

use keyway_host::model::{WIRE_NAME_MAX, WireNames};
use proptest::collection::btree_set;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

fn is_taken_everywhere(name: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= WIRE_NAME_MAX
        && name.bytes().all(is_inside)
}

#[test]
fn every_name_fits_the_apis_and_comes_back() {
    let long = format!("{}/{}", "p".repeat(64), "t".repeat(64));
    let longer_twin = format!("{}/{}u", "p".repeat(64), "t".repeat(63));
    let ids = [
        "a/b_c",
        "a/b.c",
        "a/b-c",
        "a/B_c",
        "a-b/c",
        "a/b__c",
        "9lives/cat",
        "status",
        &long,
        &longer_twin,
    ];
    let names = WireNames::of(ids);
    let mut seen = BTreeSet::new();
    for id in ids {
        let wire = names.wire(id).unwrap();
        assert!(is_taken_everywhere(wire), "{wire}");
        assert_eq!(names.canonical(wire), Some(id));
        assert!(seen.insert(wire), "{wire} twice");
    }
    assert_eq!(names.wire("a/b_c"), Some("a__b_c"));
    assert_eq!(names.wire("status"), Some("status"));
}

#[test]
fn a_name_made_to_look_like_a_digest_takes_nobodys_place() {
    let dotted = WireNames::of(["a/b.c"]).wire("a/b.c").unwrap().to_owned();
    let thief = dotted.replacen("__", "/", 1);
    let names = WireNames::of(["a/b.c", &thief]);
    assert_eq!(names.canonical(&dotted), Some(thief.as_str()));
    let other = names.wire("a/b.c").unwrap();
    assert_ne!(other, dotted);
    assert_eq!(names.canonical(other), Some("a/b.c"));
}

#[test]
fn a_name_that_was_not_offered_is_no_tool() {
    let names = WireNames::of(["a/b"]);
    assert_eq!(names.canonical("a__x"), None);
    assert_eq!(names.canonical("a/b"), None);
    assert_eq!(names.wire_or_cleaned("a weird/näme"), "a_weird_n_me");
    assert_eq!(names.wire_or_cleaned(""), "t_");
}

#[test]
fn a_client_that_puts_something_before_each_name_gets_room() {
    let id = format!("plug/{}", "t".repeat(60));
    let prefix = "mcp__keyway__";
    let names = WireNames::within(WIRE_NAME_MAX - prefix.len(), [id.as_str()]);
    let wire = names.wire(&id).unwrap();
    assert!(is_taken_everywhere(&format!("{prefix}{wire}")), "{wire}");
    assert_eq!(names.canonical(wire), Some(id.as_str()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_set_of_names_is_one_to_one(
        ids in btree_set("[a-c0-1]{1,2}(-[a-c]{1,40})?/[a-b][a-b_.]{0,60}", 0..12),
        odd in btree_set("\\PC{0,80}", 0..4),
    ) {
        let all: BTreeSet<&str> = ids.iter().chain(&odd).map(String::as_str).collect();
        let names = WireNames::of(all.iter().copied());
        let mut seen = BTreeSet::new();
        for id in &all {
            let wire = names.wire(id).unwrap();
            prop_assert!(is_taken_everywhere(wire), "{}", wire);
            prop_assert_eq!(names.canonical(wire), Some(*id));
            prop_assert!(seen.insert(wire), "{} twice", wire);
        }
    }
}
