#![doc = include_str!("../README.md")]
#![expect(
    clippy::panic,
    reason = "a kit for tests: what does not hold fails the test that asked"
)]

mod approver;
mod assertions;
mod cancel;
pub mod contract;
mod effects;
mod harness;
mod linked;
mod package;
mod plugin;
mod probe;
mod runtime;

pub use approver::ScriptedApprover;
pub use assertions::{assert_denied, assert_effect_denied, denials};
pub use cancel::{CallPolls, poll_at_most};
pub use effects::{RecordedEffect, RecordedEffects};
pub use harness::{TestHost, TestHostBuilder};
pub use keyway_host::clock::ManualClock as FakeClock;
pub use package::TempPackages;
pub use plugin::{assert_descriptors_match, check_manifest, check_manifest_with, registered};
pub use probe::Probe;
pub use runtime::CodeRuntime;

/// Runs a future to its end on the current thread, for tests without an async runtime.
///
/// # Panics
/// When the system gives no runtime, or inside of one.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    match builder.enable_time().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!("no async runtime: {error}"),
    }
}

/// The page for plugin authors: its program compiles and passes its own test.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/authoring.md")]
struct AuthoringPage;
