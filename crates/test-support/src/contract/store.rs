//! What every catalog store does.

use std::sync::Arc;
use std::thread;

use keyway_host::catalog::CatalogState;
use keyway_host::store::{CatalogStore, StoreError};

use super::drafts::with_plugin;

/// Holds a [`CatalogStore`] to its contract.
///
/// `make` makes an empty place and gives a function that opens it; several handles to one place
/// are several hosts that share a catalog.
///
/// # Panics
/// With the rule that does not hold.
#[track_caller]
pub fn catalog_store<S, Open>(make: impl Fn() -> Open)
where
    S: CatalogStore,
    Open: Fn() -> S + Sync,
{
    an_empty_place_is_an_empty_catalog(&make());
    what_is_committed_is_loaded(&make());
    every_handle_sees_a_commit(&make());
    fields_of_newer_versions_are_kept(&make());
    a_commit_on_an_old_revision_is_refused(&make());
    many_writers_lose_nothing(&make());
    large_catalogs_are_kept(&make());
}

#[track_caller]
fn load(store: &impl CatalogStore) -> CatalogState {
    match store.load() {
        Ok(loaded) => loaded.state,
        Err(error) => panic!("load failed: {error}"),
    }
}

#[track_caller]
fn commit(store: &impl CatalogStore, expected: u64, next: &CatalogState) {
    if let Err(error) = store.commit(expected, &Arc::new(next.clone())) {
        panic!("commit on revision {expected} failed: {error}");
    }
}

#[track_caller]
fn an_empty_place_is_an_empty_catalog<S: CatalogStore>(open: &impl Fn() -> S) {
    assert_eq!(
        load(&open()),
        CatalogState::new(),
        "a new place must hold an empty catalog"
    );
}

#[track_caller]
fn what_is_committed_is_loaded<S: CatalogStore>(open: &impl Fn() -> S) {
    let store = open();
    let mut state = load(&store);
    for name in ["alpha", "beta", "gamma"] {
        let next = with_plugin(&state, name);
        commit(&store, state.revision(), &next);
        state = next;
        assert_eq!(load(&store), state, "load must give what was committed");
    }
}

#[track_caller]
fn every_handle_sees_a_commit<S: CatalogStore>(open: &impl Fn() -> S) {
    let (writer, reader) = (open(), open());
    let next = with_plugin(&load(&writer), "alpha");
    commit(&writer, 0, &next);
    assert_eq!(load(&reader), next, "another handle must see a commit");
    drop((writer, reader));
    assert_eq!(
        load(&open()),
        next,
        "a commit must outlive the handles of its place"
    );
}

#[track_caller]
fn fields_of_newer_versions_are_kept<S: CatalogStore>(open: &impl Fn() -> S) {
    let store = open();
    let mut document =
        serde_json::to_value(with_plugin(&load(&store), "alpha")).unwrap_or_default();
    document["aFieldOfTomorrow"] = serde_json::json!({ "kept": true });
    let next: CatalogState = match serde_json::from_value(document) {
        Ok(state) => state,
        Err(error) => panic!("bug in the kit: {error}"),
    };
    commit(&store, 0, &next);
    assert_eq!(
        load(&open()),
        next,
        "fields that this version does not know must be kept"
    );
}

#[track_caller]
fn a_commit_on_an_old_revision_is_refused<S: CatalogStore>(open: &impl Fn() -> S) {
    let (first, second) = (open(), open());
    let before = load(&second);
    let winner = with_plugin(&before, "winner");
    commit(&first, 0, &winner);
    let refused = second.commit(0, &Arc::new(with_plugin(&before, "loser")));
    assert!(
        matches!(
            refused,
            Err(StoreError::Conflict {
                expected: 0,
                found: 1
            })
        ),
        "a commit on an old revision must be a conflict that names both, it gave {refused:?}"
    );
    assert_eq!(
        load(&first),
        winner,
        "a refused commit must leave what was there"
    );
}

/// Every writer tries again until its plugin is in; at the end all of them are.
#[track_caller]
fn many_writers_lose_nothing<S: CatalogStore>(open: &(impl Fn() -> S + Sync)) {
    const WRITERS: usize = 4;
    const EACH: usize = 8;
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                let store = open();
                for i in 0..EACH {
                    add(&store, &format!("plugin-{writer}-{i}"));
                }
            });
        }
    });
    let state = load(&open());
    let (found, expected) = (state.entries.len(), WRITERS * EACH);
    assert_eq!(found, expected, "concurrent commits must lose no update");
    assert_eq!(
        usize::try_from(state.revision()).ok(),
        Some(expected),
        "each revision must be committed once"
    );
}

/// Commits another plugin, however often others are faster.
fn add(store: &impl CatalogStore, name: &str) {
    loop {
        let state = load(store);
        let next = Arc::new(with_plugin(&state, name));
        match store.commit(state.revision(), &next) {
            Ok(()) => return,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("commit failed: {error}"),
        }
    }
}

#[track_caller]
fn large_catalogs_are_kept<S: CatalogStore>(open: &impl Fn() -> S) {
    let names = (0..200).map(|i| format!("plugin-{i}"));
    let state = names.fold(CatalogState::new(), |state, name| {
        with_plugin(&state, &name)
    });
    let store = open();
    commit(&store, 0, &state);
    assert_eq!(
        load(&open()),
        state,
        "a catalog of 200 plugins must be kept"
    );
}
