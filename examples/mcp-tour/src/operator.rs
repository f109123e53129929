//! Who decides: approves what is pinned, and each call that the policy wants looked at but a write to
//! files; a plugin that asks a second time waits.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use keyway_host::approval::{ApprovalRequest, ApprovalSubject, Approver, Decision};
use keyway_plugin_api::async_trait;

use crate::table::say;

pub(crate) struct Operator(Mutex<BTreeSet<String>>);

impl Operator {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    fn is_first(&self, plugin: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(plugin.to_owned())
    }
}

#[async_trait]
impl Approver for Operator {
    async fn review(&self, request: &ApprovalRequest) -> Decision {
        let yes = || Decision::Approve {
            optional: Vec::new(),
        };
        match &request.subject {
            ApprovalSubject::Call { tool, .. } if tool.starts_with("everything/") => yes(),
            ApprovalSubject::Call { .. } => Decision::Later,
            ApprovalSubject::Plugin {
                plugin, manifest, ..
            } => {
                let unpinned = manifest.pointer("/extensions/dev.keyway.mcp/unpinned");
                if let Some(why) = unpinned {
                    say(&format!("operator: {plugin} is not pinned ({why}), so no"));
                    return Decision::Deny {
                        reason: "pin it first".to_owned(),
                    };
                }
                match self.is_first(plugin.as_str()) {
                    true => yes(),
                    false => Decision::Later,
                }
            }
            _ => Decision::Later,
        }
    }
}
