//! The one thread that serialises, redacts, chains, writes and syncs.

use std::io;
use std::sync::Arc;

use super::disk::Disk;
use super::file::TrailFile;
use super::queue::{BOUND, Batch, Item, Pace, Queue, Reply, Step};
use super::{AuditError, AuditEvent, Head};
use crate::clock::Clock;

/// Writes what comes through a queue until it is closed.
pub(super) struct Writer<D: Disk> {
    queue: Arc<Queue>,
    file: TrailFile<D>,
    clock: Arc<dyn Clock>,
    batch: Batch,
    /// Batches since everything was made durable.
    since_sync: u32,
    /// Events of this batch that were too large to be records.
    oversized: u64,
    /// Callers of this batch whose events are written, with what to tell them.
    answers: Vec<(Reply<Head>, Option<Head>)>,
}

/// Events written in one piece, and batches after which all of it is made durable.
const PIECE: usize = 1024;
const SYNC_EVERY: u32 = 512;

impl<D: Disk> Writer<D> {
    pub(super) fn new(queue: Arc<Queue>, file: TrailFile<D>, clock: Arc<dyn Clock>) -> Self {
        let batch = Batch {
            items: Vec::with_capacity(BOUND),
            ..Batch::default()
        };
        Self {
            queue,
            file,
            clock,
            batch,
            since_sync: 0,
            oversized: 0,
            answers: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        let mut pace = Pace::default();
        loop {
            let step = self.queue.next(&mut pace, &mut self.batch);
            let reported = self.batch.lost;
            let written = self.write();
            self.sync_sometimes(&step);
            pace.failing = written.is_err();
            self.settle(&written, reported);
            if step == Step::Finish {
                return;
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.batch.items.is_empty() {
            self.write_piece()?;
            self.queue.advance();
        }
        self.write_loss()?;
        if self.batch.barriers.is_empty() {
            Ok(())
        } else {
            self.sync()
        }
    }

    fn write_piece(&mut self) -> io::Result<()> {
        let now = self.clock.now_ms();
        let items = &mut self.batch.items;
        let piece = &items[..items.len().min(PIECE)];
        let len = piece.len();
        let durably = piece.iter().any(|item| item.reply.is_some());
        let events = piece.iter().map(|item| &item.stamped);
        let heads = self.file.append(now, events, durably)?;
        for (item, head) in items.drain(..len).zip(heads) {
            if head.is_none() {
                self.oversized += 1;
            }
            self.answers.extend(item.reply.map(|reply| (reply, head)));
        }
        Ok(())
    }

    fn write_loss(&mut self) -> io::Result<()> {
        let count = self.oversized + self.batch.lost;
        if count == 0 {
            return Ok(());
        }
        let now = self.clock.now_ms();
        let event = (now, AuditEvent::RecordsLost { count });
        self.file.append(now, std::iter::once(&event), false)?;
        (self.oversized, self.batch.lost) = (0, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.since_sync = 0;
        self.file.sync()
    }

    fn sync_sometimes(&mut self, step: &Step) {
        self.since_sync += 1;
        if *step != Step::Write || self.since_sync >= SYNC_EVERY {
            // The file remembers a failure, and `settle` makes it known.
            drop(self.sync());
        }
    }

    /// Makes the state known, then answers everybody who waits, and keeps the rest for later.
    fn settle(&mut self, written: &io::Result<()>, reported: u64) {
        let failure = written.as_ref().err().map(io::Error::to_string);
        let (waiting, held): (Vec<_>, Vec<_>) = match &failure {
            Some(_) => self
                .batch
                .items
                .drain(..)
                .partition(|item| item.reply.is_some()),
            None => (Vec::new(), Vec::new()),
        };
        let trouble = failure.clone();
        let trouble = trouble.or_else(|| self.file.doubt().map(str::to_owned));
        let reported = reported - self.batch.lost;
        let lost = std::mem::take(&mut self.oversized);
        self.queue.settle(trouble, held.len(), reported, lost);
        self.batch.items.extend(held);
        self.answer(waiting, failure.as_deref());
    }

    fn answer(&mut self, refused: Vec<Item>, failure: Option<&str>) {
        let unavailable = |why: &str| AuditError::unavailable(why);
        for (reply, head) in self.answers.drain(..) {
            drop(reply.send(head.ok_or_else(|| unavailable(TOO_LARGE))));
        }
        for reply in refused.into_iter().filter_map(|item| item.reply) {
            drop(reply.send(Err(unavailable(failure.unwrap_or_default()))));
        }
        for barrier in self.batch.barriers.drain(..) {
            drop(barrier.send(failure.map_or(Ok(()), |why| Err(unavailable(why)))));
        }
    }
}

const TOO_LARGE: &str = "the event is too large for a record";

impl<D: Disk> Drop for Writer<D> {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}
