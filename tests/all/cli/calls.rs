//! Calls that wait for an operator, answered at the terminal.

use std::sync::Arc;

use keyway_host::catalog::{CallQuestion, Catalog, DurableCatalog, Operation};
use keyway_host::clock::SystemClock;
use keyway_host::digest::Digest;
use keyway_host::store::FileStore;
use keyway_plugin_api::Effect;

use super::bench::Bench;

/// A folder whose host put a call aside for an operator, and the call's id.
fn waiting() -> (Bench, String) {
    let bench = Bench::with(&["plain-notes"]);
    let store = FileStore::open(bench.path(".keyway")).unwrap();
    let (catalog, _) = DurableCatalog::open(store, Arc::new(SystemClock::new())).unwrap();
    let question = CallQuestion {
        tool: "plain-notes/erase".parse().unwrap(),
        caller: "acme/support/triage".parse().unwrap(),
        effect: Effect::Destructive,
        definition: Digest::of(b"definition"),
        arguments: Digest::of(b"{}"),
        preview: "{\"note\":\"\u{1b}[2Jall\"}".to_owned(),
    };
    catalog.run(&Operation::AskCall { question }).unwrap();
    let calls = bench.json("call list");
    let id = calls.as_object().unwrap().keys().next().unwrap().clone();
    (bench, id)
}

#[test]
fn a_waiting_call_is_shown_whole_and_harmless() {
    let (bench, id) = waiting();
    let shown = bench.ok("call list").out;
    let want = format!(
        "Call: {id}\n  Tool: plain-notes/erase (destroys)\n  Caller: acme/support/triage\n  Asked: "
    );
    assert!(shown.starts_with(&want), "{shown}");
    assert!(shown.ends_with("\n  Answer: none yet\n"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn a_call_is_allowed_once_always_or_not() {
    let table = [
        ("allow", "allowed with these arguments by olive at 2"),
        ("allow --always", "allowed with any arguments by olive at 2"),
        ("allow --always --expires-in 12h", ", until 2"),
        ("deny", ": an operator said no"),
        ("deny --reason late", ": late"),
    ];
    for (answer, want) in table {
        let (bench, id) = waiting();
        let (verb, options) = answer.split_once(' ').unwrap_or((answer, ""));
        let before = bench.catalog_bytes();
        bench.ok(&format!("call {verb} {id} {options} --dry-run"));
        assert_eq!(bench.catalog_bytes(), before);
        bench.ok(&format!("call {verb} {id} {options}"));
        let shown = bench.ok("call list").out;
        assert!(shown.contains(want), "{answer}: {shown}");
    }
}

#[test]
fn a_call_that_does_not_wait_cannot_be_answered() {
    let bench = Bench::new();
    let failure = bench.json_failure("call allow nothing");
    assert_eq!(failure["code"], "NOT_FOUND");
    assert_eq!(failure["operation"], "answer_call");
    assert_eq!(bench.ok("call list").err, "note: no call waits\n");
}
