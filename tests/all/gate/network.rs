//! What an HTTP request wants, and what its permit holds.

use std::borrow::Cow;

use keyway_plugin_api::{
    Args, CallCx, Capability, DenialReason, EffectRequest, Plugin, Register, RegisterError,
    ToolError, ToolInput, tool,
};
use keyway_test_support::{TestHost, assert_denied};
use serde_json::{Value, json};

#[derive(ToolInput)]
struct Asked {
    /// The requests, one after another, as JSON texts.
    requests: Vec<String>,
}

/// Makes any requests.
#[tool(effect = read)]
async fn ask(Args(asked): Args<Asked>, cx: &CallCx) -> Result<(), ToolError> {
    for request in asked.requests {
        let request = serde_json::from_str(&request);
        cx.perform(request.map_err(|e| ToolError::internal(e.to_string()))?)
            .await?;
    }
    Ok(())
}

/// Asks for hosts and secrets, none of which comes with an approval.
struct Asker;

impl Plugin for Asker {
    fn manifest(&self) -> Cow<'static, str> {
        json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": "asker", "version": "0.1.0",
            "extensions": {"dev.keyway": {
                "api": ">=0.1, <0.2",
                "runtime": {"kind": "linked"},
                "capabilities": [
                    {"kind": "network", "hosts": ["one.test", "two.test"], "optional": true},
                    {"kind": "network", "hosts": ["get.test"], "methods": ["GET"], "optional": true},
                    {"kind": "secret", "names": ["A", "B"], "optional": true},
                    {"kind": "state", "quotaBytes": 100, "optional": true},
                ],
                "contributes": {"tools": ["ask"]},
            }},
        })
        .to_string()
        .into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Ask)?;
        Ok(())
    }
}

async fn host(tags: &[&str]) -> TestHost {
    let host = TestHost::with(Asker).await;
    for tag in tags {
        host.grant(tag).await;
    }
    host
}

async fn counted(host: &TestHost, tag: &str, uses: u64) {
    host.grant_with(tag, |mut grant| {
        grant.uses_left = Some(uses);
        grant
    })
    .await;
}

fn get(url: &str, headers: &[(&str, &str)]) -> EffectRequest {
    let request =
        json!({"op": "http_fetch", "method": "GET", "url": url, "headers": headers, "body": null});
    serde_json::from_value(request).unwrap()
}

fn asking(requests: &[EffectRequest]) -> Value {
    let requests = requests.iter().map(|r| serde_json::to_string(r).unwrap());
    json!({ "requests": requests.collect::<Vec<_>>() })
}

/// The tags of what the last request was permitted within, sorted.
fn within(host: &TestHost) -> Vec<String> {
    let seen = host.effects().take();
    let mut tags: Vec<_> = seen[0].within.iter().flat_map(Capability::tags).collect();
    tags.sort();
    tags.dedup();
    tags
}

#[tokio::test]
async fn a_permit_holds_the_live_hosts_and_the_secrets_of_the_request() {
    let tags = [
        "network:one.test",
        "network:two.test",
        "secret:A",
        "secret:B",
        "state:100",
    ];
    let host = host(&tags).await;
    let request = get(
        "http://one.test/",
        &[("a", "x ${secret:A}"), ("b", "${secret:A}")],
    );
    host.call("asker/ask", asking(&[request])).await.unwrap();
    assert_eq!(
        within(&host),
        ["network:one.test", "network:two.test", "secret:A"]
    );
    let request = get("http://one.test/", &[]);
    host.revoke_grant("network:two.test").await;
    host.call("asker/ask", asking(&[request])).await.unwrap();
    assert_eq!(within(&host), ["network:one.test"]);
}

#[tokio::test]
async fn every_secret_of_a_header_needs_its_own_grant() {
    let host = host(&["network:one.test", "secret:A"]).await;
    let table = [
        (
            "${secret:A}${secret:B}",
            DenialReason::NotGranted,
            "secret:B",
        ),
        ("${secret:C}", DenialReason::OutsideConstraint, "secret:C"),
        ("${secret:a}", DenialReason::OutsideConstraint, "secret:a"),
    ];
    for (value, reason, asked) in table {
        let request = get("http://one.test/", &[("x", value)]);
        let denied = host.call("asker/ask", asking(&[request])).await;
        assert_denied(&denied, reason, asked);
    }
    assert_eq!(host.effects().take(), []);
}

#[tokio::test]
async fn a_use_is_spent_of_every_grant_that_a_request_uses_and_of_no_other() {
    let host = host(&[]).await;
    counted(&host, "network:one.test", 2).await;
    counted(&host, "network:two.test", 1).await;
    counted(&host, "secret:A", 1).await;
    let with_secret = get("http://one.test/", &[("a", "${secret:A}${secret:A}")]);
    host.call("asker/ask", asking(std::slice::from_ref(&with_secret)))
        .await
        .unwrap();
    // A host that costs a use of its own is none to be redirected to for free.
    assert_eq!(within(&host), ["network:one.test", "secret:A"]);
    let spent = host.call("asker/ask", asking(&[with_secret])).await;
    assert_denied(&spent, DenialReason::UsesExhausted, "secret:A");
    for url in ["http://one.test/", "http://two.test/"] {
        host.call("asker/ask", asking(&[get(url, &[])]))
            .await
            .unwrap();
        let spent = host.call("asker/ask", asking(&[get(url, &[])])).await;
        assert!(spent.unwrap_err().denial().unwrap().reason == DenialReason::UsesExhausted);
    }
}

#[tokio::test]
async fn a_method_that_is_not_granted_is_denied_and_named() {
    let host = host(&["network:get.test[GET]"]).await;
    host.call("asker/ask", asking(&[get("https://get.test/", &[])]))
        .await
        .unwrap();
    assert_eq!(within(&host), ["network:get.test[GET]"]);
    let EffectRequest::HttpFetch { url, headers, .. } = get("https://get.test/", &[]) else {
        unreachable!()
    };
    let post = EffectRequest::HttpFetch {
        method: "POST".to_owned(),
        url,
        headers,
        body: Some(Vec::new()),
    };
    let denied = host.call("asker/ask", asking(&[post])).await;
    assert_denied(
        &denied,
        DenialReason::OutsideConstraint,
        "network:get.test[POST]",
    );
}

/// A grant that names more than the manifest asks for, as a catalog edited by hand could have it.
#[tokio::test]
async fn a_permit_never_holds_a_host_that_is_not_declared() {
    let host = host(&["network:one.test"]).await;
    let mut state = serde_json::to_value(host.catalog()).unwrap();
    let grants = state["entries"]["asker"]["keyway"]["grants"]
        .as_array_mut()
        .unwrap();
    for grant in grants {
        grant["capability"]["hosts"] = json!(["one.test", "evil.test"]);
    }
    let state = serde_json::from_value(state).unwrap();
    let store = keyway_host::store::MemoryStore::of(state);
    let host = TestHost::builder().store(store).plugin(Asker).start().await;
    let denied = host
        .call("asker/ask", asking(&[get("http://evil.test/", &[])]))
        .await;
    assert!(denied.unwrap_err().denial().is_some());
    host.call("asker/ask", asking(&[get("http://one.test/", &[])]))
        .await
        .unwrap();
    assert_eq!(within(&host), ["network:one.test"]);
}
