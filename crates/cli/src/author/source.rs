//! Where a new plugin in Rust finds keyway's crates.

use std::path::PathBuf;

use keyway_plugin_api::plugin_api_version;

use super::error::NewError;

/// Where the new plugin finds keyway's crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiSource {
    /// A checkout of keyway's repository.
    Checkout(PathBuf),
    /// The package registry.
    Registry,
}

impl ApiSource {
    /// Returns the right-hand side of a dependency in `Cargo.toml`; `folder` is the crate's name
    /// without `keyway-`.
    ///
    /// # Errors
    /// [`NewError::NotACheckout`].
    pub(crate) fn dependency(&self, folder: &str) -> Result<String, NewError> {
        let Self::Checkout(checkout) = self else {
            let version = plugin_api_version();
            return Ok(format!("\"{}.{}\"", version.major, version.minor));
        };
        let not_one = |_| NewError::NotACheckout {
            path: checkout.clone(),
        };
        let found = checkout.join("crates").join(folder).canonicalize();
        let found = found.map_err(not_one)?;
        // A JSON string is a TOML basic string too.
        let quoted = serde_json::Value::from(found.to_string_lossy()).to_string();
        Ok(format!("{{ path = {quoted} }}"))
    }
}
