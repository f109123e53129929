//! What every catalog does.

use std::sync::Arc;
use std::thread;

use keyway_host::catalog::{Catalog, CatalogError, Operation, Plan};
use keyway_host::operator::OperatorId;

use super::drafts::install;
use crate::harness::plugin_id;

/// Holds a [`Catalog`] to its contract. `make` makes an empty one.
///
/// # Panics
/// With the rule that does not hold.
#[track_caller]
pub fn catalog<C: Catalog>(make: impl Fn() -> C) {
    planning_changes_nothing(&make());
    applying_makes_what_was_planned(&make());
    snapshots_do_not_change(&make());
    an_old_plan_is_refused(&make());
    a_refused_operation_changes_nothing(&make());
    concurrent_operations_lose_nothing(&make());
    revocation_is_final(&make());
    reading_again_finds_nothing_new(&make());
}

#[track_caller]
fn plan(catalog: &impl Catalog, operation: &Operation) -> Plan {
    match catalog.plan(operation) {
        Ok(plan) => plan,
        Err(error) => panic!("{} was refused: {error}", operation.kind()),
    }
}

#[track_caller]
fn run(catalog: &impl Catalog, operation: &Operation) {
    if let Err(error) = catalog.run(operation) {
        panic!("{} was refused: {error}", operation.kind());
    }
}

#[track_caller]
fn planning_changes_nothing(catalog: &impl Catalog) {
    let before = catalog.snapshot();
    assert!(
        before.entries.is_empty() && before.revision() == 0,
        "a new catalog must be empty"
    );
    let plan = plan(catalog, &install("alpha"));
    assert!(plan.changes_anything(), "an installation changes something");
    assert_eq!(catalog.snapshot(), before, "planning must change nothing");
}

#[track_caller]
fn applying_makes_what_was_planned(catalog: &impl Catalog) {
    let plan = plan(catalog, &install("alpha"));
    let (planned, promised) = (plan.next().clone(), plan.result().clone());
    match catalog.apply(plan) {
        Ok(result) => assert_eq!(result, promised, "apply must answer what was planned"),
        Err(error) => panic!("a fresh plan must apply: {error}"),
    }
    assert_eq!(
        *catalog.snapshot(),
        planned,
        "the catalog must be what was planned"
    );
}

#[track_caller]
fn snapshots_do_not_change(catalog: &impl Catalog) {
    run(catalog, &install("alpha"));
    let old = catalog.snapshot();
    let copy = (*old).clone();
    run(catalog, &install("beta"));
    assert_eq!(*old, copy, "a snapshot must stay what it was");
    assert!(
        catalog.snapshot().revision() > old.revision(),
        "a change must raise the revision"
    );
}

#[track_caller]
fn an_old_plan_is_refused(catalog: &impl Catalog) {
    let old = plan(catalog, &install("alpha"));
    run(catalog, &install("beta"));
    let before = catalog.snapshot();
    let refused = catalog.apply(old);
    assert!(
        matches!(refused, Err(CatalogError::Conflict { .. })),
        "a plan made on an old revision must be a conflict, it gave {refused:?}"
    );
    assert_eq!(
        catalog.snapshot(),
        before,
        "a refused plan must change nothing"
    );
}

#[track_caller]
fn a_refused_operation_changes_nothing(catalog: &impl Catalog) {
    run(catalog, &install("alpha"));
    let before = catalog.snapshot();
    let twice = catalog.run(&install("alpha"));
    assert!(
        matches!(twice, Err(CatalogError::AlreadyInstalled { .. })),
        "a second installation must be refused, it gave {twice:?}"
    );
    let plugin = plugin_id("nobody");
    let unknown = catalog.run(&Operation::Enable { plugin });
    assert!(
        matches!(unknown, Err(CatalogError::NotFound { .. })),
        "an unknown plugin must be refused, it gave {unknown:?}"
    );
    assert_eq!(
        catalog.snapshot(),
        before,
        "a refused operation must change nothing"
    );
}

#[track_caller]
fn concurrent_operations_lose_nothing(catalog: &impl Catalog) {
    const THREADS: usize = 4;
    const EACH: usize = 8;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for i in 0..EACH {
                    run(catalog, &install(&format!("plugin-{thread}-{i}")));
                }
            });
        }
    });
    let state = catalog.snapshot();
    assert_eq!(
        state.entries.len(),
        THREADS * EACH,
        "concurrent operations must lose nothing"
    );
}

#[track_caller]
fn revocation_is_final(catalog: &impl Catalog) {
    run(catalog, &install("alpha"));
    run(
        catalog,
        &Operation::Revoke {
            plugin: plugin_id("alpha"),
            by: OperatorId::host(),
            reason: "the suite says so".to_owned(),
        },
    );
    run(
        catalog,
        &Operation::Uninstall {
            plugin: plugin_id("alpha"),
            cascade: false,
            state: None,
        },
    );
    let again = catalog.run(&install("alpha"));
    assert!(
        matches!(again, Err(CatalogError::Revoked { .. })),
        "a revoked plugin must stay out, it gave {again:?}"
    );
}

#[track_caller]
fn reading_again_finds_nothing_new(catalog: &impl Catalog) {
    run(catalog, &install("alpha"));
    let before = catalog.snapshot();
    match catalog.refresh() {
        Ok(is_new) => assert!(!is_new, "nobody else changed the catalog"),
        Err(error) => panic!("reading again failed: {error}"),
    }
    let after = catalog.snapshot();
    assert!(
        Arc::ptr_eq(&before, &after) || before == after,
        "reading again must lose nothing"
    );
}
