//! A dependency as the catalog keeps it.

use std::fmt;
use std::str::FromStr;

use keyway_plugin_api::{Dependency, NameError, PluginId};
use semver::{Version, VersionReq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A plugin that another one needs, written `name` or `name@range`.
///
/// ```
/// use keyway_host::catalog::Requirement;
/// let needs: Requirement = "http-cache@^1.2".parse()?;
/// assert!(needs.is_met_by(&"1.4.0".parse()?));
/// assert!(!needs.is_met_by(&"2.0.0".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirement {
    /// The plugin needed.
    pub plugin: PluginId,
    /// The versions that will do; any when `None`.
    pub range: Option<VersionReq>,
}

/// Says why a text is not a requirement.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementError {
    /// The part before `@` is not a plugin id.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The part after `@` is not a semver range.
    #[error("unexpected range `{range}`, expected a semver range such as ^1.2")]
    Range {
        /// The text, escaped.
        range: String,
    },
}

impl Requirement {
    /// Tells whether a version will do.
    #[must_use]
    pub fn is_met_by(&self, version: &Version) -> bool {
        self.range
            .as_ref()
            .is_none_or(|range| range.matches(version))
    }
}

impl From<&Dependency> for Requirement {
    fn from(dependency: &Dependency) -> Self {
        Self {
            plugin: dependency.name.clone(),
            range: dependency.version.clone(),
        }
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;
    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let (name, range) = match text.split_once('@') {
            Some((name, range)) => (name, Some(range)),
            None => (text, None),
        };
        let plugin = PluginId::parse(name)?;
        let range = range.map(parse_range).transpose()?;
        Ok(Self { plugin, range })
    }
}

fn parse_range(text: &str) -> Result<VersionReq, RequirementError> {
    VersionReq::parse(text).map_err(|_| RequirementError::Range {
        range: text.escape_default().to_string(),
    })
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.range {
            Some(range) => write!(f, "{}@{range}", self.plugin),
            None => self.plugin.fmt(f),
        }
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
