//! Behaviour of: effects.
