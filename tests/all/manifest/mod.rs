//! Behaviour of: manifest.
