//! Behaviour of: quickstart.

mod program;
