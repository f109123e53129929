//! The four lines that open a channel, as states that consume each other.
//!
//! ```text
//! host                                   plugin
//! HostHello::begin        ── hello ──▶   AwaitingHello::hello
//! AwaitingAnswer::answer  ◀─ answer ──
//! AwaitingProof::prove    ◀─ prove ───   AwaitingReady
//! Verified                ── ready ──▶   AwaitingReady::ready → Verified
//! ```
//!
//! What it proves: the peer holds the one-time secret that was handed to this start, and both ends
//! read the same bytes of the hello and of the answer, so versions, features, plugin, digest,
//! generation and grants are what both believe. What it does not prove: that the plugin is honest.
//! It hides nothing from the same user or from root either.
//!
//! A step with anything but its one line is an error, and an error consumes the state and the
//! secret with it: there is no second attempt. Timeouts are the caller's.

mod error;
mod host;
mod keys;
mod lines;
mod offer;
mod plugin;

pub use error::{HandshakeError, Step};
pub use host::{AwaitingAnswer, AwaitingProof, HostHello};
pub use keys::{ExportKey, Nonce, Secret};
pub use offer::{
    Answered, AnsweredPlugin, ContentDigest, DigestError, Offer, OfferedPlugin, PluginIdentity,
};
pub use plugin::{AwaitingHello, AwaitingReady, PluginHello, Refused, Welcome};

/// A channel whose two ends have proved themselves to each other. Only the handshake makes one.
#[derive(Debug)]
pub struct Verified {
    offer: Offer,
    answered: Answered,
    export: ExportKey,
}

impl Verified {
    /// Returns what the host offered and the plugin read.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Returns what the plugin chose.
    #[must_use]
    pub fn answered(&self) -> &Answered {
        &self.answered
    }

    /// Returns a key that only these two ends have, for signing what outlives the channel.
    #[must_use]
    pub fn export_key(&self) -> &ExportKey {
        &self.export
    }
}
