//! The one-time secret, nonces, and the keys made of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// What goes before the two signed lines.
const TRANSCRIPT: &[u8] = b"keyway-ipc/1\0";

/// 32 bytes that are wiped when dropped. Boxed, so that moving them leaves no copy behind.
type Wiped = Box<Zeroizing<[u8; 32]>>;

fn wiped() -> Wiped {
    Box::new(Zeroizing::new([0; 32]))
}

/// The secret of one start of one plugin: 32 random bytes, used once, wiped when dropped.
pub struct Secret(Wiped);

impl Secret {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Draws a secret from the operating system.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn draw() -> std::io::Result<Self> {
        let mut bytes = wiped();
        getrandom::fill(bytes.as_mut_slice()).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// Takes a secret out of a buffer and wipes the buffer; `None` when it is not 32 bytes long.
    #[must_use]
    pub fn take(buffer: &mut [u8]) -> Option<Self> {
        let secret = (buffer.len() == Self::LEN).then(|| {
            let mut bytes = wiped();
            bytes.copy_from_slice(buffer);
            Self(bytes)
        });
        buffer.zeroize();
        secret
    }

    /// Returns the bytes, for the pipe to the child.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A number that one end uses once: 32 random bytes, base64url without padding on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; Self::LEN]);

impl Nonce {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Draws a nonce from the operating system.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn draw() -> std::io::Result<Self> {
        let mut bytes = [0; Self::LEN];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// Makes a nonce of given bytes, for recorded transcripts.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = thirty_two(&String::deserialize(d)?);
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a nonce is base64url of 32 bytes"))
    }
}

/// A message authentication code as it travels.
#[derive(Clone, Copy)]
pub(super) struct Tag([u8; 32]);

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = thirty_two(&String::deserialize(d)?);
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a mac is base64url of 32 bytes"))
    }
}

fn thirty_two(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Which end a key belongs to. A code made by one end is no code of the other (reflection).
#[derive(Clone, Copy)]
pub(super) enum End {
    Host,
    Plugin,
}

/// The keys of one channel, bound to the bytes of its first two lines.
pub(super) struct Session {
    host: Wiped,
    plugin: Wiped,
    export: Wiped,
    transcript: [u8; 32],
}

impl Session {
    /// Uses the secret up. `None` would be a bug of the hash: 32 bytes are within what it gives.
    #[expect(clippy::needless_pass_by_value, reason = "a secret is used once")]
    pub(super) fn derive(
        secret: Secret,
        nonces: (Nonce, Nonce),
        lines: (&str, &str),
    ) -> Option<Self> {
        let (nonce_host, nonce_plugin) = nonces;
        let salt = [nonce_host.0, nonce_plugin.0].concat();
        let keys = Hkdf::<Sha256>::new(Some(&salt), secret.0.as_slice());
        let expand = |info: &[u8]| {
            let mut key = wiped();
            keys.expand(info, key.as_mut_slice()).ok().map(|()| key)
        };
        Some(Self {
            host: expand(b"host")?,
            plugin: expand(b"plugin")?,
            export: expand(b"export")?,
            transcript: transcript(lines),
        })
    }

    pub(super) fn tag(&self, end: End) -> Tag {
        let key = match end {
            End::Host => &self.host,
            End::Plugin => &self.plugin,
        };
        Tag(hmac(key, &self.transcript))
    }

    /// Compares in a time that says nothing about the codes.
    pub(super) fn verifies(&self, end: End, tag: Tag) -> bool {
        self.tag(end).0.ct_eq(&tag.0).into()
    }

    pub(super) fn into_export_key(self) -> ExportKey {
        ExportKey(self.export)
    }
}

/// Hides keys.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn transcript((first, second): (&str, &str)) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(TRANSCRIPT);
    hash.update(first);
    hash.update(b"\n");
    hash.update(second);
    hash.finalize().into()
}

fn hmac(key: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    // HMAC pads a short key with zeroes to the hash's block; done here it cannot fail.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// A key that only the two ends of one channel have.
pub struct ExportKey(Wiped);

impl ExportKey {
    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 32] {
        hmac(&self.0, bytes)
    }

    /// Tells whether the other end, or this one, signed these bytes.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8; 32]) -> bool {
        self.sign(bytes).ct_eq(signature).into()
    }
}

impl fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
