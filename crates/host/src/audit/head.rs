//! A place in the chain.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::AuditError;
use crate::digest::Digest;

/// A head is the number and the hash of one record, and so of everything before it.
///
/// A durable record answers with one: a receipt. Kept outside the trail's reach, it is also the
/// only thing that shows a removed tail. Written `NUMBER@sha256:HEX`.
///
/// ```
/// use keyway_host::audit::Head;
/// let text = format!("7@sha256:{}", "0".repeat(64));
/// let head: Head = text.parse()?;
/// assert_eq!((head.seq, head.to_string()), (7, text));
/// # Ok::<(), keyway_host::audit::AuditError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The record's number; the first is 1, and 0 stands for the empty trail.
    pub seq: u64,
    /// The record's hash; zeros for the empty trail.
    pub hash: Digest,
}

impl Head {
    /// The head of a trail with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(0, Digest::from_bytes([0; 32]))
    }

    /// Makes a head.
    #[must_use]
    pub fn new(seq: u64, hash: Digest) -> Self {
        Self { seq, hash }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.seq, self.hash)
    }
}

impl FromStr for Head {
    type Err = AuditError;
    fn from_str(text: &str) -> Result<Self, AuditError> {
        text.split_once('@')
            .and_then(|(seq, hash)| Some(Self::new(seq.parse().ok()?, hash.parse().ok()?)))
            .ok_or(AuditError::NotAHead)
    }
}
