//! The suite of `keyway-serve`.
