//! What can be wrong with a manifest, as data with a path to each spot.

use std::fmt;

/// A problem is one thing that makes a manifest invalid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// Where, for example `extensions["dev.keyway"].capabilities[2].kind`; `$` is the document.
    pub path: String,
    /// The stable code of this kind of problem.
    pub code: &'static str,
    /// What is wrong; text from the manifest is escaped and cut.
    pub message: String,
    /// What to write instead, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// Makes a problem without a hint, for checks that go beyond the manifest's text.
    #[must_use]
    pub fn new(path: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// A notice is something odd that does not stop a manifest from being read.
///
/// It has the parts of a [`Problem`]; a strict check counts it as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Notice(Problem);

impl Notice {
    pub(super) fn new(what: Problem) -> Self {
        Self(what)
    }

    /// Returns where, in the form of [`Problem::path`].
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns the stable code of this kind of notice.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Returns what is odd.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns what to write instead, where that can be said.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Notice> for Problem {
    fn from(notice: Notice) -> Self {
        notice.0
    }
}

/// Says everything that is wrong with a manifest at once; the author can fix it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    problems: Vec<Problem>,
}

impl ManifestError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Returns every problem, in the order of the manifest's reference.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "MANIFEST_INVALID"
    }

    /// Returns the next steps: what the problems say to write instead.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        let hints = self.problems.iter().filter_map(|p| p.hint.clone());
        hints.collect()
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the manifest is invalid")?;
        for (i, problem) in self.problems.iter().enumerate() {
            let mark = if i == 0 { ": " } else { "; " };
            write!(f, "{mark}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}
