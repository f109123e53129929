//! Why a request was refused or failed.

use keyway_host::gate::{HttpAddressError, TemplateError};
use keyway_plugin_api::{Capability, Denial, DenialReason, PluginId, ToolError, ToolErrorKind};

use super::AddressClass;

/// Says why HTTP could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSetupError {
    /// A certificate is not one in PEM.
    #[error("expected certificates in PEM")]
    BadCertificate,
    /// It is no host, address or block of addresses.
    #[error("unexpected `{found}`, expected a host, an address, or a block such as 10.1.0.0/16")]
    #[non_exhaustive]
    BadNetwork {
        /// What was found, printable.
        found: String,
    },
}

impl HttpSetupError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadCertificate => "HTTP_BAD_CERTIFICATE",
            Self::BadNetwork { .. } => "HTTP_BAD_NETWORK",
        }
    }
}

/// Says why a request was refused or failed. Holds hosts and names, never a path, a query, a
/// header's value or a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address is malformed; the plugin can fix it.
    #[error("the request is refused: {0}")]
    Address(#[from] HttpAddressError),
    /// The host is at an address that is never connected to.
    #[error("{host} is at a {class} address")]
    #[non_exhaustive]
    Blocked {
        /// The host.
        host: String,
        /// What kind of address it is.
        class: AddressClass,
    },
    /// The method carries no body.
    #[error("a body goes with POST, PUT and PATCH only")]
    BodyNotCarried,
    /// The plugin has as many requests on the way as it may.
    #[error("the plugin has {limit} requests on the way already")]
    #[non_exhaustive]
    Busy {
        /// The most at once.
        limit: usize,
    },
    /// The server answered in an encoding that could hide a secret.
    #[error("{host} answered in a content encoding, which could hide the secret that was sent")]
    #[non_exhaustive]
    Encoded {
        /// The host.
        host: String,
    },
    /// A header may not be set, or its value cannot be sent.
    #[error("the header `{name}` is refused: {rule}")]
    #[non_exhaustive]
    Header {
        /// The header's name, printable.
        name: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The host cannot be reached.
    #[error("{host} cannot be reached: {problem}")]
    #[non_exhaustive]
    NotReached {
        /// The host.
        host: String,
        /// What went wrong.
        problem: &'static str,
    },
    /// There is no host of that name.
    #[error("the host {host} is not known")]
    #[non_exhaustive]
    NotResolved {
        /// The host.
        host: String,
    },
    /// No granted capability covers the host and method, here or where a redirect leads.
    #[error("no grant covers {method} requests to {host}")]
    #[non_exhaustive]
    NotCovered {
        /// The host.
        host: String,
        /// The method.
        method: String,
    },
    /// A redirect leads nowhere, or from an encrypted connection to one that is not.
    #[error("{host} answered with a redirect that is not followed: {problem}")]
    #[non_exhaustive]
    Redirect {
        /// The host that answered.
        host: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A secret that the request names cannot be put in.
    #[error("the secret {name} cannot be sent: {problem}")]
    #[non_exhaustive]
    Secret {
        /// The secret's name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header's value is not well-formed; the plugin can fix it.
    #[error("the request is refused: {0}")]
    Template(#[from] TemplateError),
    /// The whole took too long.
    #[error("{host} did not answer in time")]
    #[non_exhaustive]
    Timeout {
        /// The host.
        host: String,
    },
    /// The request is larger than it may be.
    #[error("the {what} of a request has at most {limit}")]
    #[non_exhaustive]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The most, in bytes or in number.
        limit: usize,
    },
    /// The answer is larger than it may be.
    #[error("the answer of {host} is larger than the limit of {limit} bytes")]
    #[non_exhaustive]
    AnswerTooLarge {
        /// The host.
        host: String,
        /// The most bytes.
        limit: usize,
    },
}

impl HttpError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address(error) => error.code(),
            Self::AnswerTooLarge { .. } => "HTTP_ANSWER_TOO_LARGE",
            Self::Blocked { .. } => "HTTP_ADDRESS_BLOCKED",
            Self::BodyNotCarried => "HTTP_BODY_NOT_CARRIED",
            Self::Busy { .. } => "HTTP_BUSY",
            Self::Encoded { .. } => "HTTP_ENCODED",
            Self::Header { .. } => "HTTP_HEADER",
            Self::NotCovered { .. } => "HTTP_NOT_COVERED",
            Self::NotReached { .. } => "HTTP_NOT_REACHED",
            Self::NotResolved { .. } => "HTTP_NOT_RESOLVED",
            Self::Redirect { .. } => "HTTP_REDIRECT",
            Self::Secret { .. } => "HTTP_SECRET",
            Self::Template(error) => error.code(),
            Self::Timeout { .. } => "HTTP_TIMEOUT",
            Self::TooLarge { .. } => "HTTP_TOO_LARGE",
        }
    }

    fn kind(&self) -> ToolErrorKind {
        match self {
            Self::Address(_)
            | Self::BodyNotCarried
            | Self::Header { .. }
            | Self::Template(_)
            | Self::TooLarge { .. } => ToolErrorKind::InvalidArguments,
            Self::Blocked { .. } | Self::NotCovered { .. } | Self::Redirect { .. } => {
                ToolErrorKind::Denied
            }
            Self::NotResolved { .. } => ToolErrorKind::NotFound,
            Self::Timeout { .. } => ToolErrorKind::DeadlineExceeded,
            Self::AnswerTooLarge { .. } | Self::Encoded { .. } => ToolErrorKind::Conflict,
            Self::Busy { .. } | Self::NotReached { .. } | Self::Secret { .. } => {
                ToolErrorKind::Unavailable
            }
        }
    }

    /// Writes the error for a plugin. What a grant or an embedder decides is a denial, which the
    /// host records.
    pub(super) fn told(self, plugin: &PluginId, within: &[Capability]) -> ToolError {
        let tags = within.iter().filter(|c| c.family() == "network");
        let tags: Vec<_> = tags.flat_map(Capability::tags).collect();
        let denial = |reason, asked| Denial::new(reason, plugin.as_str(), asked).with_granted(tags);
        let told = match &self {
            Self::NotCovered { host, method } => {
                let asked = format!("network:{host}[{method}]");
                denial(DenialReason::OutsideConstraint, asked).into()
            }
            Self::Blocked { host, class } => {
                let asked = format!("network:{host}, which is at a {class} address,");
                denial(DenialReason::Forbidden, asked).into()
            }
            other => ToolError::new(other.kind(), other.to_string()),
        };
        told.with_case(self.code())
    }
}
