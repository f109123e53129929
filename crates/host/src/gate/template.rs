//! Header values with places for secrets in them.

use keyway_plugin_api::is_reserved_env;

const BEGIN: &str = "${secret:";

/// A header's value in which `${secret:NAME}` stands for a granted secret.
///
/// Read by the gate, to see which secrets a request needs, and by the performer, to put them in:
/// both see the same names.
///
/// ```
/// use keyway_host::gate::{HeaderTemplate, TemplatePart};
/// let template = HeaderTemplate::parse("Bearer ${secret:GITHUB_TOKEN}")?;
/// assert_eq!(template.secrets().collect::<Vec<_>>(), ["GITHUB_TOKEN"]);
/// assert_eq!(template.parts()[0], TemplatePart::Text("Bearer "));
/// assert!(HeaderTemplate::parse("${secret:GITHUB_TOKEN").is_err());
/// # Ok::<(), keyway_host::gate::TemplateError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderTemplate<'a>(Vec<TemplatePart<'a>>);

/// One part of a [`HeaderTemplate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever fills a template handles every part"
)]
pub enum TemplatePart<'a> {
    /// The value of the secret of this name.
    Secret(&'a str),
    /// Text that stays as it is.
    Text(&'a str),
}

/// Says why a header's value is no template. It does not repeat the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header whose `${{secret:NAME}}` is not closed, or names what can be no secret")]
#[non_exhaustive]
pub struct TemplateError;

impl TemplateError {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "BAD_SECRET_TEMPLATE"
    }
}

impl<'a> HeaderTemplate<'a> {
    /// Parses a header's value.
    ///
    /// # Errors
    /// [`TemplateError`] for a place that is not closed, and for a name that can be no secret.
    pub fn parse(value: &'a str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = value;
        while let Some((text, after)) = rest.split_once(BEGIN) {
            let (name, after) = after.split_once('}').ok_or(TemplateError)?;
            if !is_secret_name(name) {
                return Err(TemplateError);
            }
            parts.push(TemplatePart::Text(text));
            parts.push(TemplatePart::Secret(name));
            rest = after;
        }
        parts.push(TemplatePart::Text(rest));
        Ok(Self(parts))
    }

    /// Returns the parts in order.
    #[must_use]
    pub fn parts(&self) -> &[TemplatePart<'a>] {
        &self.0
    }

    /// Returns the names of the secrets in order; one can come up twice.
    pub fn secrets(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Secret(name) => Some(*name),
            TemplatePart::Text(_) => None,
        })
    }
}

fn is_secret_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first_ok = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    first_ok && name.len() <= 128 && name.bytes().all(allowed) && !is_reserved_env(name)
}
