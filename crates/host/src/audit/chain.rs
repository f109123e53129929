//! The chain: how a record becomes a line, and how a line proves that it is one.
//!
//! A line is `{"seq":…,"at_ms":…,"prev":"sha256:…","event":…,"hash":"sha256:…"}`; its hash is
//! SHA-256 over the 32 bytes of `prev`, then the line's bytes before `,"hash"`. Those bytes are
//! canonical because they are the bytes that were written: nothing is parsed and printed again.

use std::io::Write as _;

use sha2::{Digest as _, Sha256};

use super::{AuditEvent, Head, Redactor};
use crate::digest::Digest;

/// Longest line that is written or read, in bytes.
pub(super) const LINE_MAX: usize = 64 * 1024 * 1024;

const HASH_OPEN: &str = r#","hash":"sha256:"#;
const HASH_CLOSE: &str = r#""}"#;
const HEX: &[u8; 16] = b"0123456789abcdef";
const HASH_LEN: usize = HASH_OPEN.len() + 64 + HASH_CLOSE.len();

/// The end of a chain, to which lines are added.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain {
    pub(super) head: Head,
}

impl Chain {
    /// Appends an event's line to `out`; an event that cannot be a line leaves no trace.
    pub(super) fn append(
        &mut self,
        at_ms: i64,
        event: &AuditEvent,
        redactor: &Redactor,
        out: &mut Vec<u8>,
    ) -> Option<Head> {
        let start = out.len();
        let seq = self.head.seq + 1;
        let written = self.write_body(seq, at_ms, event, redactor, out);
        if written.is_none() || out.len() - start + HASH_LEN > LINE_MAX {
            out.truncate(start);
            return None;
        }
        let hash = hash_of(&self.head.hash, &out[start..]);
        out.extend_from_slice(HASH_OPEN.as_bytes());
        push_hex(&hash, out);
        out.extend_from_slice(HASH_CLOSE.as_bytes());
        out.push(b'\n');
        self.head = Head::new(seq, hash);
        Some(self.head)
    }

    fn write_body(
        &self,
        seq: u64,
        at_ms: i64,
        event: &AuditEvent,
        redactor: &Redactor,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        write!(out, r#"{{"seq":{seq},"at_ms":{at_ms},"prev":"sha256:"#).ok()?;
        push_hex(&self.head.hash, out);
        out.push(b'"');
        let object = out.len();
        serde_json::to_writer(&mut *out, event).ok()?;
        redactor.redact_json(out, object)?;
        // The event is an object with at least its tag: its members continue ours.
        out[object] = b',';
        out.pop();
        Some(())
    }

    /// Moves on over a line that must be the next one.
    ///
    /// # Errors
    /// What does not fit.
    pub(super) fn follow(&mut self, line: &[u8]) -> Result<Fields, String> {
        let fields = Fields::of(line)?;
        let Head { seq, hash } = self.head;
        if fields.seq != seq + 1 {
            return Err(format!("expected record {}, found {}", seq + 1, fields.seq));
        }
        if fields.prev != hash {
            return Err(format!(
                "record {} does not follow the record before it",
                fields.seq
            ));
        }
        self.head = fields.head();
        Ok(fields)
    }
}

/// What every line says about itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub(super) seq: u64,
    pub(super) at_ms: i64,
    pub(super) prev: Digest,
    hash: Digest,
}

impl Fields {
    /// Reads one line, without its newline, and checks its hash against its bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(line: &[u8]) -> Result<Self, String> {
        let parts = Self::split(line);
        let (fields, body) = parts.ok_or_else(|| "not an audit record".to_owned())?;
        if hash_of(&fields.prev, body) != fields.hash {
            return Err(format!("the hash of record {} is not its own", fields.seq));
        }
        Ok(fields)
    }

    /// Takes a line apart where it is always the same; the event between is the hash's to prove.
    fn split(line: &[u8]) -> Option<(Self, &[u8])> {
        let line = std::str::from_utf8(line).ok()?;
        let (body, hash) = line.split_at_checked(line.len().checked_sub(HASH_LEN)?)?;
        let hash = hash.strip_prefix(HASH_OPEN)?.strip_suffix(HASH_CLOSE)?;
        let rest = body.strip_prefix(r#"{"seq":"#)?;
        let (seq, rest) = rest.split_once(r#","at_ms":"#)?;
        let (at_ms, rest) = rest.split_once(r#","prev":"sha256:"#)?;
        let (prev, _) = rest.split_once(r#"","event":""#)?;
        let fields = Self {
            seq: seq.parse().ok()?,
            at_ms: at_ms.parse().ok()?,
            prev: digest(prev)?,
            hash: digest(hash)?,
        };
        Some((fields, body.as_bytes()))
    }

    pub(super) fn head(&self) -> Head {
        Head::new(self.seq, self.hash)
    }
}

fn digest(hex: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    let pairs = hex.as_bytes().chunks_exact(2);
    if hex.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(Digest::from_bytes(bytes))
}

fn nibble(hex: u8) -> Option<u8> {
    let at = HEX.iter().position(|digit| *digit == hex)?;
    u8::try_from(at).ok()
}

fn hash_of(prev: &Digest, body: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(prev.as_bytes());
    hasher.update(body);
    Digest::from_bytes(hasher.finalize().into())
}

fn push_hex(digest: &Digest, out: &mut Vec<u8>) {
    for byte in digest.as_bytes() {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}
