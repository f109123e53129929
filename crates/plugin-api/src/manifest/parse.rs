//! From bytes to a checked manifest, with every problem found on the way.

use serde_json::{Map, Value};

use super::error::{ManifestError, Notice, Problem};
use super::report::{At, Report};
use super::{extension, json, standard};
use crate::Manifest;

impl Manifest {
    /// Reads a `plugin.json` of Agent Plugins 1.0.0, with keyway's part under
    /// `extensions["dev.keyway"]`.
    ///
    /// Lenient where the standard is: an unknown field is a [`Notice`] and stays in
    /// [`Manifest::source`]. Everything else that is wrong is refused, all at once. Never
    /// panics, never does I/O, reads at most 64 KiB and a depth of 64.
    ///
    /// ```
    /// use keyway_plugin_api::Manifest;
    /// let (manifest, notices) = Manifest::parse(br#"{
    ///     "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
    ///     "name": "notes", "version": "1.2.0", "tier": "gold" }"#)?;
    /// assert_eq!(manifest.name().as_str(), "notes");
    /// assert_eq!(notices[0].to_string(), "tier: unknown field `tier` (the fields are $schema, \
    ///     name, version, description, author, homepage, repository, license, keywords, extensions)");
    /// # Ok::<(), keyway_plugin_api::ManifestError>(())
    /// ```
    ///
    /// # Errors
    /// [`ManifestError`] with every problem, in a stable order.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<Notice>), ManifestError> {
        let mut report = Report::default();
        let manifest = json::read(bytes, &mut report)
            .and_then(|source| read_document(source, Dialect::AgentPlugins, &mut report));
        finish(manifest, report)
    }

    /// Reads a manifest the way its author should: every notice is a problem.
    ///
    /// # Errors
    /// [`ManifestError`] with every problem, then every notice.
    pub fn parse_strict(bytes: &[u8]) -> Result<Self, ManifestError> {
        let (manifest, notices) = Self::parse(bytes)?;
        match notices.is_empty() {
            true => Ok(manifest),
            false => Err(ManifestError::new(
                notices.into_iter().map(Problem::from).collect(),
            )),
        }
    }

    /// Reads a `.claude-plugin/plugin.json`: no `$schema`, the version may be missing, the
    /// author may be a string. Such a package asks keyway for nothing and gets nothing.
    ///
    /// # Errors
    /// [`ManifestError`] with every problem, in a stable order.
    pub fn parse_claude(bytes: &[u8]) -> Result<(Self, Vec<Notice>), ManifestError> {
        let mut report = Report::default();
        let manifest = json::read(bytes, &mut report)
            .and_then(|source| read_document(source, Dialect::Claude, &mut report));
        finish(manifest, report)
    }
}

/// Whose rules a document follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    AgentPlugins,
    Claude,
}

fn finish(
    manifest: Option<Manifest>,
    report: Report,
) -> Result<(Manifest, Vec<Notice>), ManifestError> {
    let notices = report.finish()?;
    match manifest {
        Some(manifest) => Ok((manifest, notices)),
        None => Err(ManifestError::new(vec![Problem::new(
            At::Root.to_string(),
            "INTERNAL",
            "bug in keyway: a manifest was refused without a reason",
        )])),
    }
}

/// Reads the whole document. `None` only when something is missing that was reported.
fn read_document(source: Value, dialect: Dialect, report: &mut Report) -> Option<Manifest> {
    let root = report.object(At::Root, &source)?;
    let extension = standard::extension(root, dialect);
    let identity = standard::read(root, dialect, extension.is_some(), report);
    let ours = match extension {
        Some(fields) => extension::read(fields, identity.name.as_ref(), report),
        None => extension::Extension::default(),
    };
    standard::unknown_fields(root, dialect, report);
    Some(Manifest {
        name: identity.name?,
        version: identity.version?,
        description: root
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned),
        api: ours.api,
        slot: ours.slot,
        dependencies: ours.dependencies,
        risk: ours.risk,
        runtime: ours.runtime,
        capabilities: ours.capabilities,
        contributes: ours.contributes,
        state: ours.state,
        settings: ours.settings,
        activation: ours.activation,
        source,
    })
}

/// An object of the document.
pub(super) type Fields = Map<String, Value>;
