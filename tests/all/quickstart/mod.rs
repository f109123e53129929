//! Behaviour of: quickstart.
