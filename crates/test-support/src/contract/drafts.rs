//! Catalog operations that the suites make.

use keyway_host::catalog::{Candidate, CatalogState, Operation, decide};
use keyway_host::digest::Digest;
use keyway_plugin_api::Manifest;

/// When the suites' operations are decided, in Unix milliseconds.
const NOW_MS: i64 = 1_700_000_000_000;

/// An installation of a plugin with nothing to run.
#[track_caller]
pub(super) fn install(name: &str) -> Operation {
    let text = format!(
        r#"{{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
              "name": "{name}", "version": "1.0.0" }}"#
    );
    match Manifest::parse(text.as_bytes()) {
        Ok((manifest, _)) => Operation::Install {
            candidate: Box::new(Candidate::new(&manifest, Digest::of(text.as_bytes()))),
        },
        Err(error) => panic!("bug in the kit: {error}"),
    }
}

/// The catalog after one more plugin was installed.
#[track_caller]
pub(super) fn with_plugin(state: &CatalogState, name: &str) -> CatalogState {
    match decide(state, &install(name), NOW_MS) {
        Ok(plan) => plan.next().clone(),
        Err(error) => panic!("bug in the kit: {error}"),
    }
}
