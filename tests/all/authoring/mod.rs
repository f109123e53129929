//! Behaviour of: authoring.
