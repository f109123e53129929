//! What the host offers, what the plugin is, and what it answers.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use keyway_plugin_api::PluginId;
use semver::{Version, VersionReq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::IPC_VERSION;
use crate::limits::ChannelLimits;

/// A SHA-256 of some content: `sha256:` and 64 hexadecimal digits in lower case.
///
/// ```
/// use keyway_channel::handshake::ContentDigest;
/// let text = format!("sha256:{}", "0f".repeat(32));
/// assert_eq!(text.parse::<ContentDigest>()?.to_string(), text);
/// assert!("sha256:xyz".parse::<ContentDigest>().is_err());
/// # Ok::<(), keyway_channel::handshake::DigestError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest([u8; 32]);

/// Says that a text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is `sha256:` and 64 hexadecimal digits in lower case")]
#[non_exhaustive]
pub struct DigestError;

impl DigestError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "DIGEST_INVALID"
    }
}

impl ContentDigest {
    /// Wraps the bytes of a SHA-256.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for ContentDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digits = text.strip_prefix("sha256:").ok_or(DigestError)?.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(DigestError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, DigestError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(DigestError),
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for ContentDigest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentDigest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The plugin that the host means to talk to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct OfferedPlugin {
    /// Its id.
    pub id: PluginId,
    /// Its own version.
    pub version: Version,
    /// The digest that the operator approved.
    pub digest: ContentDigest,
}

/// An offer is everything the host says in its hello; both ends sign it.
///
/// ```
/// use keyway_channel::handshake::{ContentDigest, Offer, OfferedPlugin};
/// use keyway_plugin_api::{PluginId, plugin_api_version};
/// let plugin = OfferedPlugin {
///     id: PluginId::parse("github-tools")?,
///     version: "0.3.1".parse()?,
///     digest: ContentDigest::from_bytes([7; 32]),
/// };
/// let offer = Offer::new(plugin, vec![plugin_api_version()]).with_generation(3);
/// assert_eq!(offer.generation, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Offer {
    /// Major versions of the protocol that the host speaks.
    pub ipc: Vec<u32>,
    /// Plugin API versions that the host speaks.
    pub api: Vec<Version>,
    /// Features that the host knows.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// The plugin it means to talk to.
    pub plugin: OfferedPlugin,
    /// Counts the starts of the plugin.
    pub generation: u64,
    /// Digest of the grants that were in force at the start.
    pub grants: ContentDigest,
    /// Ways to prove oneself.
    pub auth: Vec<String>,
    /// The bounds of the channel.
    pub limits: ChannelLimits,
    /// Digest of the approved tools; said with `ready`, for the plugin's information.
    #[serde(skip)]
    pub tools_expected: Option<ContentDigest>,
}

/// The one way to prove oneself that there is.
pub(super) const AUTH: &str = "hmac-sha256";

impl Offer {
    /// Makes an offer of this version's protocol: generation 1, no features, default limits, the
    /// digest of no grants all zero.
    #[must_use]
    pub fn new(plugin: OfferedPlugin, api: Vec<Version>) -> Self {
        Self {
            ipc: vec![IPC_VERSION],
            api,
            features: BTreeSet::new(),
            plugin,
            generation: 1,
            grants: ContentDigest([0; 32]),
            auth: vec![AUTH.to_owned()],
            limits: ChannelLimits::default(),
            tools_expected: None,
        }
    }

    /// Sets which start this is.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// Sets the digest of the grants.
    #[must_use]
    pub fn with_grants(mut self, grants: ContentDigest) -> Self {
        self.grants = grants;
        self
    }

    /// Sets the features that the host knows.
    #[must_use]
    pub fn with_features(mut self, features: impl IntoIterator<Item = String>) -> Self {
        self.features = features.into_iter().collect();
        self
    }

    /// Sets the bounds of the channel.
    #[must_use]
    pub fn with_limits(mut self, limits: ChannelLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the digest of the approved tools.
    #[must_use]
    pub fn with_tools_expected(mut self, digest: ContentDigest) -> Self {
        self.tools_expected = Some(digest);
        self
    }
}

/// What a plugin is, for its side of the handshake.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PluginIdentity {
    /// Its id.
    pub id: PluginId,
    /// Its own version.
    pub version: Version,
    /// The plugin API versions that it accepts.
    pub api: VersionReq,
    /// The plugin API version that it was built with.
    pub api_built: Version,
    /// What speaks the protocol, for example `keyway-serve/0.1.0 rust`.
    pub sdk: String,
    /// Features that it knows.
    pub features: BTreeSet<String>,
}

impl PluginIdentity {
    /// Describes a plugin that knows no feature.
    #[must_use]
    pub fn new(
        (id, version): (PluginId, Version),
        (api, api_built): (VersionReq, Version),
        sdk: impl Into<String>,
    ) -> Self {
        Self {
            id,
            version,
            api,
            api_built,
            sdk: sdk.into(),
            features: BTreeSet::new(),
        }
    }
}

/// What a plugin answers to a hello; both ends sign it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Answered {
    /// The major version of the protocol that it chose.
    pub ipc: u32,
    /// The plugin API version that it chose.
    pub api: Version,
    /// The plugin API version that it was built with.
    pub api_built: Version,
    /// The offered features that it will use.
    #[serde(default)]
    pub features: BTreeSet<String>,
    /// Who it says it is.
    pub plugin: AnsweredPlugin,
    /// What speaks the protocol; the plugin's own words.
    #[serde(default)]
    pub sdk: String,
    /// How it will prove itself.
    pub auth: String,
}

/// Who a plugin says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a message: its fields are the wire"
)]
pub struct AnsweredPlugin {
    /// Its id.
    pub id: PluginId,
    /// Its own version.
    pub version: Version,
}
