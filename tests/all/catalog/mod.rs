//! Behaviour of: catalog.
