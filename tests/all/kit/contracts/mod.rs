//! Every contract suite passes what ships and rejects one that is broken on purpose.

mod authority;
mod runtimes;
mod storage;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Asserts that a suite panics, and that it names the rule.
#[track_caller]
fn rejects(rule: &str, suite: impl FnOnce()) {
    match catch_unwind(AssertUnwindSafe(suite)) {
        Ok(()) => panic!("the suite passed it"),
        Err(panic) => assert_names(rule, &*panic),
    }
}

async fn rejects_async(rule: &str, suite: impl Future<Output = ()> + Send + 'static) {
    match tokio::spawn(suite).await {
        Ok(()) => panic!("the suite passed it"),
        Err(end) => assert_names(rule, &*end.into_panic()),
    }
}

#[track_caller]
fn assert_names(rule: &str, panic: &(dyn Any + Send)) {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default();
    assert!(text.contains(rule), "expected {rule:?} in {text:?}");
}
