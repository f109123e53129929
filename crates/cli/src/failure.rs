//! Why a command failed: for people line by line, for programs as one object.

use std::fmt;

use keyway_effects::state::StateError;
use keyway_host::audit::AuditError;
use keyway_host::catalog::CatalogError;
use keyway_host::package::PackageError;
use keyway_host::text::printable;
use keyway_host::{BuildError, CallError, HostError};
use keyway_plugin_api::{ManifestError, NameError};
use serde::{Serialize, Serializer};

use crate::author::error::NewError;

/// Why a command failed, with what to do next.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    plugin: Option<String>,
    operation: Option<&'static str>,
    code: &'static str,
    message: String,
    details: Vec<String>,
    hints: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AsJson<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    code: &'static str,
    message: String,
    hints: &'a [String],
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = AsJson {
            success: false,
            plugin_id: self.0.plugin.as_deref(),
            operation: self.0.operation,
            code: self.0.code,
            message: self.full_message(),
            hints: &self.0.hints,
        };
        shape.serialize(serializer)
    }
}

/// Says what happened on one line, for a command that goes on.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0.message))?;
        for detail in &self.0.details {
            write!(f, "; {}", printable(detail))?;
        }
        Ok(())
    }
}

impl Failure {
    /// Makes a failure with a stable code.
    pub(crate) fn new(code: &'static str, message: impl fmt::Display) -> Self {
        Self(Box::new(Parts {
            plugin: None,
            operation: None,
            code,
            message: message.to_string(),
            details: Vec::new(),
            hints: Vec::new(),
        }))
    }

    /// Makes the failure of a value that cannot be written as JSON.
    pub(crate) fn not_json(error: &serde_json::Error) -> Self {
        Self::new(
            "NOT_JSON",
            format_args!("cannot write the result as JSON: {error}"),
        )
    }

    /// Adds a line to the message.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.details.push(detail.into());
        self
    }

    /// Adds a next step.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Says which operation failed.
    pub(crate) fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Says which operation failed, and on which plugin where the failure does not know better.
    pub(crate) fn of(mut self, operation: &'static str, plugin: String) -> Self {
        self.0.plugin.get_or_insert(plugin);
        self.during(operation)
    }

    /// Returns the plugin that the failure is about.
    pub(crate) fn plugin(&self) -> Option<&str> {
        self.0.plugin.as_deref()
    }

    /// Returns the stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// Returns what happened, without its details.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns what more there is to say, line by line.
    pub(crate) fn details(&self) -> &[String] {
        &self.0.details
    }

    /// Returns the next steps.
    pub(crate) fn hints(&self) -> &[String] {
        &self.0.hints
    }

    fn full_message(&self) -> String {
        let lines = [std::slice::from_ref(&self.0.message), &self.0.details].concat();
        lines.join("\n")
    }

    fn hinted(mut self, hints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.0.hints.extend(hints.into_iter().map(Into::into));
        self
    }

    fn manifest(subject: impl fmt::Display, error: &ManifestError) -> Self {
        let mut failure = Self::new(error.code(), format_args!("{subject} is invalid"));
        failure
            .0
            .details
            .extend(error.problems().iter().map(ToString::to_string));
        failure
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let mut failure = Self::new(error.code(), &error).hinted(error.hints());
        failure.0.plugin = error.plugin_id().map(ToString::to_string);
        failure
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        let failure = match &error {
            PackageError::Manifest { path, source } => Self::manifest(path.display(), source),
            _ => Self::new(error.code(), &error),
        };
        failure.hinted(error.hints())
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Catalog(error) => error.into(),
            HostError::Package(error) => error.into(),
            error => Self::new(error.code(), &error).hinted(error.hints()),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::new(error.code(), &error).hinted(error.hints())
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let command = error.denial().and_then(|denial| denial.command.clone());
        Self::new(error.code(), &error).hinted(command)
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(error.code(), &error).hinted(error.hints())
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self::new(error.code(), &error).hinted(error.hint())
    }
}

impl From<NewError> for Failure {
    fn from(error: NewError) -> Self {
        Self::new(error.code(), &error).hinted(error.hints())
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::new(error.code(), &error)
    }
}
