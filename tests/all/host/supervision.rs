//! What a runtime tells the host of its instances, and what agents and operators see of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_host::audit::{AuditEvent, Redactor};
use keyway_host::catalog::Authority;
use keyway_host::rank::Trust;
use keyway_host::runtime::{
    Enforcement, Failure, Launch, PluginRuntime, RunningPlugin, StartError, Started,
};
use keyway_host::view::CallOptions;
use keyway_host::{CallError, Outcome};
use keyway_plugin_api::serde_json::{Value, json};
use keyway_plugin_api::{
    CallCx, DenialReason, EffectRequest, LogLevel, Manifest, Progress, Register, RuntimeKind,
    SecretValue, Tool, ToolErrorKind, ToolName, async_trait, tool,
};
use keyway_test_support::TestHost;

use super::{id, status};
use crate::support::until;

const REMOTE: &str = r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
    "name": "remote", "version": "0.1.0", "extensions": { "dev.keyway": {
      "api": ">=0.1, <0.2", "runtime": { "kind": "mcp", "command": "server" },
      "capabilities": [
        { "kind": "secret", "names": ["TOKEN"] },
        { "kind": "state", "quotaBytes": 1000, "background": true },
        { "kind": "filesystem", "read": ["./data"] } ],
      "activation": { "env": ["TOKEN", "DISPLAY"] },
      "contributes": { "tools": ["first", "second"] } } } }"#;

/// Answers.
#[tool(effect = read)]
async fn first(progress: Progress) -> String {
    for done in [1, 3, 2, 4] {
        progress.report(done, Some(4), "step").await;
    }
    "first".to_owned()
}

/// Answers too.
#[tool(effect = read)]
fn second() -> String {
    "second".to_owned()
}

/// A runtime that hands out what it was handed.
#[derive(Clone, Default)]
struct Handed {
    launches: Arc<Mutex<Vec<Launch>>>,
    fails_at_once: Arc<AtomicBool>,
}

impl Handed {
    fn last(&self) -> Launch {
        self.launches.lock().unwrap().last().unwrap().clone()
    }
}

struct Nothing;

#[async_trait]
impl RunningPlugin for Nothing {
    async fn stop(&self) {}
}

#[async_trait]
impl PluginRuntime for Handed {
    fn supports(&self, manifest: &Manifest) -> bool {
        manifest
            .runtime()
            .is_some_and(|r| r.kind == RuntimeKind::Mcp)
    }

    async fn start(&self, launch: Launch) -> Result<Started, StartError> {
        self.launches.lock().unwrap().push(launch.clone());
        if self.fails_at_once.load(Ordering::Relaxed) {
            launch.supervision.down(&Failure::new("died young"));
        }
        let mut ctx = Register::open(&launch.manifest, &launch.settings);
        ctx.tool(First)?.tool(Second)?;
        let staged = ctx.finish();
        Ok(Started::new(
            staged,
            Arc::new(Nothing),
            Enforcement::Enforced,
        ))
    }
}

async fn host(runtime: &Handed) -> TestHost {
    host_with(runtime, Redactor::new()).await
}

async fn host_with(runtime: &Handed, redactor: Redactor) -> TestHost {
    let effects = Arc::new(keyway_test_support::RecordedEffects::new());
    effects.put_secret("TOKEN", "t-123");
    TestHost::builder()
        .effects(effects)
        .configure(|host| {
            host.runtime(runtime.clone())
                .redactor(redactor)
                .declared_plugin(REMOTE, Trust::Community)
        })
        .start()
        .await
}

fn names(host: &TestHost) -> Vec<String> {
    let listing = host.view().list();
    listing.tools.iter().map(|tool| tool.id.clone()).collect()
}

fn denied(result: Result<Value, CallError>) -> DenialReason {
    match result {
        Err(CallError::Denied(denial)) => denial.reason,
        other => panic!("expected a denial, got {other:?}"),
    }
}

/// A plugin that knows a secret may say it in any words that an operator is told.
#[tokio::test]
async fn s_i1_no_notice_holds_a_secret() {
    let says = "hunter2-hunter2";
    for is_known in [true, false] {
        let redactor = Redactor::new();
        if is_known {
            redactor.learn(&SecretValue::new(says));
        }
        let runtime = Handed::default();
        let host = host_with(&runtime, redactor).await;
        let mut notices = host.host().notices();
        let failure = Failure::new(says).with_last_lines(vec![says.to_owned()]);
        let supervision = runtime.last().supervision;
        supervision.notice(LogLevel::Info, says);
        supervision.down(&failure);
        for _ in 0..2 {
            let told = format!("{:?}", notices.try_recv().unwrap());
            // The control: nobody told the host that this is a secret.
            assert_eq!(told.contains(says), !is_known, "{told}");
        }
    }
}

#[tokio::test]
async fn l12_a_failure_takes_the_tools_out_in_one_swap_and_tells_the_operator() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    assert_eq!(names(&host), ["remote/first", "remote/second"]);
    let mut notices = host.host().notices();
    let mut changes = host.host().changes();
    changes.mark_unchanged();

    let failure = Failure::new("killed by signal 9")
        .with_last_lines(vec!["out of memory".to_owned()])
        .with_retry_after(Duration::from_millis(200));
    runtime.last().supervision.down(&failure);

    assert!(names(&host).is_empty());
    assert_eq!(
        denied(host.call("remote/first", json!({})).await),
        DenialReason::NotRunning
    );
    assert!(changes.has_changed().unwrap());
    let notice = notices.try_recv().unwrap();
    assert!(notice.message.contains("killed by signal 9"), "{notice:?}");
    assert_eq!(notice.detail, ["out of memory"]);
    let told = host.audit_events().into_iter().any(|event| {
        matches!(event, AuditEvent::PluginFailed { stage, reason, .. }
            if stage == "run" && reason.contains("out of memory"))
    });
    assert!(told);
    // What the operator wants has not changed.
    assert!(host.catalog().entry(&id("remote")).unwrap().enabled);
}

#[tokio::test]
async fn what_comes_back_shows_the_same_tools() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let supervision = runtime.last().supervision;
    supervision.down(&Failure::new("gone"));
    supervision.up();
    assert_eq!(names(&host), ["remote/first", "remote/second"]);
    assert_eq!(
        host.call("remote/second", json!({})).await.unwrap(),
        "second"
    );
}

#[tokio::test]
async fn one_change_is_told_once() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let supervision = runtime.last().supervision;
    let mut changes = host.host().changes();
    let before = *changes.borrow_and_update();
    supervision.down(&Failure::new("gone"));
    supervision.down(&Failure::new("gone again"));
    assert_eq!(*changes.borrow_and_update(), before + 1);
    supervision.up();
    supervision.up();
    assert_eq!(*changes.borrow_and_update(), before + 2);
}

#[tokio::test]
async fn an_instance_that_was_replaced_has_no_say() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let old = runtime.last().supervision;
    host.host().reload(&id("remote")).await.unwrap();
    assert_ne!(old.instance(), runtime.last().supervision.instance());
    old.down(&Failure::new("I am the old one"));
    assert_eq!(names(&host).len(), 2);
    // Control: the new one has.
    runtime.last().supervision.down(&Failure::new("I am new"));
    assert!(names(&host).is_empty());
}

/// How often the trail says that the plugin died young.
fn told(host: &TestHost) -> usize {
    let events = host.audit_events();
    let is_told = |event: &&AuditEvent| matches!(event, AuditEvent::PluginFailed { reason, .. } if **reason == *"died young");
    events.iter().filter(is_told).count()
}

#[track_caller]
fn is_told_and_hidden_until_it_is_up(host: &TestHost, runtime: &Handed) {
    assert!(names(host).is_empty());
    assert_eq!(told(host), 1);
    runtime.last().supervision.up();
    assert_eq!(names(host).len(), 2);
}

#[tokio::test]
async fn who_fails_before_the_first_appearance_is_never_shown_and_its_failure_is_told() {
    let runtime = Handed::default();
    runtime.fails_at_once.store(true, Ordering::Relaxed);
    let host = host(&runtime).await;
    is_told_and_hidden_until_it_is_up(&host, &runtime);
}

#[tokio::test]
async fn who_fails_before_it_replaces_another_is_not_shown_either() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    runtime.fails_at_once.store(true, Ordering::Relaxed);
    host.host().reload(&id("remote")).await.unwrap();
    is_told_and_hidden_until_it_is_up(&host, &runtime);
}

#[tokio::test]
async fn revoked_while_down_stays_revoked() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let supervision = runtime.last().supervision;
    supervision.down(&Failure::new("gone"));
    host.revoke("remote").await;
    supervision.up();
    assert!(names(&host).is_empty());
    assert_eq!(
        denied(host.call("remote/first", json!({})).await),
        DenialReason::Revoked
    );
}

#[tokio::test]
async fn a_tool_that_is_struck_out_goes_alone() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let supervision = runtime.last().supervision;
    supervision.strike_out(&ToolName::parse("first").unwrap(), "crashed twice");
    assert_eq!(names(&host), ["remote/second"]);
    // It stays out when the plugin comes back.
    supervision.down(&Failure::new("gone"));
    supervision.up();
    assert_eq!(names(&host), ["remote/second"]);
}

#[tokio::test]
async fn r10_changed_tools_are_out_and_wait_for_an_operator() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let supervision = runtime.last().supervision;
    let mut changed = Second.descriptor().clone();
    changed.description.push_str(" And more.");
    supervision.redefined(vec![Arc::new(First), Arc::new(Described(changed))]);
    assert!(names(&host).is_empty());
    let waits = || {
        let state = host.catalog();
        state.entry(&id("remote")).unwrap().keyway.authority == Authority::PendingApproval
    };
    until(waits).await;
}

#[tokio::test]
async fn fewer_tools_need_no_question() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    runtime.last().supervision.redefined(vec![Arc::new(First)]);
    assert_eq!(names(&host), ["remote/first"]);
    let state = host.catalog();
    let authority = state.entry(&id("remote")).unwrap().keyway.authority;
    assert_eq!(authority, Authority::Approved);
}

struct Described(keyway_plugin_api::ToolDescriptor);

#[async_trait]
impl Tool for Described {
    fn descriptor(&self) -> &keyway_plugin_api::ToolDescriptor {
        &self.0
    }
    async fn call(
        &self,
        _: keyway_plugin_api::Arguments<'_>,
        _: &CallCx,
    ) -> Result<keyway_plugin_api::ToolOutput, keyway_plugin_api::ToolError> {
        Ok(keyway_plugin_api::ToolOutput::text("changed"))
    }
}

#[tokio::test]
async fn granted_secrets_come_into_the_environment_and_conditions_do_not() {
    let runtime = Handed::default();
    let _host = host(&runtime).await;
    let env = runtime.last().env;
    assert_eq!(env.keys().collect::<Vec<_>>(), ["TOKEN"]);
    assert_eq!(env["TOKEN"].expose(), "t-123");
}

#[tokio::test]
async fn a_request_outside_a_call_needs_a_grant_that_says_so() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let background = runtime.last().background;
    let put = EffectRequest::StatePut {
        key: "k".to_owned(),
        value: b"v".to_vec(),
    };
    background.perform(put.clone()).await.unwrap();
    let read = EffectRequest::FsRead {
        path: "data/x".to_owned(),
    };
    let error = background.perform(read).await.unwrap_err();
    assert_eq!(error.denial.unwrap().reason, DenialReason::CallEnded);
    let recorded = host.audit_events().into_iter().any(|event| {
        matches!(event, AuditEvent::EffectDenied { call: 0, denial, .. }
            if denial.reason == DenialReason::CallEnded)
    });
    assert!(recorded);
    // Once the instance has stopped, nothing of it asks any more.
    host.disable("remote").await;
    let error = background.perform(put).await.unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::Cancelled);
}

#[tokio::test]
async fn progress_reaches_who_watches_and_never_goes_back() {
    let runtime = Handed::default();
    let host = host(&runtime).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let options = CallOptions::new().watched(move |p| sink.lock().unwrap().push(p.done));
    let outcome = host
        .view()
        .call_with(options, "remote/first", json!({}))
        .await;
    assert!(matches!(outcome, Ok(Outcome::Done(_))));
    assert_eq!(*seen.lock().unwrap(), [1, 3, 4]);
}

#[tokio::test]
async fn a_declared_plugin_waits_for_approval_like_any_other() {
    let runtime = Handed::default();
    let deny = keyway_host::approval::Decision::Deny {
        reason: "no".to_owned(),
    };
    let host = TestHost::builder()
        .approver(keyway_test_support::ScriptedApprover::answering(deny))
        .configure(|host| {
            host.runtime(runtime.clone())
                .declared_plugin(REMOTE, Trust::Community)
        })
        .start()
        .await;
    assert!(matches!(
        status(&host, "remote"),
        keyway_host::PluginStatus::Denied
    ));
    assert!(runtime.launches.lock().unwrap().is_empty());
}
