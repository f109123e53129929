//! Which versions of the plugin API fit together. Checked before any code of a plugin runs.

use std::fmt;

use semver::{Version, VersionReq};

/// Returns the version of the plugin API that this crate is: its own version.
#[must_use]
pub fn plugin_api_version() -> Version {
    let part = |text: &str| text.parse().unwrap_or(0);
    Version::new(
        part(env!("CARGO_PKG_VERSION_MAJOR")),
        part(env!("CARGO_PKG_VERSION_MINOR")),
        part(env!("CARGO_PKG_VERSION_PATCH")),
    )
}

/// Chooses the newest API version that a host offers and a plugin accepts.
///
/// A pre-release tag of an offered version is left out: a host at `0.2.0-rc.1` offers 0.2.0.
///
/// ```
/// use keyway_plugin_api::{check_api, plugin_api_version};
/// let required = ">=0.1, <0.2".parse()?;
/// assert_eq!(check_api(&required, &[plugin_api_version()])?, plugin_api_version());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`IncompatibleApi`] with both sides and who must upgrade.
pub fn check_api(required: &VersionReq, offered: &[Version]) -> Result<Version, IncompatibleApi> {
    let mut offered: Vec<Version> = offered.iter().map(release).collect();
    offered.sort();
    offered.dedup();
    match offered
        .iter()
        .rev()
        .find(|version| required.matches(version))
    {
        Some(version) => Ok(version.clone()),
        None => Err(IncompatibleApi {
            required: required.clone(),
            offered,
        }),
    }
}

/// Says that no API version suits both host and plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncompatibleApi {
    /// What the plugin accepts.
    pub required: VersionReq,
    /// What the host offers, oldest first, without pre-release tags.
    pub offered: Vec<Version>,
}

/// Who has to move for a plugin and a host to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Host,
    Plugin,
}

impl IncompatibleApi {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "API_INCOMPATIBLE"
    }

    /// Returns the next steps.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        vec![self.next_step()]
    }

    fn next_step(&self) -> String {
        let newest = self.offered.iter().max();
        match (self.behind(), newest) {
            (Behind::Host, _) => format!("upgrade the host to plugin API {}", self.required),
            (Behind::Plugin, Some(newest)) => {
                format!("upgrade the plugin to a version for plugin API {newest}")
            }
            (Behind::Plugin, None) => "use a host that offers a plugin API".to_owned(),
        }
    }

    /// The host is behind when the plugin's range begins above everything it offers.
    fn behind(&self) -> Behind {
        let lowest = self
            .required
            .comparators
            .iter()
            .map(|c| Version::new(c.major, c.minor.unwrap_or(0), c.patch.unwrap_or(0)));
        match (lowest.min(), self.offered.iter().max()) {
            (Some(lowest), Some(newest)) if lowest > *newest => Behind::Host,
            _ => Behind::Plugin,
        }
    }
}

impl fmt::Display for IncompatibleApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offered: Vec<String> = self.offered.iter().map(Version::to_string).collect();
        let offered = match offered.is_empty() {
            true => "none".to_owned(),
            false => offered.join(", "),
        };
        let (required, step) = (&self.required, self.next_step());
        write!(
            f,
            "the plugin needs plugin API {required}, the host offers {offered}: {step}"
        )
    }
}

impl std::error::Error for IncompatibleApi {}

/// Returns the requirement that a new plugin should write.
pub(crate) fn suggested_api() -> String {
    let Version { major, minor, .. } = plugin_api_version();
    match major {
        0 => format!(">=0.{minor}, <0.{}", minor + 1),
        major => format!(">={major}.{minor}, <{}", major + 1),
    }
}

fn release(version: &Version) -> Version {
    Version::new(version.major, version.minor, version.patch)
}
