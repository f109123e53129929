//! A revocation counts from the operator's word on, before it is on the disk.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use keyway_host::approval::ApproveAll;
use keyway_host::audit::{AuditError, AuditEvent, AuditHealth, AuditSink, Head, MemoryAudit};
use keyway_host::catalog::Operation;
use keyway_host::{CallError, Host, Outcome};

use super::plugins::Sums;
use super::{id, operator};

/// A trail whose disk is slow when a revocation is written.
struct Slow {
    trail: Arc<MemoryAudit>,
    reached: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl AuditSink for Slow {
    fn record(&self, event: AuditEvent) {
        self.trail.record(event);
    }

    fn record_durably(&self, event: AuditEvent) -> Result<Head, AuditError> {
        let is_revocation = matches!(
            &event,
            AuditEvent::OperationIntended { operation, .. } if operation == "revoke"
        );
        if is_revocation {
            self.reached.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        self.trail.record_durably(event)
    }

    fn health(&self) -> AuditHealth {
        self.trail.health()
    }
}

async fn added(host: &Host) -> Result<Outcome, CallError> {
    let view = host.view("acme/support/triage".parse().unwrap());
    view.call("sums/add", r#"{"a":1,"b":2}"#).await
}

fn code(result: Result<Outcome, CallError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "answered")
}

/// Revokes; returns what a call says before, while it is written, and after.
async fn revoked_while(disk_is_full: bool) -> (bool, [&'static str; 3]) {
    let trail = Arc::new(MemoryAudit::new());
    let (reached, at_the_disk) = channel();
    let (go_on, waiting) = channel();
    let slow = Slow {
        trail: Arc::clone(&trail),
        reached,
        go_on: Mutex::new(waiting),
    };
    let host = Host::builder("test", "1.0.0")
        .audit(slow)
        .approver(ApproveAll)
        .plugin(Sums::default())
        .build()
        .unwrap();
    let host = Arc::new(host);
    host.start().await;
    let before = code(added(&host).await);
    let revoke = Operation::Revoke {
        plugin: id("sums"),
        by: operator("ada"),
        reason: "leaked".to_owned(),
    };
    let running = Arc::clone(&host);
    let revocation = tokio::spawn(async move { running.run(&revoke).await.is_ok() });
    let arrived = tokio::task::spawn_blocking(move || at_the_disk.recv());
    arrived.await.unwrap().unwrap();
    let meanwhile = code(added(&host).await);
    if disk_is_full {
        trail.fail("the disk is full");
    }
    go_on.send(()).unwrap();
    let is_revoked = revocation.await.unwrap();
    (is_revoked, [before, meanwhile, code(added(&host).await)])
}

#[tokio::test]
async fn l03_revoked_counts_before_it_is_on_the_disk() {
    let (is_revoked, said) = revoked_while(false).await;
    assert!(is_revoked);
    assert_eq!(said, ["answered", "REVOKED", "REVOKED"]);
}

#[tokio::test]
async fn l03_what_could_not_be_revoked_goes_on() {
    let (is_revoked, said) = revoked_while(true).await;
    assert!(!is_revoked);
    assert_eq!(said, ["answered", "REVOKED", "answered"]);
}
