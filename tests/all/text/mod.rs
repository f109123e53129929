//! Behaviour of: text.

mod confusables;
mod descriptions;
mod inventory;
mod terminal;
