//! The states as types: a value of one is proof that the way to it was gone.

use keyway_plugin_api::PluginId;

use super::matrix::LifecycleState;
use crate::digest::Digest;
use crate::operator::OperatorId;

/// Says that the bytes are not those that an operator approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{plugin} is not what was approved: unexpected {found}, expected {approved}")]
#[non_exhaustive]
pub struct DigestMismatch {
    /// The plugin.
    pub plugin: PluginId,
    /// The bytes that were approved.
    pub approved: Digest,
    /// The bytes that are there.
    pub found: Digest,
}

/// What every state carries: which plugin, and which exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    plugin: PluginId,
    digest: Digest,
}

macro_rules! state {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* }) => {
        $(#[$doc])*
        #[derive(Debug, PartialEq, Eq)]
        pub struct $name {
            subject: Subject,
            $($(#[$field_doc])* $field: $type,)*
        }

        impl $name {
            /// Returns the plugin.
            #[must_use]
            pub fn plugin(&self) -> &PluginId {
                &self.subject.plugin
            }

            /// Returns the digest of the exact bytes that this state is about.
            #[must_use]
            pub fn digest(&self) -> Digest {
                self.subject.digest
            }

            /// Returns the state as a value.
            #[must_use]
            pub fn state(&self) -> LifecycleState {
                LifecycleState::$name
            }
        }
    };
}

macro_rules! moves {
    ($from:ident: $($(#[$doc:meta])* $verb:ident -> $to:ident;)+) => {
        impl $from {
            $($(#[$doc])*
            #[must_use]
            pub fn $verb(self) -> $to {
                $to { subject: self.subject }
            })+
        }
    };
}

macro_rules! approvable {
    ($($from:ident),+) => {
        $(impl $from {
            /// Records that an operator approved these bytes.
            #[must_use]
            pub fn approve(self, by: OperatorId) -> Approved {
                Approved { subject: self.subject, by }
            }
        })+
    };
}

macro_rules! revocable {
    ($($from:ident),+) => {
        $(impl $from {
            /// Records that an operator ended the plugin for good.
            #[must_use]
            pub fn revoke(self, by: OperatorId) -> Revoked {
                Revoked { subject: self.subject, by }
            }
        })+
    };
}

macro_rules! startable {
    ($($from:ident),+) => {
        $(impl $from {
            /// Records that the plugin is launched, if these are the bytes that were approved.
            ///
            /// # Errors
            /// [`DigestMismatch`] with the state unchanged in it for the caller to keep.
            pub fn start(self, found: Digest) -> Result<Running, Box<Refused<Self>>> {
                if found != self.subject.digest {
                    let error = DigestMismatch {
                        plugin: self.subject.plugin.clone(),
                        approved: self.subject.digest,
                        found,
                    };
                    return Err(Box::new(Refused { state: self, error }));
                }
                Ok(Running { subject: self.subject, by: self.by })
            }
        })+
    };
}

/// A move that was refused: the state as it was, and why.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused<S> {
    /// The state, unchanged.
    pub state: S,
    /// Why.
    pub error: DigestMismatch,
}

state! {
    /// A manifest was submitted.
    Discovered {}
}
state! {
    /// The manifest was checked.
    Validated {}
}
state! {
    /// An operator has to look at it.
    PendingApproval {}
}
state! {
    /// An operator said no.
    Denied {}
}
state! {
    /// An operator said yes to these bytes.
    Approved {
        /// Who said yes.
        by: OperatorId
    }
}
state! {
    /// The plugin is launched.
    Running {
        /// Who said yes.
        by: OperatorId
    }
}
state! {
    /// The plugin was running and was stopped.
    Stopped {
        /// Who said yes.
        by: OperatorId
    }
}
state! {
    /// The plugin did not start, or broke while running.
    Failed {
        /// Who said yes.
        by: OperatorId
    }
}
state! {
    /// The plugin is ended for good: this type has no way out.
    Revoked {
        /// Who ended it.
        by: OperatorId
    }
}

impl Discovered {
    /// Begins the life of a plugin: a manifest was submitted, nothing of it was run.
    #[must_use]
    pub fn new(plugin: PluginId, digest: Digest) -> Self {
        Self {
            subject: Subject { plugin, digest },
        }
    }
}

moves! { Discovered:
    /// Records that the manifest was checked.
    validate -> Validated;
}
moves! { Validated:
    /// Asks operators to look at it.
    submit -> PendingApproval;
}
moves! { PendingApproval:
    /// Records that an operator said no.
    deny -> Denied;
}
moves! { Denied:
    /// Asks operators to look at it again.
    resubmit -> PendingApproval;
}
moves! { Approved:
    /// Takes the approval back: the bytes or what they define changed.
    suspend -> PendingApproval;
    /// Records that an operator said no after all.
    deny -> Denied;
}
moves! { Stopped:
    /// Takes the approval back: the bytes or what they define changed.
    suspend -> PendingApproval;
    /// Records that an operator said no after all.
    deny -> Denied;
}
moves! { Failed:
    /// Takes the approval back: the bytes or what they define changed.
    suspend -> PendingApproval;
    /// Records that an operator said no after all.
    deny -> Denied;
}

impl Running {
    /// Records that it was stopped.
    #[must_use]
    pub fn stop(self) -> Stopped {
        Stopped {
            subject: self.subject,
            by: self.by,
        }
    }

    /// Records that it broke.
    #[must_use]
    pub fn fail(self) -> Failed {
        Failed {
            subject: self.subject,
            by: self.by,
        }
    }
}

impl Approved {
    /// Records that it did not start.
    #[must_use]
    pub fn fail(self) -> Failed {
        Failed {
            subject: self.subject,
            by: self.by,
        }
    }

    /// Returns who said yes.
    #[must_use]
    pub fn approved_by(&self) -> &OperatorId {
        &self.by
    }
}

impl Revoked {
    /// Returns who ended it.
    #[must_use]
    pub fn revoked_by(&self) -> &OperatorId {
        &self.by
    }
}

approvable!(PendingApproval, Denied, Stopped, Failed);
startable!(Approved, Stopped, Failed);
revocable!(PendingApproval, Denied, Approved, Running, Stopped, Failed);
