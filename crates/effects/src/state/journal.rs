//! One plugin's file: a header, then a checked record for every change.
//!
//! A record is `length: u32`, `check: [u8; 8]`, `body`; the check is the beginning of the body's
//! SHA-256. A body is `1`, the key's length as `u16`, the key and the value, or `2` and the key.
//! Numbers are little-endian.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyway_host::digest::Digest;
use keyway_host::file_lock::lock_within;

use super::StateError;
use crate::private;

const HEADER: &[u8] = b"keyway-state/1\n";
const PUT: u8 = 1;
const DELETE: u8 = 2;
/// Bytes of a record before its body.
const FRAME: usize = 12;
/// How long to wait for a lock that a child on its way to its own program may have a copy of.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of outdated records before the file is rewritten.
const SLACK: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    entries: BTreeMap<String, Vec<u8>>,
    live: u64,
    /// Held for as long as the journal is open.
    _lock: File,
}

impl Journal {
    /// Opens and reads a plugin's file, making it when it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let lock = Self::lock(path)?;
        let io = |e| StateError::io(path, e);
        let mut file = private::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let read = Records::read(&bytes).map_err(|at| StateError::Damaged {
            path: path.to_owned(),
            at,
        })?;
        let mut journal = Self {
            path: path.to_owned(),
            length: read.end as u64,
            live: size(&read.entries),
            entries: read.entries,
            file,
            _lock: lock,
        };
        match read.end {
            0 => journal.begin().map_err(io)?,
            end if end < bytes.len() => journal.cut(&bytes[end..]).map_err(io)?,
            _ => {}
        }
        Ok(journal)
    }

    fn lock(path: &Path) -> Result<File, StateError> {
        let lock_path = path.with_extension("lock");
        let io = |e| StateError::io(&lock_path, e);
        let lock = private::open(&lock_path).map_err(io)?;
        match lock_within(&lock, PATIENCE) {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(StateError::Busy {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let from = self.entries.range::<str, _>(from);
        let keys = from.map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    pub(super) fn all(&self) -> BTreeMap<String, Vec<u8>> {
        self.entries.clone()
    }

    /// Returns the bytes of all keys and values.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live
    }

    pub(super) fn put(&mut self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.append(&put_record(key, value))?;
        let old = self.entries.insert(key.to_owned(), value.to_vec());
        self.live += (key.len() + value.len()) as u64;
        self.forget(key, old);
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<(), StateError> {
        let mut body = vec![DELETE];
        body.extend_from_slice(key.as_bytes());
        self.append(&framed(&body))?;
        let old = self.entries.remove(key);
        self.forget(key, old);
        Ok(())
    }

    /// Replaces everything at once.
    pub(super) fn replace(&mut self, entries: BTreeMap<String, Vec<u8>>) -> Result<(), StateError> {
        self.rewrite(&entries)?;
        self.live = size(&entries);
        self.entries = entries;
        Ok(())
    }

    fn append(&mut self, record: &[u8]) -> Result<(), StateError> {
        let written = self.file.seek(SeekFrom::Start(self.length));
        let written = written.and_then(|_| self.file.write_all(record));
        let written = written.and_then(|()| self.file.sync_data());
        written.map_err(|e| StateError::io(&self.path, e))?;
        self.length += record.len() as u64;
        Ok(())
    }

    /// Counts out an old value, and rewrites a file that is mostly outdated. The change before is
    /// durable already, so a rewrite that fails is tried again after the next one.
    fn forget(&mut self, key: &str, old: Option<Vec<u8>>) {
        self.live -= old.map_or(0, |old| (key.len() + old.len()) as u64);
        if self.length <= 2 * self.live + SLACK {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        let rewritten = self.rewrite(&entries);
        self.entries = entries;
        if let Err(error) = rewritten {
            tracing::warn!(%error, "a plugin's state file could not be rewritten");
        }
    }

    fn rewrite(&mut self, entries: &BTreeMap<String, Vec<u8>>) -> Result<(), StateError> {
        let mut bytes = HEADER.to_vec();
        for (key, value) in entries {
            bytes.extend(put_record(key, value));
        }
        let replaced = private::replace(&self.path, &bytes);
        self.file = replaced
            .and_then(|()| private::open(&self.path))
            .map_err(|e| StateError::io(&self.path, e))?;
        self.length = bytes.len() as u64;
        Ok(())
    }

    /// Writes the header of a file that has none, or only a part of it.
    fn begin(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(HEADER)?;
        self.file.sync_all()?;
        self.length = HEADER.len() as u64;
        private::sync_parent(&self.path)
    }

    /// Puts an incomplete record aside: it was never acknowledged.
    fn cut(&mut self, torn: &[u8]) -> io::Result<()> {
        private::replace(&self.path.with_extension("torn"), torn)?;
        self.file.set_len(self.length)?;
        self.file.sync_all()
    }
}

fn size(entries: &BTreeMap<String, Vec<u8>>) -> u64 {
    entries
        .iter()
        .map(|(k, v)| (k.len() + v.len()) as u64)
        .sum()
}

fn put_record(key: &str, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(3 + key.len() + value.len());
    body.push(PUT);
    // Keys are checked to be far shorter.
    body.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend_from_slice(key.as_bytes());
    body.extend_from_slice(value);
    framed(&body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(FRAME + body.len());
    // Values are checked to be far shorter.
    record.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    record.extend_from_slice(&check(body));
    record.extend_from_slice(body);
    record
}

fn check(body: &[u8]) -> [u8; 8] {
    let mut check = [0; 8];
    check.copy_from_slice(&Digest::of(body).as_bytes()[..8]);
    check
}

/// What is in a file, up to an incomplete record at its end.
struct Records {
    entries: BTreeMap<String, Vec<u8>>,
    end: usize,
}

impl Records {
    /// # Errors
    /// Where the file is damaged: a bad record with more behind it was not cut off by a crash.
    fn read(bytes: &[u8]) -> Result<Self, u64> {
        let mut entries = BTreeMap::new();
        let Some(mut rest) = bytes.strip_prefix(HEADER) else {
            // A crash can leave a part of the header behind, or nothing.
            let cut = HEADER.starts_with(bytes) || bytes.iter().all(|b| *b == 0);
            return if cut {
                Ok(Self { entries, end: 0 })
            } else {
                Err(0)
            };
        };
        while let Some(body) = next(rest) {
            let Some(()) = apply(body, &mut entries) else {
                return Err((bytes.len() - rest.len()) as u64);
            };
            rest = &rest[FRAME + body.len()..];
        }
        let end = bytes.len() - rest.len();
        match is_torn(rest) {
            true => Ok(Self { entries, end }),
            false => Err(end as u64),
        }
    }
}

/// Returns the body of an intact record.
fn next(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<8>()?;
    let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (!body.is_empty() && check(body) == *expected).then_some(body)
}

/// Tells whether what follows the intact records can be one that a crash cut off: it ends early,
/// or the file grew and its bytes never came.
fn is_torn(rest: &[u8]) -> bool {
    let length = rest
        .split_first_chunk::<4>()
        .map(|(n, _)| u32::from_le_bytes(*n) as usize);
    let ends_early = length.is_none_or(|length| rest.len() <= FRAME + length);
    ends_early || rest.iter().all(|b| *b == 0)
}

fn apply(body: &[u8], entries: &mut BTreeMap<String, Vec<u8>>) -> Option<()> {
    let (kind, rest) = body.split_first()?;
    match *kind {
        PUT => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (key, value) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
            let key = std::str::from_utf8(key).ok()?;
            entries.insert(key.to_owned(), value.to_vec());
        }
        DELETE => {
            entries.remove(std::str::from_utf8(rest).ok()?);
        }
        _ => return None,
    }
    Some(())
}
