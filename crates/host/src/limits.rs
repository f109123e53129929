//! The sizes, counts and times beyond which the host refuses, in one place.

use std::time::Duration;

/// Limits on what plugins, packages and callers may bring. All have safe defaults.
///
/// ```
/// use keyway_host::limits::Limits;
/// let limits = Limits { tools_per_plugin: 32, ..Limits::default() };
/// assert_eq!(limits.manifest_bytes, 64 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "meant for struct update syntax; a new limit is a minor release"
)]
pub struct Limits {
    /// Bytes of a manifest (64 KiB).
    pub manifest_bytes: usize,
    /// Nesting of any JSON document (64).
    pub json_depth: usize,
    /// Bytes of the catalog file (32 MiB).
    pub catalog_bytes: u64,
    /// Tools of one plugin (256).
    pub tools_per_plugin: usize,
    /// Bytes of a tool's description (4,096).
    pub description_bytes: usize,
    /// Bytes of one schema (32 KiB).
    pub schema_bytes: usize,
    /// Subschemas in one schema (1,000).
    pub subschemas: usize,
    /// Cost of a schema after references are followed (20,000).
    pub schema_cost: u64,
    /// Bytes of one pattern in a schema (512).
    pub pattern_bytes: usize,
    /// Bytes of a call's arguments (1 MiB).
    pub arguments_bytes: usize,
    /// Bytes of a call's result (4 MiB).
    pub output_bytes: usize,
    /// Calls of one plugin in flight (32).
    pub calls_in_flight: usize,
    /// Depth of tools calling tools (8).
    pub call_depth: usize,
    /// Time for one call (60 s).
    pub call: Duration,
    /// Time for one hook (5 s).
    pub hook: Duration,
    /// Time for a plugin's `register` and `start` (10 s).
    pub start: Duration,
    /// Time for a plugin's `stop` (5 s).
    pub stop: Duration,
    /// Time after a new version took over in which two failures take it back (60 s).
    pub probation: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 64 * 1024,
            json_depth: 64,
            catalog_bytes: 32 * 1024 * 1024,
            tools_per_plugin: 256,
            description_bytes: 4096,
            schema_bytes: 32 * 1024,
            subschemas: 1000,
            schema_cost: 20_000,
            pattern_bytes: 512,
            arguments_bytes: 1024 * 1024,
            output_bytes: 4 * 1024 * 1024,
            calls_in_flight: 32,
            call_depth: 8,
            call: Duration::from_secs(60),
            hook: Duration::from_secs(5),
            start: Duration::from_secs(10),
            stop: Duration::from_secs(5),
            probation: Duration::from_secs(60),
        }
    }
}
