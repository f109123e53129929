//! Behaviour of: the manifest and the capability algebra.

mod fixtures;
