//! Properties of the capability algebra (fuzz target `grant_algebra` of the attack list).

use std::collections::BTreeSet;

use keyway_plugin_api::{Capability, CapabilityRequest, NeedsDiff, SurfaceVerb};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const HOSTS: [&str; 9] = [
    "a.example",
    "b.a.example",
    "c.b.a.example",
    "*.a.example",
    "*.b.a.example",
    "*.example",
    "A.Example.",
    "*",
    "evil",
];
const PATHS: [&str; 10] = [
    ".", "./a", "a/b", "./a/b/c", "./ab", "/", "/a", "/a/b", "../a", "a/../b",
];
const NAMES: [&str; 5] = ["TOKEN", "OTHER", "token", "LD_PRELOAD", "git"];
const TOOLS: [&str; 5] = ["notes/*", "notes/add", "notes/del", "web/*", "*"];
const METHODS: [&str; 4] = ["GET", "get", "POST", "DELETE"];

fn some<const N: usize>(of: [&'static str; N]) -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(select(of.to_vec()).prop_map(str::to_owned), 0..4)
}

fn capability() -> impl Strategy<Value = Capability> {
    let verbs = btree_set(select(SurfaceVerb::ALL.to_vec()), 0..4);
    prop_oneof![
        (some(PATHS), some(PATHS)).prop_map(|(read, write)| Capability::Filesystem { read, write }),
        some(NAMES).prop_map(|providers| Capability::Model { providers }),
        (some(HOSTS), option::of(some(METHODS)))
            .prop_map(|(hosts, methods)| Capability::Network { hosts, methods }),
        some(NAMES).prop_map(|programs| Capability::Process { programs }),
        some(NAMES).prop_map(|names| Capability::Secret { names }),
        (0_u64..4).prop_map(|quota_bytes| Capability::State { quota_bytes }),
        (select(vec!["inbox", "board", "in box"]), verbs).prop_map(|(surface, verbs)| {
            let surface = surface.to_owned();
            Capability::Surface { surface, verbs }
        }),
        some(TOOLS).prop_map(|tools| Capability::Tool { tools }),
    ]
}

fn requests() -> impl Strategy<Value = Vec<CapabilityRequest>> {
    let request = (capability(), any::<bool>())
        .prop_map(|(asked, optional)| CapabilityRequest::new(asked).with_optional(optional));
    vec(request, 0..5)
}

/// Everything the gate could be asked, and what the capability answers.
fn answers(capability: &Capability) -> Vec<bool> {
    let hosts = [
        "a.example",
        "b.a.example",
        "x.c.b.a.example",
        "example",
        "evil",
        "*",
    ];
    let paths = ["a", "./a/b/c/d", "ab", "/a/b", "/etc", "..", "."];
    let mut answers = Vec::new();
    for host in hosts {
        for method in ["GET", "POST"] {
            answers.push(capability.allows_host(host, method));
        }
    }
    for path in paths {
        answers.push(capability.allows_read(path));
        answers.push(capability.allows_write(path));
    }
    for name in NAMES {
        answers.push(capability.allows_secret(name));
        answers.push(capability.allows_program(name));
        answers.push(capability.allows_provider(name));
    }
    for (plugin, tool) in [
        ("notes", "add"),
        ("notes", "x"),
        ("web", "get"),
        ("notes", "*"),
    ] {
        answers.push(capability.allows_tool(plugin, tool));
    }
    for verb in SurfaceVerb::ALL {
        answers.push(capability.allows_verb("inbox", verb));
        answers.push(capability.allows_verb("in box", verb));
    }
    answers
}

#[track_caller]
fn never_more(narrow: &Capability, wide: &Capability) {
    let pairs = answers(narrow).into_iter().zip(answers(wide));
    for (i, (narrow_allows, wide_allows)) in pairs.enumerate() {
        assert!(
            wide_allows || !narrow_allows,
            "question {i}: {narrow:?} beyond {wide:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn covers_is_reflexive(a in capability()) {
        prop_assert!(a.covers(&a));
    }

    #[test]
    fn covers_is_transitive(a in capability(), b in capability(), c in capability()) {
        if a.covers(&b) && b.covers(&c) {
            prop_assert!(a.covers(&c));
        }
    }

    #[test]
    fn covered_never_allows_more(a in capability(), b in capability()) {
        if a.covers(&b) {
            never_more(&b, &a);
        }
    }

    #[test]
    fn intersection_is_covered_by_both_and_commutes(a in capability(), b in capability()) {
        let met = a.intersect(&b);
        prop_assert_eq!(&met, &b.intersect(&a));
        if let Some(met) = met {
            prop_assert!(a.covers(&met) && b.covers(&met));
            never_more(&met, &a);
            never_more(&met, &b);
        }
    }

    #[test]
    fn intersection_allows_what_both_allow(a in capability(), b in capability()) {
        let both: Vec<bool> = answers(&a).iter().zip(answers(&b)).map(|(x, y)| *x && y).collect();
        let met = a.intersect(&b).map(|met| answers(&met));
        prop_assert_eq!(met.unwrap_or(vec![false; both.len()]), both);
    }

    #[test]
    fn canonical_form_answers_alike(a in capability()) {
        prop_assert_eq!(answers(&a), answers(&a.canonical()));
        prop_assert_eq!(a.canonical(), a.canonical().canonical());
    }

    #[test]
    fn tags_round_trip(a in capability()) {
        for (tag, atom) in a.tags().iter().zip(sorted_atoms(&a)) {
            let parsed = Capability::parse_tag(tag).unwrap();
            prop_assert_eq!(&parsed, &atom);
            prop_assert_eq!(parsed.tags(), vec![tag.clone()]);
            prop_assert!(a.covers(&parsed));
        }
        let parsed: Vec<_> = a.tags().iter().map(|t| Capability::parse_tag(t).unwrap()).collect();
        prop_assert!(a.is_covered_by(&parsed), "the tags say everything");
    }

    #[test]
    fn tags_never_panic(text in "\\PC{0,40}") {
        if let Ok(parsed) = Capability::parse_tag(&text) {
            prop_assert!(!parsed.is_empty());
        }
    }

    #[test]
    fn json_round_trips(a in capability()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Capability>(&text).unwrap(), &a);
        let request = CapabilityRequest::new(a).with_reason("because").with_optional(true);
        let text = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(serde_json::from_str::<CapabilityRequest>(&text).unwrap(), request);
    }

    #[test]
    fn risk_is_monotone(a in capability(), b in capability()) {
        if a.covers(&b) {
            prop_assert!(a.risk() >= b.risk());
        }
    }

    #[test]
    fn same_requests_do_not_differ(old in requests()) {
        prop_assert!(NeedsDiff::of_requests(&old, &old).is_empty());
    }

    #[test]
    fn narrower_requests_never_widen(old in requests(), cut in capability(), drop in 0_usize..5) {
        let mut new: Vec<CapabilityRequest> = Vec::new();
        for (i, request) in old.iter().enumerate().filter(|(i, _)| *i != drop) {
            let narrower = request.capability.intersect(&cut);
            let kept = if i % 2 == 0 { narrower } else { Some(request.capability.clone()) };
            let optional = request.optional || i % 3 == 0;
            new.extend(kept.map(|kept| CapabilityRequest::new(kept).with_optional(optional)));
        }
        let diff = NeedsDiff::of_requests(&old, &new);
        prop_assert!(!diff.widens(), "{}", diff);
    }

    #[test]
    fn anything_new_widens(old in requests(), more in capability()) {
        let held: Vec<Capability> = old.iter().map(|r| r.capability.clone()).collect();
        let is_new = !more.is_covered_by(&held);
        let mut new = old.clone();
        new.push(CapabilityRequest::new(more).with_optional(true));
        prop_assert_eq!(NeedsDiff::of_requests(&old, &new).widens(), is_new);
    }
}

fn sorted_atoms(capability: &Capability) -> Vec<Capability> {
    let mut atoms = capability.atoms();
    atoms.sort_by_key(Capability::tags);
    atoms
}
