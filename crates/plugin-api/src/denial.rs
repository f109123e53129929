//! The structured no: what was asked, which grant is missing, who can give it and how.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Says why the gate refused. Each reason has a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DenialReason {
    /// The call that the request belongs to has ended, or there never was one.
    CallEnded,
    /// The approved definition is not the one that is running now.
    DefinitionChanged,
    /// The grant's time is over.
    Expired,
    /// The operator or a policy said no to exactly this.
    Forbidden,
    /// The tool is optional and no allow rule names it.
    NotAllowed,
    /// The plugin's manifest does not ask for it, so nobody can grant it.
    NotDeclared,
    /// The manifest asks for it and no operator granted it.
    NotGranted,
    /// A grant exists, but not for this host, path, name or method.
    OutsideConstraint,
    /// A grant exists, but not for this caller's scope.
    OutsideScope,
    /// The plugin is not running.
    NotRunning,
    /// The plugin was revoked; this is final.
    Revoked,
    /// The grant's uses are spent.
    UsesExhausted,
}

impl DenialReason {
    /// Returns the stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CallEnded => "CALL_ENDED",
            Self::DefinitionChanged => "DEFINITION_CHANGED",
            Self::Expired => "GRANT_EXPIRED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotAllowed => "TOOL_NOT_ALLOWED",
            Self::NotDeclared => "NOT_DECLARED",
            Self::NotGranted => "CAPABILITY_DENIED",
            Self::OutsideConstraint => "OUTSIDE_CONSTRAINT",
            Self::OutsideScope => "OUTSIDE_SCOPE",
            Self::NotRunning => "NOT_RUNNING",
            Self::Revoked => "REVOKED",
            Self::UsesExhausted => "USES_EXHAUSTED",
        }
    }
}

/// A denial is the gate's documented no, written for a model, an operator and a program at once.
///
/// ```
/// use keyway_plugin_api::{Denial, DenialReason};
/// let denial = Denial::new(DenialReason::NotGranted, "notes", "filesystem:write:./notes")
///     .with_command("keyway plugin approve notes --grant filesystem:write:./notes");
/// assert_eq!(denial.code(), "CAPABILITY_DENIED");
/// assert!(denial.to_string().contains("filesystem:write:./notes"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Denial {
    /// Why.
    pub reason: DenialReason,
    /// Which plugin or tool was refused.
    pub subject: String,
    /// The tag of what was asked, for example `network:api.github.com`.
    pub asked: String,
    /// What the plugin holds of the same family, as tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<String>,
    /// The command that would give the missing grant, where one can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Denial {
    /// Makes a denial of `asked` to `subject`.
    #[must_use]
    pub fn new(reason: DenialReason, subject: impl Into<String>, asked: impl Into<String>) -> Self {
        Self {
            reason,
            subject: subject.into(),
            asked: asked.into(),
            granted: Vec::new(),
            command: None,
        }
    }

    /// Adds the tags that the plugin does hold.
    #[must_use]
    pub fn with_granted(mut self, granted: Vec<String>) -> Self {
        self.granted = granted;
        self
    }

    /// Adds the command that would give the missing grant.
    #[must_use]
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// Returns the stable code of the reason.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.reason.code()
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reason,
            subject,
            asked,
            granted,
            command,
        } = self;
        match reason {
            DenialReason::CallEnded => write!(f, "{subject} asked for {asked} outside a live call"),
            DenialReason::DefinitionChanged => {
                write!(
                    f,
                    "{subject} is not the definition that was approved for {asked}"
                )
            }
            DenialReason::Expired => write!(f, "the grant of {asked} to {subject} has expired"),
            DenialReason::Forbidden => write!(f, "{asked} is forbidden to {subject}"),
            DenialReason::NotAllowed => write!(f, "{asked} is optional and not allowed here"),
            DenialReason::NotDeclared => {
                write!(f, "{subject} does not declare {asked} in its manifest")
            }
            DenialReason::NotGranted => write!(f, "{subject} has no grant for {asked}"),
            DenialReason::OutsideConstraint => {
                write!(f, "{asked} is outside what {subject} was granted")
            }
            DenialReason::OutsideScope => write!(f, "{subject} is out of scope for {asked}"),
            DenialReason::NotRunning => write!(f, "{subject} is not running"),
            DenialReason::Revoked => write!(f, "{subject} is revoked"),
            DenialReason::UsesExhausted => {
                write!(f, "the grant of {asked} to {subject} has no uses left")
            }
        }?;
        if !granted.is_empty() {
            write!(f, " (granted: {})", granted.join(", "))?;
        }
        match command {
            Some(command) => write!(f, "; an operator can run: {command}"),
            None => Ok(()),
        }
    }
}
