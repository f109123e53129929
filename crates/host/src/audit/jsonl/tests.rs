//! What the sink does when its disk fails, call by call.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::super::disk::Disk;
use super::super::{AuditEvent, AuditHealth, AuditSink, Head, Redactor, records, verify};
use super::JsonlAudit;
use crate::clock::ManualClock;

/// Short, so that the test of a disk that does not answer is.
const PATIENCE: Duration = Duration::from_secs(1);
/// Long enough for a piece on a busy machine.
const LONG_PATIENCE: Duration = Duration::from_secs(3);

/// A disk in memory that fails when told to. Clones are the same disk.
#[derive(Clone, Default)]
struct Faulty(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    aside: Vec<Vec<u8>>,
    /// Bytes that still fit; `None` for no limit.
    room: Option<usize>,
    /// Whether what a failed write left behind cannot be removed either.
    stuck: bool,
    failing_syncs: u32,
    syncs: u32,
    /// How long each write takes.
    delay: Duration,
}

impl Faulty {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn fill(&self, room: Option<usize>, stuck: bool) {
        let mut state = self.state();
        (state.room, state.stuck) = (room, stuck);
    }

    fn open(&self) -> JsonlAudit {
        self.open_with(LONG_PATIENCE)
    }

    fn open_with(&self, patience: Duration) -> JsonlAudit {
        let clock = Arc::new(ManualClock::at(1));
        let disk = self.clone();
        JsonlAudit::over((disk, Path::new("x")), clock, Redactor::new(), patience).unwrap()
    }

    fn events(&self) -> Vec<AuditEvent> {
        let bytes = self.state().bytes.clone();
        verify(bytes.as_slice()).unwrap();
        let all = records(bytes.as_slice());
        all.map(|record| record.unwrap().event).collect()
    }
}

impl Disk for Faulty {
    fn lock(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&mut self) {}

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(from).unwrap();
        bytes.copy_from_slice(&self.state().bytes[from..from + bytes.len()]);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let delay = self.state().delay;
        if !delay.is_zero() {
            std::thread::park_timeout(delay);
        }
        let mut state = self.state();
        let fits = state.room.unwrap_or(usize::MAX).min(bytes.len());
        state.bytes.extend_from_slice(&bytes[..fits]);
        if fits < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn truncate(&mut self, to: u64) -> io::Result<()> {
        let mut state = self.state();
        if state.stuck {
            return Err(io::Error::other("stuck"));
        }
        state.bytes.truncate(usize::try_from(to).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        state.syncs += 1;
        if state.failing_syncs > 0 {
            state.failing_syncs -= 1;
            return Err(io::Error::other("input/output error"));
        }
        Ok(())
    }

    fn set_aside(&mut self, bytes: &[u8]) -> io::Result<String> {
        let mut state = self.state();
        state.aside.push(bytes.to_vec());
        Ok(format!("x.torn-{}", state.aside.len()))
    }
}

fn version(text: &'static str) -> AuditEvent {
    let version = text.into();
    AuditEvent::HostStarted { version }
}

#[test]
fn s_i3_a_full_disk_refuses_durable_events_and_keeps_the_others_for_later() {
    let disk = Faulty::default();
    let audit = disk.open();
    audit.record_durably(version("before")).unwrap();
    disk.state().room = Some(100);
    let refused = audit.record_durably(version("refused")).unwrap_err();
    assert_eq!(refused.code(), "AUDIT_UNAVAILABLE");
    assert!(!audit.health().is_healthy());
    audit.record(version("kept"));
    audit.flush().unwrap_err();
    disk.state().room = None;
    assert_eq!(audit.record_durably(version("after")).unwrap().seq, 3);
    assert_eq!(audit.health(), AuditHealth::Healthy);
    let expected = ["before", "kept", "after"].map(version);
    assert_eq!(disk.events(), expected);
}

#[test]
fn s_i3_what_a_failed_write_leaves_behind_is_set_aside_when_it_cannot_be_removed() {
    let disk = Faulty::default();
    let audit = disk.open();
    audit.record_durably(version("before")).unwrap();
    disk.fill(Some(10), true);
    audit.record_durably(version("refused")).unwrap_err();
    disk.fill(None, false);
    audit.record_durably(version("after")).unwrap();
    let events = disk.events();
    assert!(matches!(events[1], AuditEvent::TailCut { bytes: 10, .. }));
    assert_eq!(events[2], version("after"));
    assert_eq!(disk.state().aside.len(), 1);
}

#[test]
fn s_i3_a_cut_is_said_even_when_the_write_after_it_fails() {
    let disk = Faulty::default();
    let audit = disk.open();
    audit.record_durably(version("before")).unwrap();
    disk.state().bytes.extend_from_slice(b"torn");
    disk.fill(Some(0), false);
    audit.record_durably(version("refused")).unwrap_err();
    disk.fill(None, false);
    audit.record_durably(version("after")).unwrap();
    let events = disk.events();
    assert!(matches!(events[1], AuditEvent::TailCut { bytes: 4, .. }));
    assert_eq!((events.len(), &events[2]), (3, &version("after")));
}

#[test]
fn s_i3_events_beyond_the_bound_are_counted_and_the_count_is_written() {
    let disk = Faulty::default();
    let audit = disk.open();
    disk.state().room = Some(0);
    audit.record_durably(version("refused")).unwrap_err();
    let bound = super::super::queue::BOUND;
    (0..bound + 7).for_each(|_| audit.record(AuditEvent::HostStopped));
    assert!(matches!(
        audit.health(),
        AuditHealth::Failing { lost: 7, .. }
    ));
    disk.state().room = None;
    audit.flush().unwrap();
    let events = disk.events();
    assert_eq!(events.len(), bound + 1);
    assert_eq!(events.last(), Some(&AuditEvent::RecordsLost { count: 7 }));
    assert_eq!(audit.health(), AuditHealth::Healthy);
}

#[test]
fn s_i3_after_a_failed_sync_nothing_is_called_durable_until_reopened() {
    let disk = Faulty::default();
    let audit = disk.open();
    disk.state().failing_syncs = 1;
    audit.record_durably(version("refused")).unwrap_err();
    // The disk works again, but what the failed sync dropped is not coming back.
    let still = audit.record_durably(version("refused too")).unwrap_err();
    assert_eq!(
        still.to_string(),
        "the audit trail cannot be written: a sync failed (input/output error); restart the \
         host to begin afresh"
    );
    assert!(!audit.health().is_healthy());
    audit.record(version("kept"));
    drop(audit);
    let audit = disk.open();
    audit.record_durably(version("after")).unwrap();
    assert_eq!(disk.events(), ["kept", "after"].map(version));
}

#[test]
fn a_slow_disk_makes_callers_wait_and_loses_nothing() {
    let disk = Faulty::default();
    let audit = disk.open();
    // Writing the 32 pieces of a full queue takes longer than a caller's patience; each of them does not.
    disk.state().delay = LONG_PATIENCE / 25;
    let bound = super::super::queue::BOUND;
    (0..3 * bound).for_each(|_| audit.record(AuditEvent::HostStopped));
    disk.state().delay = Duration::ZERO;
    audit.flush().unwrap();
    let events = disk.events();
    assert_eq!(events.len(), 3 * bound);
    assert!(events.iter().all(|event| *event == AuditEvent::HostStopped));
}

#[test]
fn a_disk_that_does_not_answer_holds_callers_up_once() {
    let disk = Faulty::default();
    let audit = disk.open_with(PATIENCE);
    let stuck = disk.state();
    let bound = super::super::queue::BOUND as u64;
    (0..3 * bound).for_each(|_| audit.record(AuditEvent::HostStopped));
    let AuditHealth::Failing { why, lost } = audit.health() else {
        panic!("{:?}", audit.health());
    };
    assert_eq!(why, "the disk does not answer");
    drop(stuck);
    audit.flush().unwrap();
    assert_eq!(audit.health(), AuditHealth::Healthy);
    let events = disk.events();
    assert_eq!(
        events.last(),
        Some(&AuditEvent::RecordsLost { count: lost })
    );
    assert_eq!(events.len() as u64 - 1 + lost, 3 * bound);
}

#[test]
fn waiters_share_syncs() {
    let disk = Faulty::default();
    let audit = disk.open();
    let before = disk.state().syncs;
    // Holding the disk lets every waiter queue up behind the first.
    let held = disk.state();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| audit.record_durably(AuditEvent::HostStopped)))
            .collect();
        std::thread::park_timeout(Duration::from_millis(300));
        drop(held);
        for waiter in waiters {
            waiter.join().unwrap().unwrap();
        }
    });
    let syncs = disk.state().syncs - before;
    assert!((1..64).contains(&syncs), "{syncs} syncs for 64 waiters");
}

#[test]
fn an_empty_trail_ends_at_the_empty_head() {
    let disk = Faulty::default();
    drop(disk.open());
    assert_eq!(verify(&b""[..]).unwrap().head, Head::empty());
    assert!(disk.events().is_empty());
}
