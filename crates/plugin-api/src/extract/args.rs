//! The one parameter that the model supplies.

use std::ops::Deref;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Arguments, CallCx, ConstNeed, FromCall, ToolError};

/// The arguments of the call, parsed into `T`.
///
/// A tool takes at most one. Its schema becomes the tool's input schema.
///
/// ```
/// use keyway_plugin_api::{Args, ToolInput, tool};
///
/// #[derive(ToolInput)]
/// struct SearchArgs {
///     /// Words to look for.
///     query: String,
///     /// How many hits at most.
///     limit: Option<u32>,
/// }
///
/// /// Searches the issues of one repository.
/// #[tool(effect = read)]
/// fn search_issues(Args(args): Args<SearchArgs>) -> String {
///     format!("{} ({})", args.query, args.limit.unwrap_or(10))
/// }
/// # let args = SearchArgs { query: "bug".into(), limit: None };
/// # assert_eq!(search_issues(Args(args)), "bug (10)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "authors take it apart in the parameter list"
)]
pub struct Args<T>(pub T);

impl<T> Deref for Args<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'c, T: ToolInput> FromCall<'c> for Args<T> {
    const NEED: ConstNeed = ConstNeed::Arguments;

    fn from_call(_: &'c CallCx, arguments: Arguments<'c>) -> Result<Self, ToolError> {
        arguments.parse().map(Self)
    }

    fn input_schema() -> Option<serde_json::Value> {
        Some(crate::describe::input_schema::<T>())
    }
}

/// A struct that a model can fill in: the arguments of a tool.
///
/// `#[derive(ToolInput)]` implements it together with serde's `Deserialize` and schemars'
/// `JsonSchema`, so that the schema and the parser agree: the object is closed (an unknown
/// property is refused by both), an array is not taken for a struct, and doc comments of fields
/// become descriptions.
///
/// Implement it by hand only for a type with its own `Deserialize` and `JsonSchema`; its schema
/// is checked when the plugin registers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a tool",
    label = "does not implement `ToolInput`",
    note = "put `#[derive(ToolInput)]` on a struct with named fields; wrap anything else in one"
)]
pub trait ToolInput: DeserializeOwned + JsonSchema + Send + 'static {}
