//! Attack C1: every effect of a plugin in every situation in which it must not have it.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_host::audit::AuditEvent;
use keyway_host::catalog::{CatalogState, Grant, Operation};
use keyway_host::clock::Clock as _;
use keyway_host::digest::Digest;
use keyway_host::operator::OperatorId;
use keyway_host::store::MemoryStore;
use keyway_plugin_api::{Arguments, Effect, Tool};
use keyway_plugin_api::{
    CallCx, CallInfo, DenialReason, EffectRequest, HostServices as _, Plugin, PluginId, Register,
    RegisterError, ToolDescriptor, ToolError, ToolErrorKind, ToolName, ToolOutput, async_trait,
};
use keyway_test_support::{Probe, RecordedEffects, TestHost};
use serde_json::json;
use tokio::sync::Notify;

/// Every request that needs a grant, with its tag.
fn guarded() -> Vec<(EffectRequest, &'static str)> {
    let requests = Probe::requests().into_iter();
    let guarded: Vec<_> = requests.filter_map(|(r, tag)| Some((r, tag?))).collect();
    assert_eq!(guarded.len(), 13, "a kind of request is not in the matrix");
    guarded
}

/// The same kinds, each past what the grants allow.
fn outside() -> Vec<EffectRequest> {
    use EffectRequest as R;
    let mut requests = Vec::new();
    for path in [
        "out/file",
        "in/../out/file",
        "/etc/passwd",
        "../in",
        "inside",
    ] {
        let path = || path.to_owned();
        requests.push(R::FsList { path: path() });
        requests.push(R::FsRead { path: path() });
        requests.push(R::FsStat { path: path() });
    }
    for path in [
        "in/file",
        "out/../in/file",
        "/etc/passwd",
        "../out",
        "outer",
    ] {
        let (path, bytes) = (path.to_owned(), Vec::new());
        requests.push(R::FsRemove { path: path.clone() });
        requests.push(R::FsWrite { path, bytes });
    }
    for name in ["OTHER_TOKEN", "PROBE_TOKEN_2", "probe_token", "*", ""] {
        requests.push(R::SecretRead { name: name.into() });
    }
    for url in [
        "https://other.test/",
        "https://x.probe.test/",
        "https://probe.test.evil.test/",
        "https://pr\u{43e}be.test/",
        "https://test/",
        "https://127.0.0.1/",
    ] {
        requests.push(R::HttpFetch {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
        });
    }
    for tool in ["other/pong", "pong", "probe", "*/*", ""] {
        let (tool, arguments) = (tool.to_owned(), "{}".to_owned());
        requests.push(R::CallTool { tool, arguments });
    }
    requests
}

#[derive(Debug, Clone, Copy)]
enum Situation {
    Expired,
    NotGranted,
    OtherDigest,
    OtherScope,
    TakenBack,
    UsesExhausted,
}

impl Situation {
    const ALL: [(Self, DenialReason); 6] = [
        (Self::Expired, DenialReason::Expired),
        (Self::NotGranted, DenialReason::NotGranted),
        (Self::OtherDigest, DenialReason::DefinitionChanged),
        (Self::OtherScope, DenialReason::OutsideScope),
        (Self::TakenBack, DenialReason::NotGranted),
        (Self::UsesExhausted, DenialReason::UsesExhausted),
    ];

    async fn host(self) -> TestHost {
        let host = host(MemoryStore::new()).await;
        let end = host.clock().now_ms() + 1_000;
        match self {
            Self::NotGranted => {}
            Self::Expired => {
                grant_all(&host, |grant| ending(grant, end)).await;
                host.clock().advance(1_000);
            }
            Self::OtherScope => grant_all(&host, elsewhere).await,
            Self::TakenBack => {
                grant_all(&host, |grant| grant).await;
                for tag in Probe::TAGS {
                    host.revoke_grant(tag).await;
                }
            }
            Self::OtherDigest | Self::UsesExhausted => {
                grant_all(&host, |grant| grant).await;
                let store = MemoryStore::of(self.spoiled(&host.catalog()));
                return self::host(store).await;
            }
        }
        host
    }

    /// Rewrites the grants as a catalog edited by hand would have them.
    fn spoiled(self, state: &CatalogState) -> CatalogState {
        let mut json = serde_json::to_value(state).unwrap();
        let grants = json["entries"][Probe::NAME]["keyway"]["grants"]
            .as_array_mut()
            .unwrap();
        assert!(grants.len() >= 4);
        for grant in grants {
            match self {
                Self::OtherDigest => grant["digest"] = json!(Digest::of(b"other bytes")),
                _ => grant["usesLeft"] = json!(0),
            }
        }
        serde_json::from_value(json).unwrap()
    }
}

fn ending(mut grant: Grant, end: i64) -> Grant {
    grant.expires_at_ms = Some(end);
    grant
}

fn elsewhere(mut grant: Grant) -> Grant {
    grant.scope = "globex/lab/other".parse().unwrap();
    grant
}

async fn host(store: MemoryStore) -> TestHost {
    let host = TestHost::builder()
        .store(store)
        .agent("acme/support/triage")
        .plugin(Probe)
        .start()
        .await;
    stock(host.effects());
    host
}

/// Puts there what the requests ask for, so that nothing fails for want of it.
fn stock(world: &RecordedEffects) {
    world.put_file("in/file", "inside");
    world.put_file("out/file", "outside");
    world.put_secret("PROBE_TOKEN", "s3cret");
}

async fn grant_all(host: &TestHost, change: impl Fn(Grant) -> Grant) {
    for tag in Probe::TAGS {
        host.grant_with(tag, &change).await;
    }
}

/// How many effects the gate has refused, by the trail.
fn refused(events: &[AuditEvent]) -> usize {
    let refused = |e: &&AuditEvent| matches!(e, AuditEvent::EffectDenied { .. });
    events.iter().filter(refused).count()
}

/// Asks, and holds the answer to: refused for this reason, on the trail, and never performed.
async fn assert_refused(host: &TestHost, request: &EffectRequest, reason: &[DenialReason]) {
    drop(host.audit().take());
    drop(host.effects().take());
    let error = host
        .call("probe/ask", Probe::asking(request))
        .await
        .unwrap_err();
    let denial = error
        .denial()
        .unwrap_or_else(|| panic!("{request:?}: {error:?}"));
    assert!(reason.contains(&denial.reason), "{request:?}: {denial:?}");
    assert_eq!(
        refused(&host.audit().take()),
        1,
        "{request:?} is not on the trail"
    );
    assert_eq!(host.effects().take(), [], "{request:?} was performed");
}

#[tokio::test]
async fn s_c1_no_effect_passes_without_a_live_grant_for_it() {
    for (situation, reason) in Situation::ALL {
        let host = situation.host().await;
        for (request, _) in guarded() {
            assert_refused(&host, &request, &[reason]).await;
        }
        let tool = host.host().registry().get("probe/ask").is_some();
        assert!(tool, "{situation:?}: refused because nothing runs");
    }
}

#[tokio::test]
async fn s_c1_no_effect_passes_outside_the_constraint_of_a_grant() {
    let host = host(MemoryStore::new()).await;
    grant_all(&host, |grant| grant).await;
    let reasons = [DenialReason::OutsideConstraint, DenialReason::NotDeclared];
    for request in outside() {
        assert_refused(&host, &request, &reasons).await;
    }
}

#[tokio::test]
async fn s_c1_a_grant_of_one_family_opens_no_other() {
    for tag in Probe::TAGS {
        let host = host(MemoryStore::new()).await;
        host.grant(tag).await;
        for (request, needs) in guarded() {
            if needs != tag {
                let reasons = [DenialReason::NotGranted, DenialReason::OutsideConstraint];
                assert_refused(&host, &request, &reasons).await;
            }
        }
    }
}

#[tokio::test]
async fn s_c1_with_its_grant_every_effect_passes() {
    for (request, tag) in guarded() {
        let host = host(MemoryStore::new()).await;
        host.grant(tag).await;
        host.call("probe/ask", Probe::asking(&request))
            .await
            .unwrap_or_else(|error| panic!("{request:?}: {error}"));
        let is_call = matches!(request, EffectRequest::CallTool { .. });
        let seen = host.effects().take();
        assert_eq!(seen.len(), usize::from(!is_call), "{request:?}");
        assert_eq!(refused(&host.audit_events()), 0, "{request:?}");
    }
}

/// A plugin whose one tool begins, waits, and then asks for everything.
struct Sleeper {
    tool: Arc<Sleeping>,
}

struct Sleeping {
    descriptor: ToolDescriptor,
    has_begun: Notify,
    may_go_on: Notify,
}

struct Shared(Arc<Sleeping>);

#[async_trait]
impl Tool for Shared {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0.descriptor
    }

    async fn call(&self, _: Arguments<'_>, cx: &CallCx) -> Result<ToolOutput, ToolError> {
        self.0.has_begun.notify_one();
        self.0.may_go_on.notified().await;
        let mut answers = Vec::new();
        for (request, _) in guarded() {
            answers.push(match cx.perform(request).await {
                Ok(_) => "performed".to_owned(),
                Err(error) => match error.denial {
                    Some(denial) => denial.code().to_owned(),
                    None => error.code().to_owned(),
                },
            });
        }
        ToolOutput::json(&answers)
    }
}

impl Plugin for Sleeper {
    fn manifest(&self) -> Cow<'static, str> {
        Probe
            .manifest()
            .replace("\"name\": \"probe\"", "\"name\": \"sleeper\"")
            .replace(
                r#""ask", "read", "write", "reveal", "remember", "relay", "pong","#,
                r#""sleep""#,
            )
            .replace(r#"{ "name": "hidden", "optional": true }"#, "")
            .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Shared(Arc::clone(&self.tool)))?;
        Ok(())
    }
}

fn sleeper() -> (Sleeper, Arc<Sleeping>) {
    let name = ToolName::parse("sleep").unwrap();
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let tool = Arc::new(Sleeping {
        descriptor: ToolDescriptor::new(name, "Sleeps, then asks.", Effect::Read, schema),
        has_begun: Notify::new(),
        may_go_on: Notify::new(),
    });
    (
        Sleeper {
            tool: Arc::clone(&tool),
        },
        tool,
    )
}

/// Runs the sleeper, does something to its plugin while it sleeps, and returns its answers.
async fn asleep_while(
    operation: impl FnOnce(PluginId) -> Option<Operation>,
) -> (Vec<String>, Arc<TestHost>) {
    let (plugin, tool) = sleeper();
    let host = Arc::new(TestHost::with(plugin).await);
    stock(host.effects());
    for tag in Probe::TAGS {
        host.grant(tag).await;
    }
    let caller = Arc::clone(&host);
    let call = tokio::spawn(async move { caller.call("sleeper/sleep", json!({})).await });
    tool.has_begun.notified().await;
    drop(host.audit().take());
    let changing = operation(PluginId::parse("sleeper").unwrap()).map(|operation| {
        let host = Arc::clone(&host);
        tokio::spawn(async move { host.run(operation).await.map(drop) })
    });
    // The operation waits for the call, and the call for us: the tool is gone first.
    while changing.is_some() && host.host().registry().get("sleeper/sleep").is_some() {
        tokio::task::yield_now().await;
    }
    tool.may_go_on.notify_one();
    let answers = serde_json::from_value(call.await.unwrap().unwrap()).unwrap();
    if let Some(changing) = changing {
        changing.await.unwrap().unwrap();
    }
    (answers, host)
}

#[tokio::test]
async fn s_c1_a_plugin_revoked_while_its_tool_runs_has_no_effect_any_more() {
    let revoke = |plugin| Operation::Revoke {
        plugin,
        by: OperatorId::host(),
        reason: "it lied".to_owned(),
    };
    let disable = |plugin| Operation::Disable {
        plugin,
        cascade: false,
    };
    type Ends = Box<dyn FnOnce(PluginId) -> Operation>;
    let table: [(Ends, &str); 2] = [
        (Box::new(revoke), "REVOKED"),
        (Box::new(disable), "NOT_RUNNING"),
    ];
    for (operation, code) in table {
        let (answers, host) = asleep_while(|plugin| Some(operation(plugin))).await;
        assert_eq!(answers, vec![code; guarded().len()]);
        assert_eq!(host.effects().all(), []);
        assert_eq!(refused(&host.audit().take()), answers.len());
    }
}

#[tokio::test]
async fn s_c1_control_a_sleeper_that_nobody_revokes_has_every_effect_but_a_strangers_tool() {
    let (answers, host) = asleep_while(|_| None).await;
    // `probe/pong` is not there; every other effect is performed.
    let performed = answers.iter().filter(|a| *a == "performed").count();
    assert_eq!(performed, guarded().len() - 1, "{answers:?}");
    assert_eq!(host.effects().all().len(), performed);
}

/// The performer has no gate of its own: whoever reaches it has the effect.
#[tokio::test]
async fn s_c1_control_without_the_gate_the_performer_does_everything() {
    let world = RecordedEffects::new();
    stock(&world);
    let plugin = PluginId::parse(Probe::NAME).unwrap();
    let call = CallInfo::new(1, plugin, "probe/ask".into(), "acme/support/triage".into());
    let mut performed = 0;
    for (request, _) in guarded() {
        let is_call = matches!(request, EffectRequest::CallTool { .. });
        match world.perform(&call, request.clone()).await {
            Ok(_) => performed += 1,
            // A world has no tools; it says so, and not that it is forbidden.
            Err(error) => assert!(is_call && error.kind != ToolErrorKind::Denied, "{error:?}"),
        }
    }
    assert_eq!(performed, guarded().len() - 1);
    assert_eq!(world.all().len(), guarded().len());
}
