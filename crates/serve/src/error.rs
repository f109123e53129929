//! Why a plugin's executable ended without being told to.

use std::io;

use keyway_channel::handshake::HandshakeError;
use keyway_channel::message::ProtocolError;
use keyway_plugin_api::ManifestError;

/// Says why the plugin cannot serve. Its text goes to standard error, which the host keeps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The channel's environment is there and the channel is not.
    #[error("{variable} names no channel ({problem}): start the plugin through a keyway host")]
    Channel {
        variable: &'static str,
        problem: String,
    },
    /// The host closed the channel, or it broke.
    #[error("the host closed the channel")]
    Closed,
    /// The two ends did not agree.
    #[error("the channel did not open: {0}")]
    Handshake(#[from] HandshakeError),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
    /// The plugin's own manifest is wrong.
    #[error("the manifest inside this program is wrong: {0}")]
    Manifest(#[from] ManifestError),
    /// The host broke the protocol.
    #[error("the host broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
}

impl ServeError {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
