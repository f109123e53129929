//! Behaviour of: authoring. What `#[tool]` and the derives make of a function and its types.

mod agreement;
mod any_json;
mod calls;
mod descriptors;
mod harness;
mod hygiene;
mod normalise;
mod ui;
