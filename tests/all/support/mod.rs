//! What several subjects need and nobody outside these tests does.

mod binaries;

pub(crate) use binaries::binary;

/// The catalog file that source 002 prints as its example, without a newline at its end.
pub(crate) const SOURCE_002_EXAMPLE: &str =
    include_str!("../../fixtures/catalogs/source-002.json").trim_ascii_end();
