//! Clocks that jump.

use std::sync::Arc;

use keyway_host::catalog::{Approval, Catalog, CatalogState, DurableCatalog, Operation, decide};
use keyway_host::clock::ManualClock;
use keyway_host::store::{CatalogStore, FileStore};
use serde_json::json;

use super::support::{
    Draft, approve_with, assert_sound, disable, enable, id, operator, plugin, scratch,
};

const DAY: i64 = 24 * 60 * 60 * 1000;
/// 2026-08-01.
const NOW: i64 = 1_785_542_400_000;
/// 2262-04-11, where nanoseconds in 64 bits end.
const YEAR_2262: i64 = 9_223_372_036_854;

fn asker() -> Draft {
    plugin("asker")
        .runs()
        .asks(json!([{ "kind": "secret", "names": ["TOKEN"] }]))
}

struct Bench {
    clock: ManualClock,
    catalog: DurableCatalog,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = scratch();
        let clock = ManualClock::at(NOW);
        let catalog = open(dir.path(), &clock);
        Self {
            clock,
            catalog,
            dir,
        }
    }

    fn run(&self, operation: &Operation) {
        self.catalog.run(operation).unwrap();
        assert_sound(&self.catalog.snapshot());
    }

    fn restarted(self) -> Self {
        let catalog = open(self.dir.path(), &self.clock);
        Self { catalog, ..self }
    }

    /// Whether the grant that ends at `NOW + DAY` holds at the clock's time.
    fn is_granted(&self, now_ms: i64) -> bool {
        let state = self.catalog.snapshot();
        let grants = &state.entry(&id("asker")).unwrap().keyway.grants;
        let judged = state.judged_ms(now_ms);
        grants.iter().any(|grant| grant.is_unexpired(judged))
    }
}

fn open(dir: &std::path::Path, clock: &ManualClock) -> DurableCatalog {
    let store = FileStore::open(dir).unwrap();
    DurableCatalog::open(store, Arc::new(clock.clone()))
        .unwrap()
        .0
}

#[test]
fn s_a9_revisions_order_changes_whatever_the_clock_does() {
    let bench = Bench::new();
    bench.run(&plugin("notes").install());
    let mut seen = vec![bench.catalog.snapshot()];
    for jump in [
        0,
        -30 * DAY,
        400 * DAY,
        -800 * DAY,
        0,
        0,
        YEAR_2262 - NOW,
        i64::MIN / 4,
    ] {
        bench.clock.advance(jump);
        let verb = if seen.len() % 2 == 1 { disable } else { enable };
        bench.run(&verb("notes"));
        seen.push(bench.catalog.snapshot());
    }
    for pair in seen.windows(2) {
        assert_eq!(pair[1].revision(), pair[0].revision() + 1);
        assert!(
            pair[1].last_modified_ms >= pair[0].last_modified_ms,
            "never goes back"
        );
    }
}

#[test]
fn s_a9_what_expired_stays_expired_when_the_clock_steps_back() {
    let bench = Bench::new();
    bench.run(&asker().install());
    let until_tomorrow = Approval::by(operator()).with_expiry(NOW + DAY);
    bench.run(&approve_with("asker", until_tomorrow));
    assert!(bench.is_granted(NOW));
    assert!(!bench.is_granted(NOW + DAY));

    bench.clock.advance(2 * DAY);
    bench.run(&plugin("notes").install());
    bench.clock.advance(-30 * DAY);
    assert!(
        !bench.is_granted(NOW - 28 * DAY),
        "the high-water mark holds"
    );
    let bench = bench.restarted();
    assert!(!bench.is_granted(NOW - 28 * DAY), "and survives a restart");
    bench.run(&Operation::Sweep);
    let state = bench.catalog.snapshot();
    assert_eq!(state.entry(&id("asker")).unwrap().keyway.grants, []);
}

/// The control: judged by the clock alone the grant would be back.
#[test]
fn s_a9_control_the_clock_alone_would_bring_it_back() {
    let bench = Bench::new();
    bench.run(&asker().install());
    bench.run(&approve_with(
        "asker",
        Approval::by(operator()).with_expiry(NOW + DAY),
    ));
    bench.clock.advance(2 * DAY);
    bench.run(&plugin("notes").install());
    let state = bench.catalog.snapshot();
    let grant = &state.entry(&id("asker")).unwrap().keyway.grants[0];
    assert!(grant.is_unexpired(NOW - 28 * DAY), "naively judged");
    assert!(!grant.is_unexpired(state.judged_ms(NOW - 28 * DAY)));
}

#[test]
fn s_a9_equal_milliseconds_and_the_ends_of_time_do_not_panic() {
    for now_ms in [0, -1, i64::MIN, i64::MAX, YEAR_2262, YEAR_2262 + 1] {
        let mut state = CatalogState::new();
        for operation in [
            asker().install(),
            approve_with("asker", Approval::by(operator()).with_expiry(i64::MAX)),
            disable("asker"),
            enable("asker"),
            Operation::Sweep,
        ] {
            let plan = decide(&state, &operation, now_ms).unwrap();
            state = plan.next().clone();
            assert_sound(&state);
        }
        let dir = scratch();
        let store = FileStore::open(dir.path()).unwrap();
        store.commit(0, &Arc::new(state.clone())).unwrap();
        assert_eq!(
            FileStore::open(dir.path()).unwrap().load().unwrap().state,
            state
        );
    }
}
