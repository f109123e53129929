//! The end of a trail's file: found when opened, followed when others write, extended in batches
//! that are there as a whole or not at all.

use std::io;

use super::chain::{Chain, Fields, LINE_MAX};
use super::disk::Disk;
use super::{AuditEvent, Head, Redactor};
use crate::digest::Digest;

/// An event with the time at which it was recorded.
pub(super) type Stamped = (i64, AuditEvent);

/// The file, and where its chain ends.
pub(super) struct TrailFile<D> {
    disk: D,
    redactor: Redactor,
    end: End,
    /// Whether something was written since the last sync.
    dirty: bool,
    /// Why nothing can be called durable any more. A failed sync may have dropped bytes that
    /// the next one would not write again, so no later success can be believed.
    doubt: Option<String>,
    /// What the trail should say about its own file and could not yet.
    news: Vec<AuditEvent>,
    bytes: Vec<u8>,
}

/// Where the chain ends in the file.
#[derive(Clone, Copy)]
struct End {
    at: u64,
    chain: Chain,
}

/// Says that a file with something in it holds no record.
pub(super) struct NotATrail;

impl<D: Disk> TrailFile<D> {
    /// Finds the end of the chain; bytes after the last record are moved aside and recorded.
    pub(super) fn open(mut disk: D, redactor: Redactor, now_ms: i64) -> io::Result<Opened<D>> {
        disk.lock()?;
        let found = find_end(&mut disk);
        disk.unlock();
        let Some(end) = found? else {
            return Ok(Err(NotATrail));
        };
        let mut file = Self {
            disk,
            redactor,
            end,
            dirty: false,
            doubt: None,
            news: Vec::new(),
            bytes: Vec::new(),
        };
        // An empty batch catches up, and so records what was cut off.
        file.append(now_ms, std::iter::empty(), false)?;
        Ok(Ok(file))
    }

    /// Appends events in one piece and returns each one's place; `None` for one that is too
    /// large to be a record. On failure the file is as it
    /// was, unless cutting off what was written failed too.
    pub(super) fn append<'e>(
        &mut self,
        now_ms: i64,
        events: impl Iterator<Item = &'e Stamped>,
        durably: bool,
    ) -> io::Result<Vec<Option<Head>>> {
        if let (Some(why), true) = (&self.doubt, durably) {
            return Err(io::Error::other(why.clone()));
        }
        self.disk.lock()?;
        let written = self.append_locked(now_ms, events, durably);
        self.disk.unlock();
        written
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match &self.doubt {
            Some(why) => Err(io::Error::other(why.clone())),
            None if self.dirty => self.sync_disk(),
            None => Ok(()),
        }
    }

    /// Returns why nothing can be called durable any more, when that is so.
    pub(super) fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    fn append_locked<'e>(
        &mut self,
        now_ms: i64,
        events: impl Iterator<Item = &'e Stamped>,
        durably: bool,
    ) -> io::Result<Vec<Option<Head>>> {
        self.catch_up()?;
        let end = self.end;
        self.bytes.clear();
        let news = std::mem::take(&mut self.news);
        for event in &news {
            self.encode(now_ms, event);
        }
        let heads = events.map(|(at, event)| self.encode(*at, event));
        let heads = heads.collect();
        let written = self.write(durably);
        if let Err(error) = written {
            (self.end, self.news) = (end, news);
            // If even this fails, whole records stay and are followed the next time, as if
            // somebody else had written them; the rest is set aside.
            drop(self.disk.truncate(end.at));
            return Err(error);
        }
        Ok(heads)
    }

    fn encode(&mut self, at_ms: i64, event: &AuditEvent) -> Option<Head> {
        let Self { end, bytes, .. } = self;
        end.chain.append(at_ms, event, &self.redactor, bytes)
    }

    fn write(&mut self, durably: bool) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.disk.append(&self.bytes)?;
            self.end.at += self.bytes.len() as u64;
            self.dirty = true;
        }
        self.bytes.shrink_to(BUFFER);
        if durably { self.sync_disk() } else { Ok(()) }
    }

    fn sync_disk(&mut self) -> io::Result<()> {
        let synced = self.disk.sync();
        if let Err(error) = &synced {
            let why = format!("a sync failed ({error}); restart the host to begin afresh");
            self.doubt = Some(why);
        }
        self.dirty = false;
        synced
    }

    /// Follows what others did since, and notes what the trail should say about it.
    fn catch_up(&mut self) -> io::Result<()> {
        let len = self.disk.len()?;
        if len == self.end.at {
            return Ok(());
        }
        let gone = || io::Error::other("no audit record is left in the file");
        let found = find_end(&mut self.disk)?.ok_or_else(gone)?;
        if len < self.end.at {
            // Going on from what was written, not from what is left, makes the gap show.
            self.news.push(shortened(self.end.at - len));
            self.end.at = found.at;
        } else {
            self.end = found;
        }
        if len > self.end.at {
            let cut = self.cut(len)?;
            self.news.push(cut);
        }
        Ok(())
    }

    /// Moves the bytes after the chain's end to a file of their own.
    fn cut(&mut self, len: u64) -> io::Result<AuditEvent> {
        let bytes = len - self.end.at;
        let too_many = |_| io::Error::other("too many bytes after the last record");
        let mut torn = vec![0; usize::try_from(bytes).map_err(too_many)?];
        self.disk.read(self.end.at, &mut torn)?;
        let kept = self.disk.set_aside(&torn)?.into();
        self.disk.truncate(self.end.at)?;
        let digest = Digest::of(&torn);
        Ok(AuditEvent::TailCut {
            bytes,
            kept,
            digest,
        })
    }
}

/// A file that is a trail, or is not.
pub(super) type Opened<D> = Result<TrailFile<D>, NotATrail>;

/// Looks for the last record, from the end of the file backwards.
fn find_end(disk: &mut impl Disk) -> io::Result<Option<End>> {
    let len = disk.len()?;
    let mut size = PIECE as u64;
    let mut piece = Vec::new();
    loop {
        let from = len.saturating_sub(size);
        piece.resize(usize::try_from(len - from).unwrap_or(usize::MAX), 0);
        disk.read(from, &mut piece)?;
        if let Some(end) = last_record(&piece, from) {
            return Ok(Some(end));
        }
        if from == 0 {
            return Ok(is_unborn(&piece).then(End::of_nothing));
        }
        if size > LINE_MAX as u64 {
            return Ok(None);
        }
        size *= 8;
    }
}

fn last_record(piece: &[u8], from: u64) -> Option<End> {
    let mut rest = piece;
    while let Some(end) = rest.iter().rposition(|b| *b == b'\n') {
        let start = piece[..end].iter().rposition(|b| *b == b'\n');
        let line = &piece[start.map_or(0, |at| at + 1)..end];
        // At the front of a piece that is not the file's, a line may lack its beginning; then
        // it does not parse, and a larger piece is tried.
        if let Ok(fields) = Fields::of(line) {
            let head = fields.head();
            return Some(End {
                at: from + end as u64 + 1,
                chain: Chain { head },
            });
        }
        rest = &piece[..end];
    }
    None
}

/// Tells whether the file is empty, or the first batch was torn.
fn is_unborn(content: &[u8]) -> bool {
    let first = b"{\"seq\":1,";
    content.starts_with(first) || first.starts_with(content)
}

impl End {
    fn of_nothing() -> Self {
        let chain = Chain {
            head: Head::empty(),
        };
        Self { at: 0, chain }
    }
}

fn shortened(bytes: u64) -> AuditEvent {
    AuditEvent::Notice {
        level: keyway_plugin_api::LogLevel::Error,
        plugin: None,
        message: format!("{bytes} bytes that this host had written were cut off the trail").into(),
    }
}

const PIECE: usize = 4 * 1024;
const BUFFER: usize = 1024 * 1024;
