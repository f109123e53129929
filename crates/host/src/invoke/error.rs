//! How a call can end, in words for a model, an operator and a program.

use keyway_plugin_api::{Denial, DenialReason, PluginId, ToolError, ToolErrorKind, ToolOutput};

use crate::approval::ApprovalRequest;
use crate::audit::AuditError;
use crate::catalog::{CallQuestion, CatalogError};
use crate::hooks::HookBlocked;
use crate::registry::ToolEntry;
use crate::schema::{ArgumentProblem, ArgumentProblems, SchemaError};

/// What became of a call that was not refused.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// The tool ran.
    Done(ToolOutput),
    /// An operator decides; the request can be stored and decided after a restart.
    NeedsApproval(Box<ApprovalRequest>),
}

impl Outcome {
    /// Returns the output, where the tool ran.
    #[must_use]
    pub fn output(&self) -> Option<&ToolOutput> {
        match self {
            Self::Done(output) => Some(output),
            Self::NeedsApproval(_) => None,
        }
    }
}

/// Says why a call gave no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The trail cannot be written, and this call may not happen unrecorded.
    #[error("{tool} was not run: {why}")]
    AuditUnavailable {
        /// The tool.
        tool: String,
        /// What is wrong with the trail.
        why: String,
    },
    /// The arguments are wrong; the same call will fail again.
    #[error("{problems}; do not repeat the call unchanged")]
    BadArguments {
        /// Every problem found.
        problems: String,
    },
    /// A gate hook stopped the call.
    #[error(transparent)]
    Blocked(#[from] HookBlocked),
    /// The gate refused.
    #[error("{0}")]
    Denied(Box<Denial>),
    /// The tool failed.
    #[error("{0}")]
    Failed(ToolError),
    /// The result does not keep to the tool's own output schema.
    #[error("the tool broke its output schema: {problem}")]
    OutputInvalid {
        /// What does not fit.
        problem: String,
    },
    /// The result is too large.
    #[error("the result has {bytes} bytes, {limit} are allowed")]
    OutputTooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Too many calls of one plugin are in flight.
    #[error("{plugin} has {limit} calls in flight already; try again later")]
    Overloaded {
        /// The plugin.
        plugin: PluginId,
        /// The limit.
        limit: usize,
    },
    /// The tool panicked.
    #[error("the tool panicked: {message}")]
    Panicked {
        /// The panic's text.
        message: String,
    },
    /// The call took longer than it was given.
    #[error("the call took longer than {limit_ms} ms")]
    TimedOut {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// No such tool for this caller.
    #[error("there is no tool `{name}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownTool {
        /// The name as the caller wrote it, cut and escaped.
        name: String,
        /// The nearest name that this caller may use.
        nearest: Option<String>,
    },
}

impl CallError {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AuditUnavailable { .. } => "AUDIT_UNAVAILABLE",
            Self::BadArguments { .. } => "INVALID_ARGUMENTS",
            Self::Blocked(blocked) => blocked.code(),
            Self::Denied(denial) => denial.code(),
            Self::Failed(error) => error.code(),
            Self::OutputInvalid { .. } => "OUTPUT_INVALID",
            Self::OutputTooLarge { .. } => "OUTPUT_TOO_LARGE",
            Self::Overloaded { .. } => "OVERLOADED",
            Self::Panicked { .. } => "TOOL_PANICKED",
            Self::TimedOut { .. } => "DEADLINE_EXCEEDED",
            Self::UnknownTool { .. } => "UNKNOWN_TOOL",
        }
    }

    /// Tells whether trying the same call again can help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::AuditUnavailable { .. } | Self::Overloaded { .. } | Self::TimedOut { .. } => true,
            Self::Failed(error) => error.kind.is_retryable(),
            _ => false,
        }
    }

    /// Returns the gate's no, where that is what stopped the call or something inside it.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Self::Denied(denial) => Some(denial),
            Self::Failed(error) => error.denial.as_deref(),
            _ => None,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the shape that map_err wants"
    )]
    pub(super) fn malformed(problem: ArgumentProblem) -> Self {
        Self::BadArguments {
            problems: problem.to_string(),
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the shape that map_err wants"
    )]
    pub(super) fn bad_arguments(problems: ArgumentProblems) -> Self {
        Self::BadArguments {
            problems: problems.to_string(),
        }
    }

    pub(super) fn refused_arguments(parser_says: String) -> Self {
        Self::BadArguments {
            problems: parser_says,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the shape that map_err wants"
    )]
    pub(crate) fn not_json(error: serde_json::Error) -> Self {
        Self::BadArguments {
            problems: format!("not JSON: {error}"),
        }
    }

    pub(super) fn no_validator(tool: &str, error: &SchemaError) -> Self {
        Self::Failed(ToolError::internal(format!(
            "the schema of {tool} is unusable: {error}"
        )))
    }

    pub(crate) fn refused_by_operator(tool: &ToolEntry, reason: &str) -> Self {
        let asked = format!("a call of {} (the operator says: {reason})", tool.name());
        Self::Denied(Box::new(Denial::new(
            DenialReason::Forbidden,
            tool.name(),
            asked,
        )))
    }

    pub(crate) fn not_kept(question: &CallQuestion, why: &CatalogError) -> Self {
        let tool = &question.tool;
        Self::Failed(ToolError::new(
            ToolErrorKind::Unavailable,
            format!("{tool} waits for an operator, and the question could not be kept: {why}"),
        ))
    }

    pub(super) fn unrecorded(tool: &str, error: &AuditError) -> Self {
        Self::AuditUnavailable {
            tool: tool.to_owned(),
            why: error.to_string(),
        }
    }
}
