//! What several subjects need and nobody outside these tests does.

mod binaries;

pub(crate) use binaries::binary;
