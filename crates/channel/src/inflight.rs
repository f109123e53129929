//! Requests that wait for their answers.

use std::collections::HashMap;

/// The requests that one end has sent and that have no answer yet.
///
/// Numbers begin at 1 and are never used twice, so a second answer to a request, or an answer to
/// none, is found out. A request that its sender gave up on stays until its answer comes: put a
/// `T` that says so in its place with [`InFlight::get_mut`].
///
/// ```
/// use keyway_channel::InFlight;
/// let mut waiting: InFlight<&str> = InFlight::new(2);
/// let first = waiting.begin("search")?;
/// assert_eq!(waiting.end(first)?, "search");
/// assert!(waiting.end(first).is_err(), "an answer counts once");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InFlight<T> {
    waiting: HashMap<u64, T>,
    last: u64,
    limit: usize,
}

/// Says that as many requests wait as may wait; the caller tries again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} requests wait for an answer already; try again when one has come")]
#[non_exhaustive]
pub struct Overloaded {
    /// How many may wait.
    pub limit: usize,
}

impl Overloaded {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "OVERLOADED"
    }
}

/// Says that the peer answered what nobody asked, or answered twice. It breaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer answered request {number}, which does not wait for an answer")]
#[non_exhaustive]
pub struct UnknownAnswer {
    /// The number of the request.
    pub number: u64,
}

impl UnknownAnswer {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "UNKNOWN_ANSWER"
    }
}

impl<T> InFlight<T> {
    /// Makes an empty table for at most `limit` requests.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::after(limit, 0)
    }

    /// Makes an empty table whose first number comes after `last`: 1 for a host, whose hello took
    /// that number.
    #[must_use]
    pub fn after(limit: usize, last: u64) -> Self {
        Self {
            waiting: HashMap::new(),
            last,
            limit,
        }
    }

    /// Enters a request and returns its number.
    ///
    /// # Errors
    /// [`Overloaded`].
    pub fn begin(&mut self, request: T) -> Result<u64, Overloaded> {
        if self.waiting.len() >= self.limit {
            return Err(Overloaded { limit: self.limit });
        }
        self.last += 1;
        self.waiting.insert(self.last, request);
        Ok(self.last)
    }

    /// Enters a request even though the table is full: for pings, drain and shutdown, which must
    /// not wait behind calls.
    pub fn begin_control(&mut self, request: T) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, request);
        self.last
    }

    /// Takes the request that an answer belongs to.
    ///
    /// # Errors
    /// [`UnknownAnswer`].
    pub fn end(&mut self, number: u64) -> Result<T, UnknownAnswer> {
        self.waiting.remove(&number).ok_or(UnknownAnswer { number })
    }

    /// Returns a request that waits.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.waiting.get_mut(&number)
    }

    /// Takes every request that waits, for example when the channel has ended.
    pub fn drain(&mut self) -> impl Iterator<Item = (u64, T)> + '_ {
        self.waiting.drain()
    }

    /// Returns how many requests wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Tells whether no request waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
