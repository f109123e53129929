//! Secrets out of the host's environment.

use std::collections::BTreeMap;
use std::fmt;

use keyway_plugin_api::SecretValue;

use super::{SecretError, SecretStore, check_name};

/// Reads secrets from environment variables that were allowed one by one.
///
/// ```
/// use keyway_effects::secrets::{EnvSecrets, SecretStore};
/// let secrets = EnvSecrets::new().allow("GITHUB_TOKEN", "CI_GITHUB_TOKEN")?;
/// assert!(secrets.read("HOME").is_err());
/// assert!(secrets.read("CI_GITHUB_TOKEN")?.is_none());
/// # Ok::<(), keyway_effects::secrets::SecretError>(())
/// ```
#[derive(Clone, Default)]
pub struct EnvSecrets {
    allowed: BTreeMap<String, String>,
}

impl EnvSecrets {
    /// Makes a store that allows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the secret `name` be read from the variable `variable`.
    ///
    /// # Errors
    /// [`SecretError::Reserved`] for either name.
    pub fn allow(
        mut self,
        name: impl Into<String>,
        variable: impl Into<String>,
    ) -> Result<Self, SecretError> {
        let (name, variable) = (name.into(), variable.into());
        check_name(&name)?;
        check_name(&variable)?;
        self.allowed.insert(name, variable);
        Ok(self)
    }
}

impl SecretStore for EnvSecrets {
    fn read(&self, name: &str) -> Result<Option<SecretValue>, SecretError> {
        check_name(name)?;
        let Some(value) = self.allowed.get(name).and_then(std::env::var_os) else {
            return Ok(None);
        };
        match value.into_string() {
            Ok(value) => Ok(Some(SecretValue::new(value))),
            Err(_) => Err(SecretError::NotText {
                name: name.to_owned(),
            }),
        }
    }
}

impl fmt::Debug for EnvSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvSecrets")
            .field("allowed", &self.allowed)
            .finish()
    }
}
