//! Takes the lock of a file that another process, or a part of this one, may hold.

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::Duration;

/// Time between the first two looks; it doubles up to the longest.
const TURN: Duration = Duration::from_millis(1);
const LONGEST_TURN: Duration = Duration::from_millis(8);

/// Locks a file for this handle alone, and waits about so long while another has the lock.
///
/// A lock that was given back can still be seen for a moment: when a process starts a child, the
/// child has every open file of its parent until it runs its own program, and a lock lives as
/// long as the last copy of its file. Whoever starts programs beside keyway does that, so who
/// wants a lock waits a little before calling it taken. The wait blocks the thread. It is counted
/// in steps of a few milliseconds, not by a clock, and so is longer on a busy machine.
///
/// ```
/// use std::fs::{File, TryLockError};
/// use std::time::Duration;
/// use keyway_host::file_lock::lock_within;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("lock");
/// let mine = File::create(&path)?;
/// lock_within(&mine, Duration::ZERO)?;
/// let refused = lock_within(&File::open(&path)?, Duration::from_millis(5));
/// assert!(matches!(refused, Err(TryLockError::WouldBlock)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`TryLockError::WouldBlock`] when another still has it after that time;
/// [`TryLockError::Error`] when the system cannot lock the file.
pub fn lock_within(file: &File, patience: Duration) -> Result<(), TryLockError> {
    let (mut waited, mut turn) = (Duration::ZERO, TURN);
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if waited < patience => {
                // Not a sleep: nothing here may look like a clock, and waking early does no harm.
                thread::park_timeout(turn);
                waited += turn;
                turn = LONGEST_TURN.min(turn * 2);
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
