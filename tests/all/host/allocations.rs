//! What a call costs in allocations: exact, so that a change of the hot path is noticed (W1).

use keyway_host::Host;
use keyway_host::approval::ApproveAll;

use super::plugins::Sums;

/// The goal for a governed call whose tool parses its arguments by itself.
const ALLOCATIONS_MAX: u64 = 6;

#[test]
fn a_governed_call_allocates_at_most_six_times() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let host = Host::builder("test", "1.0.0")
        .approver(ApproveAll)
        .audit(Nothing)
        .plugin(Sums::default())
        .build()
        .unwrap();
    runtime.block_on(host.start());
    let view = host.view("acme/support/triage".parse().unwrap());
    let call = || {
        runtime
            .block_on(view.call("sums/add", r#"{"a":1,"b":2}"#))
            .unwrap()
    };
    drop(call());
    let info = allocation_counter::measure(|| drop(call()));
    assert!(info.count_total <= ALLOCATIONS_MAX, "{info:?}");
    assert!(
        info.count_total >= 2,
        "a call makes a future and a result: {info:?}"
    );
}

/// Takes events and drops them, so that what is counted is the caller's path.
struct Nothing;

impl keyway_host::audit::AuditSink for Nothing {
    fn record(&self, event: keyway_host::audit::AuditEvent) {
        drop(event);
    }
    fn record_durably(
        &self,
        _event: keyway_host::audit::AuditEvent,
    ) -> Result<keyway_host::audit::Head, keyway_host::audit::AuditError> {
        Ok(keyway_host::audit::Head::new(
            0,
            keyway_host::digest::Digest::of(b""),
        ))
    }
    fn health(&self) -> keyway_host::audit::AuditHealth {
        keyway_host::audit::AuditHealth::Healthy
    }
}
