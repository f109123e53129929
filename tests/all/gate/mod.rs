//! Behaviour of: gate.
