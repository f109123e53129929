//! What can go wrong between a host and an MCP server, and whose fault it is.

/// Says why something with an MCP server did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum McpError {
    /// The server wants somebody to sign in, and nobody here can.
    #[error("{server} wants authorization: {reason}")]
    Authorization {
        /// The server.
        server: String,
        /// What went wrong with it.
        reason: String,
    },
    /// The server's process or connection is gone.
    #[error("{server} is gone: {reason}")]
    Gone {
        /// The server.
        server: String,
        /// How it ended, and the last it wrote to its standard error.
        reason: String,
    },
    /// The server answers in a way that the protocol does not allow.
    #[error("{server} broke the protocol: {what}")]
    Protocol {
        /// The server.
        server: String,
        /// What it did.
        what: String,
    },
    /// The server cannot be reached.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The server.
        server: String,
        /// Why.
        reason: String,
    },
    /// The server refused a request.
    #[error("{server} refused {method}: {message} ({number})")]
    Refused {
        /// The server.
        server: String,
        /// The request's method.
        method: String,
        /// The JSON-RPC error number.
        number: i64,
        /// The server's words.
        message: String,
    },
    /// The server took too long.
    #[error("{server} did not answer {method} within {limit_ms} ms")]
    TimedOut {
        /// The server.
        server: String,
        /// The request's method.
        method: String,
        /// The limit in milliseconds.
        limit_ms: u64,
    },
}

impl McpError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Authorization { .. } => "MCP_AUTHORIZATION",
            Self::Gone { .. } => "MCP_GONE",
            Self::Protocol { .. } => "MCP_PROTOCOL",
            Self::Unreachable { .. } => "MCP_UNREACHABLE",
            Self::Refused { .. } => "MCP_REFUSED",
            Self::TimedOut { .. } => "MCP_TIMED_OUT",
        }
    }
}
