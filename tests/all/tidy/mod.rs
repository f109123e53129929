//! Behaviour of: tidy.
