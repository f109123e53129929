//! Behaviour of: schema.
