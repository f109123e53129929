//! Bytes as base64 text with padding.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are read from base64 text.
pub(super) struct Bytes(pub(super) Vec<u8>);

/// Bytes that are written as base64 text.
pub(super) struct Base64<'a>(pub(super) &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(d)?;
        let bytes = STANDARD.decode(text.as_bytes());
        let bytes = bytes.map_err(|e| serde::de::Error::custom(format!("not base64: {e}")))?;
        Ok(Self(bytes))
    }
}
