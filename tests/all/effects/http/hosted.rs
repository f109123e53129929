//! HTTP as a plugin in a host has it: asked for by a tool, decided by the gate, sent here.

use std::borrow::Cow;
use std::sync::Arc;

use keyway_effects::Effects;
use keyway_effects::secrets::MemorySecrets;
use keyway_host::approval::ApproveAll;
use keyway_host::audit::{AuditEvent, MemoryAudit, Redactor};
use keyway_host::{CallError, Host, Outcome};
use keyway_plugin_api::{
    Args, Denial, DenialReason, Hosts, HttpRequest, Log, Net, Plugin, Register, RegisterError,
    ToolError, ToolErrorKind, ToolInput, Tools, async_trait, tool,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Names, ONE, Server, TWO, answer, local, ok, redirect};

const CANARY: &str = "canary-l06-9d21f";

struct One;

impl Hosts for One {
    const HOSTS: &'static [&'static str] = &["one.test"];
}

#[derive(ToolInput)]
struct Asked {
    method: String,
    url: String,
    /// The value of the header `authorization`.
    key: String,
}

/// Asks a server, and logs what came of it.
#[tool(effect = read)]
async fn fetch(Args(asked): Args<Asked>, net: Net<One>, log: Log) -> Result<String, ToolError> {
    let mut request = HttpRequest::new(asked.method, asked.url);
    if !asked.key.is_empty() {
        request = request.with_header("authorization", asked.key);
    }
    let done = net.send(request).await;
    log.info(format!("{done:?}")).await;
    let response = done?;
    log.info(format!("{:?}", response.text())).await;
    Ok(response.text().unwrap_or_default().to_owned())
}

#[derive(ToolInput)]
struct Relayed {
    url: String,
}

/// Lets the other plugin ask.
#[tool(effect = read)]
async fn relay(Args(asked): Args<Relayed>, tools: Tools) -> Result<String, ToolError> {
    let arguments = json!({"method": "GET", "url": asked.url, "key": ""});
    tools.call("asker/fetch", &arguments).await
}

/// A plugin with one of the tools above, which asks for something.
struct Asking(&'static str, &'static str, Value);

#[async_trait]
impl Plugin for Asking {
    fn manifest(&self) -> Cow<'static, str> {
        json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": self.0, "version": "0.1.0",
            "extensions": {"dev.keyway": {
                "api": ">=0.1, <0.2",
                "runtime": {"kind": "linked"},
                "capabilities": self.2,
                "contributes": {"tools": [self.1]},
            }},
        })
        .to_string()
        .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        match self.1 {
            "fetch" => ctx.tool(Fetch)?,
            _ => ctx.tool(Relay)?,
        };
        Ok(())
    }
}

struct World {
    host: Host,
    effects: Effects,
    audit: Arc<MemoryAudit>,
    _folder: TempDir,
}

impl World {
    /// A host with a plugin that asks for these capabilities, all granted.
    async fn with(capabilities: Value) -> Self {
        Self::of([Asking("asker", "fetch", capabilities)]).await
    }

    async fn of(plugins: impl IntoIterator<Item = Asking>) -> Self {
        let names = Names::default()
            .with("one.test", &[ONE])
            .with("two.test", &[TWO])
            .with("x.one.test", &[TWO])
            .with("one.test.evil.test", &[TWO])
            .with("xn--ne-emc.test", &[TWO]);
        let (folder, redactor) = (tempfile::tempdir().unwrap(), Redactor::new());
        let effects = Effects::builder(folder.path().join(".keyway"))
            .secrets(MemorySecrets::new().with("TOKEN", CANARY))
            .redactor(redactor.clone())
            .http(local(&names))
            .build()
            .unwrap();
        let audit = Arc::new(MemoryAudit::new());
        let mut host = Host::builder("test", "1.0.0")
            .approver(ApproveAll)
            .redactor(redactor)
            .audit(Arc::clone(&audit))
            .effects(effects.clone());
        for plugin in plugins {
            host = host.plugin(plugin);
        }
        let host = host.build().unwrap();
        let report = host.start().await;
        assert_eq!(report.failures().count(), 0, "{report:#?}");
        Self {
            host,
            effects,
            audit,
            _folder: folder,
        }
    }

    async fn fetch(&self, method: &str, url: &str, key: &str) -> Result<Value, ToolError> {
        let arguments = json!({"method": method, "url": url, "key": key});
        self.call("asker/fetch", arguments).await
    }

    async fn get(&self, url: &str) -> Result<Value, ToolError> {
        self.fetch("GET", url, "").await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        let view = self.host.view("acme/support/triage".parse().unwrap());
        match view.call(tool, arguments.to_string()).await {
            Ok(Outcome::Done(output)) => Ok(output.to_value()),
            Err(CallError::Failed(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// The refusals of effects in the trail, since the last look.
    fn denials(&self) -> Vec<Denial> {
        let events = self.audit.take().into_iter();
        let denials = events.filter_map(|event| match event {
            AuditEvent::EffectDenied { denial, .. } => Some(*denial),
            _ => None,
        });
        denials.collect()
    }

    /// The effects that were performed, since the last look.
    fn performed(&self) -> Vec<String> {
        let events = self.audit.take().into_iter();
        let tags = events.filter_map(|event| match event {
            AuditEvent::EffectPerformed { tag, .. } => Some(tag.into_string()),
            _ => None,
        });
        tags.collect()
    }
}

fn network(hosts: &[&str]) -> Value {
    json!({"kind": "network", "hosts": hosts})
}

fn one_host() -> Value {
    json!([network(&["one.test"])])
}

#[tokio::test]
async fn l06_that_host_yes() {
    let server = Server::start(ONE, |_| ok("hello"));
    let world = World::with(one_host()).await;
    for host in ["one.test", "ONE.test", "one.test."] {
        let url = format!("http://{host}:{}/path?query=private", server.port());
        assert_eq!(world.get(&url).await.unwrap(), json!("hello"));
        assert_eq!(world.performed(), ["network:one.test"]);
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn l06_another_host_and_every_look_alike_is_denied_and_recorded() {
    let servers = Server::at_one_port(&[ONE, TWO], |_| ok("reached"));
    let world = World::with(one_host()).await;
    let table = [
        ("http://two.test:{p}/", "network:two.test[GET]"),
        ("http://x.one.test:{p}/", "network:x.one.test[GET]"),
        (
            "http://one.test.evil.test:{p}/",
            "network:one.test.evil.test[GET]",
        ),
        ("http://\u{43e}ne.test:{p}/", "network:xn--ne-emc.test[GET]"),
        ("http://127.0.0.1:{p}/", "network:127.0.0.1[GET]"),
        ("http://0x7f.1:{p}/", "network:127.0.0.1[GET]"),
        ("http://[::1]:{p}/", "network:[::1][GET]"),
    ];
    for (url, asked) in table {
        let url = url.replace("{p}", &servers[0].port().to_string());
        let error = world.get(&url).await.unwrap_err();
        let denial = error.denial.unwrap();
        assert_eq!(error.kind, ToolErrorKind::Denied);
        assert_eq!(
            (denial.reason, denial.asked.as_str()),
            (DenialReason::OutsideConstraint, asked)
        );
        assert_eq!(denial.granted, ["network:one.test"]);
        assert_eq!(world.denials(), [*denial], "{url}");
    }
    let malformed = [
        ("http://one.test@two.test:{p}/", "user or password"),
        ("http://two.test\\@one.test:{p}/", "`\\`"),
        ("file:///etc/passwd", "http://"),
    ];
    for (url, says) in malformed {
        let url = url.replace("{p}", &servers[0].port().to_string());
        let denial = world.get(&url).await.unwrap_err().denial.unwrap();
        assert_eq!(denial.reason, DenialReason::Forbidden);
        assert!(denial.asked.contains(says), "{denial}");
        assert_eq!(world.denials(), [*denial], "{url}");
    }
    assert!(servers.iter().all(|s| s.connections() == 0));
}

/// The control: with every one of these hosts granted, each is reached.
#[tokio::test]
async fn control_l06_the_same_hosts_are_reached_where_they_are_granted() {
    let servers = Server::at_one_port(&[ONE, TWO], |_| ok("reached"));
    let hosts = [
        "one.test",
        "two.test",
        "x.one.test",
        "one.test.evil.test",
        "xn--ne-emc.test",
    ];
    let world = World::with(json!([network(&hosts)])).await;
    for host in hosts {
        let url = format!("http://{host}:{}/", servers[0].port());
        assert_eq!(world.get(&url).await.unwrap(), json!("reached"));
    }
    assert_eq!((servers[0].connections(), servers[1].connections()), (1, 4));
}

#[tokio::test]
async fn l06_a_redirect_to_another_host_is_denied_and_recorded() {
    let two = Server::start(TWO, |_| ok("the other"));
    let location = format!("http://two.test:{}/?stolen=yes", two.port());
    let one = Server::start(ONE, move |_| redirect(302, &location));
    let url = format!("http://one.test:{}/", one.port());
    let world = World::with(one_host()).await;
    let error = world.get(&url).await.unwrap_err();
    let denial = error.denial.unwrap();
    assert_eq!(denial.asked, "network:two.test[GET]");
    assert_eq!(denial.granted, ["network:one.test"]);
    assert!(error.message.contains("two.test") && !error.message.contains("stolen"));
    assert_eq!(world.denials(), [*denial]);
    assert_eq!((one.connections(), two.connections()), (1, 0));
    // The control: with both granted it arrives, also where they are two requests of the manifest.
    let both = json!([network(&["one.test"]), network(&["two.test"])]);
    let world = World::with(both).await;
    assert_eq!(world.get(&url).await.unwrap(), json!("the other"));
    assert_eq!(two.connections(), 1);
}

/// A plugin that works for another one reaches no host that the other may not reach, not even by
/// a redirect.
#[tokio::test]
async fn s_c9_a_redirect_ends_where_the_grant_of_whoever_asked_ends() {
    let two = Server::start(TWO, |_| ok("the other"));
    let location = format!("http://two.test:{}/", two.port());
    let one = Server::start(ONE, move |_| redirect(302, &location));
    let url = format!("http://one.test:{}/", one.port());
    for (front_may, arrives) in [
        (&["one.test"][..], false),
        (&["one.test", "two.test"], true),
    ] {
        let both = json!([network(&["one.test", "two.test"])]);
        let front = json!([network(front_may), {"kind": "tool", "tools": ["asker/fetch"]}]);
        let plugins = [
            Asking("asker", "fetch", both),
            Asking("front", "relay", front),
        ];
        let world = World::of(plugins).await;
        let before = two.connections();
        let done = world.call("front/relay", json!({"url": url})).await;
        assert_eq!(done.is_ok(), arrives, "{done:?}");
        assert_eq!(two.connections() - before, usize::from(arrives));
        let denials = world.denials();
        assert_eq!(denials.len(), usize::from(!arrives), "{denials:?}");
        assert!(arrives || denials[0].asked == "network:two.test[GET]");
    }
}

#[tokio::test]
async fn a_method_is_granted_or_it_is_not() {
    let server = Server::start(ONE, |_| ok("hello"));
    let only = json!([{"kind": "network", "hosts": ["one.test"], "methods": ["GET"]}]);
    let world = World::with(only).await;
    let url = format!("http://one.test:{}/", server.port());
    assert!(world.fetch("get", &url, "").await.is_ok());
    for method in ["POST", "HEAD", "DELETE"] {
        let denial = world
            .fetch(method, &url, "")
            .await
            .unwrap_err()
            .denial
            .unwrap();
        assert_eq!(denial.asked, format!("network:one.test[{method}]"));
        assert_eq!(denial.granted, ["network:one.test[GET]"]);
    }
    for method in ["CONNECT", "TRACE", "", "G T", "GET\r\n", "GÉT"] {
        let denial = world
            .fetch(method, &url, "")
            .await
            .unwrap_err()
            .denial
            .unwrap();
        assert!(denial.asked.contains("method"), "{denial}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_secret_goes_to_the_server_and_shows_nowhere_else() {
    let server = Server::start(ONE, |request| {
        let sent = request
            .lines()
            .find_map(|l| l.strip_prefix("authorization: "));
        let sent = sent.unwrap_or("nothing").to_owned();
        answer("200 OK", &format!("x-echo: {sent}\r\n"), sent.as_bytes())
    });
    let asks = json!([network(&["one.test"]), {"kind": "secret", "names": ["TOKEN"]}]);
    let world = World::with(asks).await;
    let url = format!("http://one.test:{}/", server.port());
    let told = world
        .fetch("GET", &url, "Bearer ${secret:TOKEN}")
        .await
        .unwrap();
    assert_eq!(told, json!("Bearer [redacted]"));
    assert!(server.requests()[0].contains(CANARY));
    // Once more to a port where nobody listens: an error, and in the log as well.
    let closed = Server::start(ONE, |_| ok("")).port();
    let url = format!("http://one.test:{closed}/");
    let error = world.fetch("GET", &url, "Bearer ${secret:TOKEN}").await;
    let lines = world
        .effects
        .log()
        .tail(&crate::effects::plugin("asker"), 100)
        .unwrap();
    assert!(lines.len() >= 2, "{lines:?}");
    let events = world.audit.events();
    let shown = format!("{error:?} {lines:?} {events:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    let tags = world.performed();
    let both = ["network:one.test", "secret:TOKEN"];
    assert_eq!(tags, [both, both].concat());
}

#[tokio::test]
async fn a_secret_that_is_not_granted_stops_the_request_before_anything_is_sent() {
    let server = Server::start(ONE, |_| ok("hello"));
    let world = World::with(one_host()).await;
    let url = format!("http://one.test:{}/", server.port());
    let denial = world
        .fetch("GET", &url, "${secret:TOKEN}")
        .await
        .unwrap_err()
        .denial
        .unwrap();
    assert_eq!(
        (denial.reason, denial.asked.as_str()),
        (DenialReason::NotDeclared, "secret:TOKEN")
    );
    assert_eq!(world.denials(), [*denial]);
    for key in ["${secret:TOKEN", "${secret:}", "${secret:PATH}"] {
        let denial = world
            .fetch("GET", &url, key)
            .await
            .unwrap_err()
            .denial
            .unwrap();
        assert_eq!(denial.reason, DenialReason::Forbidden, "{key}: {denial}");
    }
    assert_eq!(server.connections(), 0);
}

/// What the manifest asks for and nobody granted: the denial names the command that would.
#[tokio::test]
async fn a_denial_names_the_grant_and_the_command() {
    let server = Server::start(ONE, |_| ok("hello"));
    let asks = json!([
        network(&["one.test"]),
        {"kind": "network", "hosts": ["two.test"], "optional": true},
        {"kind": "secret", "names": ["TOKEN"], "optional": true},
    ]);
    let host = keyway_test_support::TestHost::with(Asking("asker", "fetch", asks)).await;
    let table = [
        ("http://two.test/", "", "network:two.test"),
        ("http://one.test/", "${secret:TOKEN}", "secret:TOKEN"),
    ];
    for (url, key, tag) in table {
        let arguments = json!({"method": "GET", "url": url, "key": key});
        let error = host.call("asker/fetch", arguments).await.unwrap_err();
        let denial = error.denial().unwrap();
        assert_eq!(
            (denial.reason, denial.asked.as_str()),
            (DenialReason::NotGranted, tag)
        );
        let command = format!("keyway plugin approve asker --grant {tag}");
        assert_eq!(denial.command.as_deref(), Some(command.as_str()));
    }
    assert_eq!(server.connections(), 0);
}
