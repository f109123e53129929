//! Behaviour of: authoring. What `#[tool]` and the derives make of a function and its types.

mod agreement;
