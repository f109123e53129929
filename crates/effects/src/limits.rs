//! The sizes beyond which an effect is refused.

use std::time::Duration;

/// Limits on what one effect may carry and one plugin may keep. All have safe defaults.
///
/// ```
/// use keyway_effects::EffectLimits;
/// let limits = EffectLimits { file_bytes: 1024, ..EffectLimits::default() };
/// assert_eq!(limits.state_key_bytes, 256);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant for struct update syntax; a new limit is a minor release"
)]
pub struct EffectLimits {
    /// Bytes of a file that is read or written (4 MiB).
    pub file_bytes: u64,
    /// Names in a directory that is listed (10,000).
    pub directory_entries: usize,
    /// Bytes of a state key (256).
    pub state_key_bytes: usize,
    /// Bytes of a state value (1 MiB).
    pub state_value_bytes: usize,
    /// Bytes of one log line's text; the rest is cut (4 KiB).
    pub log_text_bytes: usize,
    /// Bytes of one plugin's log file, of which two are kept (1 MiB).
    pub log_file_bytes: u64,
    /// HTTP requests that one plugin has on the way at once (8).
    pub http_at_once: usize,
    /// Bytes of all headers of a request, and of an answer with its status line (32 KiB).
    pub http_header_bytes: usize,
    /// Headers of a request (64).
    pub http_headers: usize,
    /// Bytes of a request's body (4 MiB).
    pub http_request_bytes: usize,
    /// Bytes of an answer's body (4 MiB).
    pub http_response_bytes: usize,
    /// Time for a whole request, with lookups and redirects (30 s). A call that ends earlier
    /// does not wait for it, but the request counts among those at once until it ends.
    pub http_time: Duration,
}

impl Default for EffectLimits {
    fn default() -> Self {
        Self {
            file_bytes: 4 * 1024 * 1024,
            directory_entries: 10_000,
            state_key_bytes: 256,
            state_value_bytes: 1024 * 1024,
            log_text_bytes: 4 * 1024,
            log_file_bytes: 1024 * 1024,
            http_at_once: 8,
            http_header_bytes: 32 * 1024,
            http_headers: 64,
            http_request_bytes: 4 * 1024 * 1024,
            http_response_bytes: 4 * 1024 * 1024,
            http_time: Duration::from_secs(30),
        }
    }
}
