//! An operator at the terminal and a running host, over one state folder.

use keyway_host::audit::{AuditEvent, Trail};
use keyway_host::scope::Scope;
use keyway_host::{Host, Outcome};
use serde_json::json;

use super::bench::Bench;
use crate::host::configured::Weather;
use crate::host::plugins::Sums;

/// A started host with one linked plugin, in the state folder of a bench. The folder is not
/// there before.
async fn host_in(bench: &Bench) -> Host {
    let host = Host::builder("test", "1.0.0")
        .state_dir(bench.path("new/folder/.keyway"))
        .plugin(Sums::default())
        .build()
        .unwrap();
    host.start().await;
    host
}

fn agent() -> Scope {
    "acme/support/triage".parse().unwrap()
}

/// Calls `sums/add`; returns the sum, or why not.
async fn sum(host: &Host) -> Result<serde_json::Value, String> {
    let view = host.view(agent());
    match view.call("sums/add", r#"{"a":1,"b":2}"#).await {
        Ok(Outcome::Done(output)) => Ok(output.to_value()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.code().to_owned()),
    }
}

#[tokio::test]
async fn l01_l03_what_an_operator_decides_at_the_terminal_holds_in_the_running_host() {
    let bench = Bench::new();
    let host = host_in(&bench).await;
    let dir = "--dir new/folder/.keyway";
    let status = |want: &str| {
        let listing = bench.ok(&format!("plugin list {dir}")).out;
        assert!(listing.contains(&format!("custom     {want}")), "{listing}");
    };
    status("pending");
    assert!(sum(&host).await.is_err());

    bench.ok(&format!("plugin approve sums {dir}"));
    assert!(host.refresh().await.unwrap());
    assert_eq!(sum(&host).await, Ok(json!({ "sum": 3 })));

    bench.ok(&format!("plugin disable sums {dir}"));
    host.refresh().await.unwrap();
    assert!(sum(&host).await.is_err());
    bench.ok(&format!("plugin enable sums {dir}"));
    host.refresh().await.unwrap();
    assert_eq!(sum(&host).await, Ok(json!({ "sum": 3 })));

    // Out of its scope it does not exist.
    bench.ok(&format!("plugin scope sums acme/sales {dir}"));
    host.refresh().await.unwrap();
    assert!(sum(&host).await.is_err());
    bench.ok(&format!("plugin scope sums acme {dir}"));
    host.refresh().await.unwrap();
    assert_eq!(sum(&host).await, Ok(json!({ "sum": 3 })));

    bench.ok(&format!("plugin revoke sums --reason leaked {dir}"));
    host.refresh().await.unwrap();
    assert!(sum(&host).await.is_err());
    status("revoked");
    host.shutdown().await;
    drop(host);

    // After a restart it is still revoked.
    let host = host_in(&bench).await;
    assert!(sum(&host).await.is_err());
    status("revoked");
    host.shutdown().await;
    bench.ok(&format!("audit verify {dir}"));
    bench.ok(&format!("audit replay {dir}"));
}

#[tokio::test]
async fn what_is_configured_at_the_terminal_reaches_the_running_host() {
    let bench = Bench::new();
    let host = Host::builder("test", "1.0.0")
        .state_dir(bench.path(".keyway"))
        .plugin(Weather)
        .build()
        .unwrap();
    host.start().await;
    bench.ok("plugin approve weather");
    let units = || async {
        host.refresh().await.unwrap();
        match host.view(agent()).call("weather/units", "{}").await {
            Ok(Outcome::Done(output)) => output.to_value(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(units().await, "none");

    bench.ok("plugin configure weather units=42 days=3");
    assert_eq!(units().await, "42", "text, as the schema has it");
    let info = bench.ok("plugin info weather").out;
    assert!(
        info.contains("Settings:\ndays = 3\nunits = \"42\"  # metric or imperial"),
        "{info}"
    );
    let error = bench.fails("plugin configure weather days=many", "SETTINGS_INVALID");
    assert!(error.contains("keyway plugin info weather"), "{error}");
    assert_eq!(units().await, "42");

    bench.ok("plugin configure weather --unset units");
    assert_eq!(units().await, "none");
    let entry = bench.json("plugin info weather");
    assert_eq!(entry["keyway"]["settings"], json!({"days": 3}), "{entry:#}");
    bench.ok("plugin configure weather --reset");
    assert!(bench.run("plugin configure weather").code != 0);
    host.shutdown().await;
    bench.ok("audit verify");
    bench.ok("audit replay");
}

#[tokio::test]
async fn a_call_that_waits_is_allowed_at_the_terminal() {
    let bench = Bench::new();
    let host = host_in(&bench).await;
    let dir = "--dir new/folder/.keyway";
    bench.ok(&format!("plugin approve sums {dir}"));
    host.refresh().await.unwrap();
    let view = host.view(agent());
    let waits = view.call("sums/wipe", "{}").await.unwrap();
    assert!(matches!(waits, Outcome::NeedsApproval(_)), "{waits:?}");

    let calls = bench.json(&format!("call list {dir}"));
    let id = calls.as_object().unwrap().keys().next().unwrap().clone();
    bench.ok(&format!("call allow {id} {dir}"));
    host.refresh().await.unwrap();
    let done = view.call("sums/wipe", "{}").await.unwrap();
    assert!(matches!(done, Outcome::Done(_)), "{done:?}");
    // Once means once.
    let waits = view.call("sums/wipe", "{}").await.unwrap();
    assert!(matches!(waits, Outcome::NeedsApproval(_)), "{waits:?}");
    host.shutdown().await;

    let trail = Trail::open(bench.path("new/folder/.keyway/audit.jsonl")).unwrap();
    let answered = trail.records().unwrap().filter(|record| {
        let event = &record.as_ref().unwrap().event;
        matches!(event, AuditEvent::OperationCommitted { operation, by: Some(by), .. }
            if operation == "answer_call" && by.as_str() == "olive")
    });
    assert_eq!(answered.count(), 1);
}
