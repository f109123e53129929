//! The channel's suite.
