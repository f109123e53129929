//! Secrets held in memory.

use std::collections::BTreeMap;
use std::fmt;

use keyway_plugin_api::SecretValue;

use super::{SecretError, SecretStore, check_name};

/// Holds secrets that the embedder already has, and those of tests.
///
/// ```
/// use keyway_effects::secrets::{MemorySecrets, SecretStore};
/// let secrets = MemorySecrets::new().with("API_KEY", "k-123");
/// assert_eq!(secrets.read("API_KEY")?.unwrap().expose(), "k-123");
/// assert!(!format!("{secrets:?}").contains("k-123"));
/// # Ok::<(), keyway_effects::secrets::SecretError>(())
/// ```
#[derive(Clone, Default)]
pub struct MemorySecrets {
    secrets: BTreeMap<String, SecretValue>,
}

impl MemorySecrets {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Box<str>>) -> Self {
        self.secrets.insert(name.into(), SecretValue::new(value));
        self
    }
}

impl SecretStore for MemorySecrets {
    fn read(&self, name: &str) -> Result<Option<SecretValue>, SecretError> {
        check_name(name)?;
        Ok(self.secrets.get(name).cloned())
    }
}

impl fmt::Debug for MemorySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.secrets.keys()).finish()
    }
}
