//! What a tool function may return.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Content, Denial, ErrorCase, ToolError, ToolOutput};

/// A type that a tool function can return.
///
/// `()` says nothing, text is text, [`Json`] is a structured value whose schema becomes the
/// tool's output schema, `Vec<Content>` mixes parts; `Result<O, E>` adds failure, where `E`
/// publishes its cases through [`ToolErrorCases`].
#[diagnostic::on_unimplemented(
    message = "a tool function cannot return `{Self}`",
    label = "not a tool output",
    note = "a tool returns `()`, `String`, `&'static str`, `Json<T>`, `Vec<Content>`, \
            `ToolOutput`, or a `Result` of one of these",
    note = "wrap a structured value: `Json<ThatType>`, where the type is `Serialize` and \
            `JsonSchema`"
)]
pub trait IntoOutput {
    /// Turns the value into the call's outcome.
    ///
    /// # Errors
    /// The tool's own failure, or `Internal` when the value cannot be JSON.
    fn into_output(self) -> Result<ToolOutput, ToolError>;

    /// Returns the raw schema of a structured value.
    #[doc(hidden)]
    #[must_use]
    fn output_schema() -> Option<serde_json::Value> {
        None
    }

    /// Returns how the tool can fail.
    #[doc(hidden)]
    #[must_use]
    fn error_cases() -> Vec<ErrorCase> {
        Vec::new()
    }
}

impl IntoOutput for () {
    fn into_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::Empty)
    }
}

impl IntoOutput for String {
    fn into_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::Text(self))
    }
}

impl IntoOutput for &str {
    fn into_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(self))
    }
}

impl IntoOutput for Vec<Content> {
    fn into_output(self) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::Content(self))
    }
}

impl IntoOutput for ToolOutput {
    fn into_output(self) -> Result<ToolOutput, ToolError> {
        Ok(self)
    }
}

impl<O: IntoOutput, E: ToolErrorCases> IntoOutput for Result<O, E> {
    fn into_output(self) -> Result<ToolOutput, ToolError> {
        match self {
            Ok(output) => output.into_output(),
            Err(error) => Err(error.into()),
        }
    }

    fn output_schema() -> Option<serde_json::Value> {
        O::output_schema()
    }

    fn error_cases() -> Vec<ErrorCase> {
        E::cases()
    }
}

/// A structured result: `T` as JSON, with `T`'s schema as the tool's output schema.
///
/// ```
/// use keyway_plugin_api::{Json, Tool, ToolValue, tool};
///
/// #[derive(ToolValue)]
/// struct Sum {
///     /// The sum.
///     total: i64,
/// }
///
/// /// Adds up a fixed list.
/// #[tool(effect = read)]
/// fn add_up() -> Json<Sum> {
///     Json(Sum { total: 42 })
/// }
/// assert!(AddUp.descriptor().output_schema.is_some());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "authors build it by hand")]
pub struct Json<T>(pub T);

impl<T: Serialize + JsonSchema> IntoOutput for Json<T> {
    fn into_output(self) -> Result<ToolOutput, ToolError> {
        ToolOutput::json(&self.0)
    }

    fn output_schema() -> Option<serde_json::Value> {
        Some(crate::describe::output_schema::<T>())
    }
}

/// An error of a tool that says in advance how it can fail.
///
/// `#[derive(ToolErrorCases)]` on an enum publishes one case per variant and converts each into
/// a [`ToolError`] that names its case. An error type with nothing to publish implements the
/// trait with an empty body.
///
/// ```
/// use keyway_plugin_api::{ToolError, ToolErrorCases};
///
/// /// What can go wrong with a note.
/// #[derive(Debug, thiserror::Error, ToolErrorCases)]
/// enum NoteError {
///     /// No note has this name.
///     #[error("there is no note `{0}`")]
///     #[case(kind = not_found)]
///     NoSuchNote(String),
///     /// The host refused or failed.
///     #[error(transparent)]
///     #[case(transparent)]
///     Host(#[from] ToolError),
/// }
///
/// let error = ToolError::from(NoteError::NoSuchNote("todo".into()));
/// assert_eq!(error.case.as_deref(), Some("no_such_note"));
/// assert_eq!(error.code(), "NOT_FOUND");
/// assert_eq!(NoteError::cases().len(), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "a tool cannot fail with `{Self}`",
    label = "does not implement `ToolErrorCases`",
    note = "put `#[derive(ToolErrorCases)]` on the error enum, or return `ToolError`"
)]
pub trait ToolErrorCases: Into<ToolError> {
    /// Returns the published cases, in the order of the variants.
    #[must_use]
    fn cases() -> Vec<ErrorCase> {
        Vec::new()
    }
}

impl ToolErrorCases for ToolError {}

impl ToolErrorCases for Denial {}
