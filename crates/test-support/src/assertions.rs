//! What tests say about denials.

use keyway_host::CallError;
use keyway_host::audit::AuditEvent;
use keyway_plugin_api::{Denial, DenialReason};

use crate::TestHost;

/// Asserts that the gate refused a call, for this reason, and that the denial names what is
/// missing, for example `filesystem:write:./notes`.
///
/// # Panics
/// When it did not.
#[track_caller]
pub fn assert_denied<T: std::fmt::Debug>(
    result: &Result<T, CallError>,
    reason: DenialReason,
    missing: &str,
) {
    let error = match result {
        Ok(value) => panic!("expected a denial, the call gave {value:?}"),
        Err(error) => error,
    };
    let Some(denial) = error.denial() else {
        panic!("expected a denial, the call failed with {error:?}");
    };
    assert_eq!(denial.reason, reason, "{denial}");
    assert_eq!(denial.asked, missing, "{denial}");
}

/// Asserts that some plugin was refused an effect, for this reason.
///
/// # Panics
/// When the audit trail holds no such refusal.
#[track_caller]
pub fn assert_effect_denied(host: &TestHost, reason: DenialReason, missing: &str) {
    let denials = denials(host);
    let is_it = |denial: &Denial| denial.reason == reason && denial.asked == missing;
    assert!(
        denials.iter().any(is_it),
        "expected a denial of {missing} with {reason:?}, the trail has {denials:#?}"
    );
}

/// Returns every denial in a host's audit trail, in order.
#[must_use]
pub fn denials(host: &TestHost) -> Vec<Denial> {
    let events = host.audit_events().into_iter();
    let denials = events.filter_map(|event| match event {
        AuditEvent::CallDenied { denial, .. } | AuditEvent::EffectDenied { denial, .. } => {
            Some(*denial)
        }
        _ => None,
    });
    denials.collect()
}
