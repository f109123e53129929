//! Decides whether a schema is safe to use and whether arguments keep to it.
//!
//! A plugin's schema is hostile until [`guard`] has passed it: the guard takes time proportional
//! to the schema's size, follows no reference out of the document and refuses everything that
//! could make a validator slow, deep or curious. Only then is it compiled, into a [`Validator`]
//! whose answers a model can act on. [`check_text`] and [`parse`] stand before the validator and
//! turn JSON text into a value. [`ValidatorCache`] shares compiled validators between tools.
//!
//! Nothing here reads a file, opens a connection or looks at a clock.
//!
//! | refused | limit |
//! |---|---|
//! | size, nesting | [`Limits::schema_bytes`], [`Limits::json_depth`] |
//! | number of subschemas | [`Limits::subschemas`] |
//! | work at one place of the arguments | [`Limits::schema_cost`] |
//! | patterns | [`Limits::pattern_bytes`] each, [`PATTERNS_MAX`] in all, linear-time engine only |
//! | subschemas applied to one place, one inside the other | [`CHAIN_MAX`] |
//! | references that leave the document, lead nowhere or come back to the same place | always |
//!
//! [`Limits::schema_bytes`]: crate::limits::Limits::schema_bytes
//! [`Limits::json_depth`]: crate::limits::Limits::json_depth
//! [`Limits::subschemas`]: crate::limits::Limits::subschemas
//! [`Limits::schema_cost`]: crate::limits::Limits::schema_cost
//! [`Limits::pattern_bytes`]: crate::limits::Limits::pattern_bytes

mod cache;
mod error;
mod graph;
mod guard;
mod problem;
mod text;
mod validator;
mod work;

pub use cache::{LazyValidator, ValidatorCache};
pub use error::SchemaError;
pub use guard::{CHAIN_MAX, Inspection, PATTERNS_MAX, guard, guard_input, inspect};
pub use problem::{ArgumentProblem, ArgumentProblems, PROBLEMS_MAX};
pub use text::{check_text, parse};
pub use validator::Validator;
