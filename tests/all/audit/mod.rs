//! Behaviour of: audit.
