//! Names, parsed once into checked types.
//!
//! Every name a plugin brings is forged until it went through one of these parsers. Nothing
//! here normalises: a name is accepted as it stands or refused with the rule it broke.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest plugin id and longest tool name, in bytes.
pub const NAME_MAX: usize = 64;

/// Says why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{shown}` is refused: {rule}")]
#[non_exhaustive]
pub struct NameError {
    /// What kind of name was being parsed, for example `plugin id`.
    pub kind: &'static str,
    /// The input, escaped and cut so that it is safe to print.
    pub shown: String,
    /// The rule the input broke.
    pub rule: &'static str,
}

impl NameError {
    fn new(kind: &'static str, input: &str, rule: &'static str) -> Self {
        let shown: String = input
            .chars()
            .take(NAME_MAX)
            .flat_map(char::escape_default)
            .collect();
        Self { kind, shown, rule }
    }

    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "NAME_INVALID"
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a name.
            ///
            /// # Errors
            /// [`NameError`] with the broken rule.
            pub fn parse(input: &str) -> Result<Self, NameError> {
                match $check(input) {
                    Ok(()) => Ok(Self(input.into())),
                    Err(rule) => Err(NameError::new($kind, input, rule)),
                }
            }

            /// Wraps a literal of keyway's own.
            #[doc(hidden)]
            #[must_use]
            pub fn from_static(literal: &'static str) -> Self {
                debug_assert!($check(literal).is_ok(), "bug in keyway: {literal}");
                Self(literal.into())
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(input: &str) -> Result<Self, NameError> {
                Self::parse(input)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

checked_name! {
    /// Names one plugin: `[a-z0-9](-?[a-z0-9])*`, at most 64 bytes.
    ///
    /// The alphabet leaves no room for a path, a case variant or a look-alike outside ASCII
    /// (attack E1).
    ///
    /// ```
    /// use keyway_plugin_api::PluginId;
    /// assert!(PluginId::parse("github-tools").is_ok());
    /// assert!(PluginId::parse("../etc").is_err());
    /// ```
    PluginId, "plugin id", check_plugin_id
}

checked_name! {
    /// Names one tool inside its plugin: `[A-Za-z0-9_.-]{1,64}`, starting with a letter.
    ///
    /// ```
    /// use keyway_plugin_api::ToolName;
    /// assert!(ToolName::parse("search_issues").is_ok());
    /// assert!(ToolName::parse("search issues").is_err());
    /// ```
    ToolName, "tool name", check_tool_name
}

checked_name! {
    /// Names an agent, a team or an organisation: `[A-Za-z0-9_.-]{1,64}`, starting with a
    /// letter or digit.
    ///
    /// ```
    /// use keyway_plugin_api::AgentId;
    /// assert!(AgentId::parse("triage").is_ok());
    /// assert!(AgentId::parse("$(id)").is_err());
    /// ```
    AgentId, "agent id", check_agent_id
}

/// A tool's name that the build has checked; what `#[tool]` writes.
#[derive(Debug, Clone, Copy)]
pub struct ConstToolName(&'static str);

impl ConstToolName {
    /// Checks a name while the program is compiled.
    ///
    /// # Panics
    /// At compile time only, when the name is not a [`ToolName`].
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "runs in a const: the panic is the compile error"
    )]
    pub const fn new(name: &'static str) -> Self {
        if check_tool_name(name).is_err() {
            panic!("a tool's name is [A-Za-z0-9_.-]{{1,64}} and starts with a letter");
        }
        Self(name)
    }
}

impl From<ConstToolName> for ToolName {
    fn from(name: ConstToolName) -> Self {
        Self(name.0.into())
    }
}

fn check_plugin_id(input: &str) -> Result<(), &'static str> {
    check_length(input)?;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !input.bytes().all(allowed) {
        return Err("use only a-z, 0-9 and single hyphens");
    }
    if input.starts_with('-') || input.ends_with('-') || input.contains("--") {
        return Err("a hyphen stands between two letters or digits");
    }
    Ok(())
}

const fn check_tool_name(input: &str) -> Result<(), &'static str> {
    if let Err(rule) = check_agent_id(input) {
        return Err(rule);
    }
    match input.as_bytes() {
        [b, ..] if b.is_ascii_alphabetic() => Ok(()),
        _ => Err("start with a letter"),
    }
}

const fn check_agent_id(input: &str) -> Result<(), &'static str> {
    if let Err(rule) = check_length(input) {
        return Err(rule);
    }
    let bytes = input.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'_' | b'.' | b'-')) {
            return Err("use only A-Z, a-z, 0-9, `_`, `.` and `-`");
        }
        i += 1;
    }
    match bytes {
        [b, ..] if b.is_ascii_alphanumeric() => Ok(()),
        _ => Err("start with a letter or a digit"),
    }
}

const fn check_length(input: &str) -> Result<(), &'static str> {
    match input.len() {
        0 => Err("a name is not empty"),
        1..=NAME_MAX => Ok(()),
        _ => Err("a name has at most 64 bytes"),
    }
}

/// Names one tool across all plugins: `plugin/tool`.
///
/// ```
/// use keyway_plugin_api::ToolId;
/// let id: ToolId = "github-tools/search_issues".parse()?;
/// assert_eq!(id.plugin().as_str(), "github-tools");
/// # Ok::<(), keyway_plugin_api::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolId {
    plugin: PluginId,
    tool: ToolName,
}

impl ToolId {
    /// Joins a plugin and one of its tools.
    #[must_use]
    pub fn new(plugin: PluginId, tool: ToolName) -> Self {
        Self { plugin, tool }
    }

    /// Returns the plugin's part.
    #[must_use]
    pub fn plugin(&self) -> &PluginId {
        &self.plugin
    }

    /// Returns the tool's part.
    #[must_use]
    pub fn tool(&self) -> &ToolName {
        &self.tool
    }
}

impl FromStr for ToolId {
    type Err = NameError;
    fn from_str(input: &str) -> Result<Self, NameError> {
        let Some((plugin, tool)) = input.split_once('/') else {
            return Err(NameError::new("tool id", input, "write it as plugin/tool"));
        };
        Ok(Self::new(PluginId::parse(plugin)?, ToolName::parse(tool)?))
    }
}

impl fmt::Display for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.plugin, self.tool)
    }
}

impl Serialize for ToolId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ToolId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
