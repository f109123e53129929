//! Behaviour of: the host as a whole, from building to a governed call.

mod allocations;
mod approvals;
mod background;
mod calls;
mod changes;
pub(crate) mod configured;
mod failing;
mod guest;
mod hook_authority;
mod hooks;
mod inventory;
mod lifecycle;
mod made;
mod naming;
mod network_needs;
mod permits;
pub(crate) mod plugins;
mod probation;
mod redefined;
mod reload;
mod revoking;
mod slots;
mod state_layout;
mod supervision;
mod teardown_first;
mod telemetry;
mod tools_calling_tools;
mod updates;

use keyway_host::audit::AuditEvent;
use keyway_host::operator::OperatorId;
use keyway_host::{HostError, OperationReport, PluginStatus};
use keyway_plugin_api::PluginId;
use keyway_test_support::TestHost;

#[track_caller]
fn id(name: &str) -> PluginId {
    PluginId::parse(name).unwrap()
}

#[track_caller]
fn operator(name: &str) -> OperatorId {
    OperatorId::parse(name).unwrap()
}

/// Asserts that an operation was refused with a code.
#[track_caller]
fn refused(result: Result<OperationReport, HostError>, code: &str) -> HostError {
    match result {
        Ok(report) => panic!("expected {code}, it answered {}", report.result.message),
        Err(error) => {
            assert_eq!(error.code(), code, "{error}");
            error
        }
    }
}

/// What a start said of a plugin.
#[track_caller]
fn status(host: &TestHost, plugin: &str) -> PluginStatus {
    let outcome = host.report().plugin(plugin);
    outcome
        .unwrap_or_else(|| panic!("no {plugin} in {:#?}", host.report()))
        .status
        .clone()
}

/// The states a plugin went through, as the trail has them.
fn moves(host: &TestHost, plugin: &str) -> Vec<String> {
    let events = host.audit_events().into_iter();
    let moves = events.filter_map(|event| match event {
        AuditEvent::LifecycleMoved {
            plugin: of,
            from,
            to,
            ..
        } if of.as_str() == plugin => Some(format!("{from} -> {to}")),
        _ => None,
    });
    moves.collect()
}
