//! Behaviour of: cli.
