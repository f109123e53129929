//! Behaviour of: host.
