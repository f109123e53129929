//! The way from a tool to its server, which is another one after a restart.

use std::sync::{Arc, PoisonError, RwLock};

use crate::client::McpClient;

/// Holds the session that serves now; `None` while there is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link(Arc<RwLock<Option<McpClient>>>);

impl Link {
    pub(crate) fn to(client: McpClient) -> Self {
        Self(Arc::new(RwLock::new(Some(client))))
    }

    pub(crate) fn client(&self) -> Option<McpClient> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, client: Option<McpClient>) -> Option<McpClient> {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, client)
    }
}
