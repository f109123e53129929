//! The two descriptors that the host leaves in the child: the channel and the secret.
//!
//! The one place of this crate with `unsafe`: the standard library and rustix have no safe way to
//! own a descriptor that was inherited by number.

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FileType;
use rustix::io::FdFlags;

/// Descriptors that were taken, a bit each: none is taken twice.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Descriptors of the standard streams are never a channel; beyond 63 there is no bit.
const NUMBERS: std::ops::Range<RawFd> = 3..64;

/// Takes an inherited descriptor when it is open and of this type, and marks it close-on-exec, so
/// that a program that the plugin starts does not hold the channel open.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn take(number: RawFd, kind: FileType) -> Result<OwnedFd, String> {
    if !NUMBERS.contains(&number) {
        return Err(format!("descriptor {number} is none of 3 to 63"));
    }
    if TAKEN.fetch_or(1 << number, Ordering::SeqCst) & (1 << number) != 0 {
        return Err(format!("descriptor {number} is taken already"));
    }
    let found = kind_of(number)?;
    if found != kind {
        return Err(format!(
            "descriptor {number} is a {found:?}, not a {kind:?}"
        ));
    }
    let owned = own(number);
    rustix::io::fcntl_setfd(&owned, FdFlags::CLOEXEC)
        .map_err(|e| format!("descriptor {number}: {e}"))?;
    Ok(owned)
}

/// Looks at a descriptor without owning it. A closed number is an error and nothing else.
fn kind_of(number: RawFd) -> Result<FileType, String> {
    #[expect(
        unsafe_code,
        reason = "a number can only be borrowed so; it is looked at and not kept"
    )]
    // SAFETY: `number` is not -1 (NUMBERS). The borrow does not outlive this function, and all that
    // is done with it is `fstat`, which answers EBADF for a number that is not open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let stat = rustix::fs::fstat(borrowed).map_err(|e| format!("descriptor {number}: {e}"))?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

fn own(number: RawFd) -> OwnedFd {
    #[expect(unsafe_code, reason = "an inherited number can only be owned so")]
    // SAFETY: `kind_of` saw it open and of the type that the host leaves there; TAKEN lets only one
    // caller in; and this runs at the beginning of `main`, before anything of the plugin could have
    // opened a descriptor that got this number. The host promises the numbers in the environment.
    unsafe {
        OwnedFd::from_raw_fd(number)
    }
}
