//! Reading a trail: its records, whether they are intact, and the catalog they add up to.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::chain::{Chain, LINE_MAX};
use super::replay::{Recorded, Replay, Replayed};
use super::{AuditError, Filter, Head, Record};

/// A trail is an audit file opened for reading, as long as it was at that moment.
///
/// Reading takes no lock away from a host that writes: the length is noted between two of its
/// writes, and what is added later is not read.
#[derive(Debug)]
pub struct Trail {
    path: PathBuf,
    file: File,
    bytes: u64,
}

/// Says what an intact trail holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The last record's place. Kept elsewhere, it shows later that nothing was cut off.
    pub head: Head,
}

impl Trail {
    /// Opens a trail.
    ///
    /// # Errors
    /// [`AuditError::Io`] when the file cannot be opened.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AuditError> {
        let path = path.into();
        match Self::measure(&path) {
            Ok((file, bytes)) => Ok(Self { path, file, bytes }),
            Err(error) => Err(io_error("open", &path, error)),
        }
    }

    fn measure(path: &Path) -> io::Result<(File, u64)> {
        let file = File::open(path)?;
        file.lock_shared()?;
        let bytes = file.metadata()?.len();
        file.unlock()?;
        Ok((file, bytes))
    }

    /// Iterates over the records.
    ///
    /// # Errors
    /// [`AuditError::Io`] when the file cannot be read from its beginning.
    pub fn records(&self) -> Result<Records<impl BufRead>, AuditError> {
        Ok(records(self.reader()?))
    }

    /// Returns the last `count` records that a filter lets through, oldest first.
    ///
    /// # Errors
    /// [`AuditError::Broken`] at a line that is not a record; [`AuditError::Io`].
    pub fn last(&self, count: usize, filter: &Filter) -> Result<Vec<Record>, AuditError> {
        let mut kept = VecDeque::new();
        for record in self.records()? {
            let record = record?;
            if !filter.matches(&record) {
                continue;
            }
            kept.push_back(record);
            if kept.len() > count {
                kept.pop_front();
            }
        }
        Ok(kept.into())
    }

    /// Checks every record: any edit, reordering, insertion or removal before the last record.
    ///
    /// A trail whose last records were removed is intact by itself; only a [`Head`] kept
    /// elsewhere shows it, with [`verify_against`](Self::verify_against).
    ///
    /// # Errors
    /// [`AuditError::Broken`] at the first line that does not follow; [`AuditError::Io`].
    pub fn verify(&self) -> Result<Verified, AuditError> {
        verify(self.reader()?)
    }

    /// Checks every record, and that a record known from elsewhere is among them.
    ///
    /// # Errors
    /// [`AuditError::Broken`] at the first line that does not follow, or when the known record
    /// was removed or replaced; [`AuditError::Io`].
    pub fn verify_against(&self, known: &Head) -> Result<Verified, AuditError> {
        verify_against(self.reader()?, known)
    }

    /// Returns the catalog that the records add up to, as the JSON of its file.
    ///
    /// # Errors
    /// [`AuditError::Broken`] at a line that is not a record; [`AuditError::Io`].
    pub fn replay(&self) -> Result<Value, AuditError> {
        let mut replay = Replay::new();
        for record in self.records()? {
            replay.step(&record?.event);
        }
        Ok(replay.end().catalog)
    }

    /// Returns the catalog that the records add up to, and how far they go. Reads only the records
    /// about the catalog, which are few among those of calls; [`verify`](Self::verify) is what
    /// checks a trail.
    ///
    /// # Errors
    /// [`AuditError::Broken`] at a record about the catalog that is not one; [`AuditError::Io`].
    pub fn replayed(&self) -> Result<Replayed, AuditError> {
        self.follow_catalog(|replay, line, _| step(replay, line))
    }

    /// Returns how far the records about the catalog go, and does not look at what they say: much
    /// cheaper than [`replayed`](Self::replayed), which tells the same.
    ///
    /// # Errors
    /// [`AuditError::Broken`] at a record about the catalog that names no revision;
    /// [`AuditError::Io`].
    pub fn recorded(&self) -> Result<Recorded, AuditError> {
        let replayed = self.follow_catalog(|replay, line, event| match revision_in(event) {
            Some(revision) => {
                replay.reach(revision);
                Ok(())
            }
            None => step(replay, line),
        })?;
        Ok(Recorded::from(&replayed))
    }

    /// Goes over the records about the catalog: the line, and what of it tells the event.
    fn follow_catalog(
        &self,
        take: impl Fn(&mut Replay, &[u8], &[u8]) -> Result<(), String>,
    ) -> Result<Replayed, AuditError> {
        let mut lines = Lines::over(self.reader()?);
        let mut replay = Replay::new();
        while let Some(line) = lines.next()? {
            if let Some(event) = event_about_the_catalog(line) {
                take(&mut replay, line, event).map_err(|why| lines.broken(why))?;
            }
        }
        Ok(replay.end())
    }

    fn reader(&self) -> Result<impl BufRead, AuditError> {
        let mut file = &self.file;
        match file.seek(SeekFrom::Start(0)) {
            Ok(_) => Ok(BufReader::with_capacity(1 << 16, file.take(self.bytes))),
            Err(error) => Err(io_error("read", &self.path, error)),
        }
    }
}

/// Checks every record of a trail, as [`Trail::verify`] does.
///
/// # Errors
/// [`AuditError::Broken`] at the first line that does not follow; [`AuditError::Io`].
pub fn verify(reader: impl BufRead) -> Result<Verified, AuditError> {
    follow(reader, |_| Ok(()))
}

/// Checks every record of a trail against a known one, as [`Trail::verify_against`] does.
///
/// # Errors
/// [`AuditError::Broken`] at the first line that does not follow, or when the known record was
/// removed or replaced; [`AuditError::Io`].
pub fn verify_against(reader: impl BufRead, known: &Head) -> Result<Verified, AuditError> {
    let verified = follow(reader, |head| {
        if head.seq == known.seq && head != known {
            return Err(format!("record {} is not the known one", head.seq));
        }
        Ok(())
    })?;
    if verified.head.seq < known.seq {
        return Err(AuditError::Broken {
            line: verified.records + 1,
            why: format!("records up to {} were removed from the end", known.seq),
        });
    }
    Ok(verified)
}

fn step(replay: &mut Replay, line: &[u8]) -> Result<(), String> {
    replay.step(&Record::of(line)?.event);
    Ok(())
}

/// Returns the event of a record that makes the catalog, by its tag, which follows three members
/// that have no comma in them.
fn event_about_the_catalog(line: &[u8]) -> Option<&[u8]> {
    let event = line.splitn(4, |byte| *byte == b',').nth(3)?;
    let is_one = event.starts_with(COMMITTED) || event.starts_with(REPAIRED);
    is_one.then_some(event)
}

/// The tags of the records that make the catalog.
const COMMITTED: &[u8] = br#""event":"operation_committed","#;
const REPAIRED: &[u8] = br#""event":"catalog_repaired","#;
const REVISION: &[u8] = br#","revision":"#;

/// Returns the revision that an operation reached. Before it come strings alone, and inside a
/// string there is no quote without a backslash: the first member of this name is the event's own.
fn revision_in(event: &[u8]) -> Option<u64> {
    let mut rest = event.strip_prefix(COMMITTED)?.windows(REVISION.len());
    let at = COMMITTED.len() + rest.position(|bytes| bytes == REVISION)? + REVISION.len();
    let digits = event[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let text = str::from_utf8(&event[at..at + digits.count()]).ok()?;
    text.parse().ok()
}

fn follow(
    reader: impl BufRead,
    mut check: impl FnMut(&Head) -> Result<(), String>,
) -> Result<Verified, AuditError> {
    let mut lines = Lines::over(reader);
    let mut chain = Chain {
        head: Head::empty(),
    };
    while let Some(line) = lines.next()? {
        let followed = chain.follow(line).and_then(|_| check(&chain.head));
        followed.map_err(|why| lines.broken(why))?;
    }
    Ok(Verified {
        records: chain.head.seq,
        head: chain.head,
    })
}

/// Iterates over the records of a trail.
pub fn records<R: BufRead>(reader: R) -> Records<R> {
    Records {
        lines: Lines::over(reader),
        ended: false,
    }
}

/// The records of a trail, in order; ends after the first error.
#[derive(Debug)]
pub struct Records<R> {
    lines: Lines<R>,
    ended: bool,
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Result<Record, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = match self.lines.next() {
            Ok(None) => None,
            Ok(Some(line)) => {
                let record = Record::of(line);
                Some(record.map_err(|why| self.lines.broken(why)))
            }
            Err(error) => Some(Err(error)),
        };
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

/// The lines of a trail, each whole and of bounded length.
#[derive(Debug)]
struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn over(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            number: 0,
        }
    }

    fn next(&mut self) -> Result<Option<&[u8]>, AuditError> {
        self.line.clear();
        self.number += 1;
        let mut bounded = (&mut self.reader).take(LINE_MAX as u64 + 1);
        match bounded.read_until(b'\n', &mut self.line) {
            Ok(0) => Ok(None),
            Ok(_) if self.line.last() == Some(&b'\n') => {
                self.line.pop();
                Ok(Some(&self.line))
            }
            Ok(_) => Err(self.broken("the line has no end".to_owned())),
            Err(error) => Err(io_error("read", Path::new("the audit trail"), error)),
        }
    }

    fn broken(&self, why: String) -> AuditError {
        let line = self.number;
        AuditError::Broken { line, why }
    }
}

pub(super) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> AuditError {
    AuditError::Io {
        doing,
        path: path.to_path_buf(),
        source,
    }
}
