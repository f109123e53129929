//! The manifest that a configuration amounts to, and back.

use std::collections::{BTreeMap, BTreeSet};

use keyway_host::digest::Digest;
use keyway_plugin_api::{Capability, Effect, Manifest, RuntimeKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::launch::{is_secret_place, program_name};
use super::place::names_in;
use super::{ConfigError, HttpServer, McpServer, Place, StdioServer, address};

const STANDARD: &str = "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json";

/// Where the rest of a configuration stands, beside keyway's own extension.
const EXTRA: &str = "dev.keyway.mcp";

/// What stands in the manifest beside the runtime.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extra {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    trusted_hints: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    effects: BTreeMap<String, Effect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    only: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unpinned: Option<String>,
}

impl McpServer {
    /// Returns the manifest that stands for this configuration: what an operator approves, and what
    /// the runtime starts. Two equal configurations give the same text.
    #[must_use]
    pub fn manifest(&self) -> String {
        let mut extra = Extra {
            trusted_hints: self.hints_are_trusted,
            effects: self.effects.clone(),
            only: self.only.clone(),
            ..Extra::default()
        };
        if let super::Pinning::Unpinned { why } = self.pinning() {
            extra.unpinned = Some(why);
        }
        let (runtime, first) = match &self.place {
            Place::Stdio(server) => {
                extra.env.clone_from(&server.env);
                extra.folder.clone_from(&server.folder);
                extra.files.clone_from(&server.files);
                let runtime =
                    json!({"kind": "mcp", "command": server.command, "args": server.args});
                let program = program_of(&server.command);
                (
                    runtime,
                    json!({"kind": "process", "programs": [program], "reason": "is this program"}),
                )
            }
            Place::Http(server) => {
                extra.headers.clone_from(&server.headers);
                let host = address::host_of(&server.url);
                let runtime = json!({"kind": "mcp", "url": server.url});
                (
                    runtime,
                    json!({"kind": "network", "hosts": [host], "reason": "is this server"}),
                )
            }
        };
        let mut capabilities = vec![first];
        if !self.read.is_empty() || !self.write.is_empty() {
            capabilities.push(
                json!({"kind": "filesystem", "read": self.read, "write": self.write,
                "reason": "the server works with them"}),
            );
        }
        let secrets = self.secrets();
        if !secrets.is_empty() {
            capabilities.push(
                json!({"kind": "secret", "names": secrets, "reason": "the server is given them"}),
            );
        }
        let document = json!({
            "$schema": STANDARD,
            "name": self.id.as_str(),
            "version": "0.0.0",
            "description": "An MCP server.",
            "extensions": { "dev.keyway": {
                "schemaVersion": 1,
                "api": format!(">={0}, <{1}", api().0, api().1),
                "runtime": runtime,
                "capabilities": capabilities,
                "activation": { "env": secrets },
            }, EXTRA: extra },
        });
        format!("{document:#}")
    }

    fn secrets(&self) -> BTreeSet<&str> {
        let texts: Vec<&String> = match &self.place {
            Place::Stdio(server) => server.env.values().chain(&server.args).collect(),
            Place::Http(server) => server.headers.values().collect(),
        };
        let names = texts.into_iter().flat_map(|text| names_in(text));
        names.filter_map(is_secret_place).collect()
    }

    /// Reads the configuration back from an approved manifest; checks it all again.
    ///
    /// # Errors
    /// [`ConfigError`] with what is wrong; [`ConfigError::Shape`] for a manifest of another kind.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self, ConfigError> {
        let shape = |problem: &str| ConfigError::shape("/extensions/dev.keyway/runtime", problem);
        let runtime = manifest.runtime().filter(|r| r.kind == RuntimeKind::Mcp);
        let runtime = runtime.ok_or_else(|| shape("it is of another kind than `mcp`"))?;
        let extra = extra_of(manifest)?;
        let name = manifest.name().as_str();
        let mut server = match (&runtime.command, &runtime.url) {
            (Some(command), None) => Self::stdio(name, command, runtime.args.iter().cloned())?,
            (None, Some(url)) => Self::http(name, url)?,
            _ => return Err(shape("it has neither a command nor an address, or both")),
        };
        for (name, value) in &extra.env {
            server = server.with_env(name, value)?;
        }
        for (name, value) in &extra.headers {
            server = server.with_header(name, value)?;
        }
        if let Some(folder) = &extra.folder {
            server = server.with_folder(folder);
        }
        if let Place::Stdio(stdio) = &mut server.place {
            stdio.files = extra.files;
        }
        server.hints_are_trusted = extra.trusted_hints;
        server.effects = extra.effects;
        server.only = extra.only;
        for request in manifest.capabilities() {
            if let Capability::Filesystem { read, write } = &request.capability {
                server.read.extend(read.iter().cloned());
                server.write.extend(write.iter().cloned());
            }
        }
        Ok(server)
    }
}

fn extra_of(manifest: &Manifest) -> Result<Extra, ConfigError> {
    let at = "/extensions/dev.keyway.mcp";
    let extra = manifest.source().pointer(at);
    let extra: Option<Extra> = extra
        .map(Extra::deserialize)
        .transpose()
        .map_err(|e| ConfigError::shape(at, e.to_string()))?;
    Ok(extra.unwrap_or_default())
}

/// The program as the capability names it: bare, and with what no program name may hold left out.
fn program_of(command: &str) -> String {
    let name = program_name(command);
    let kept = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c));
    kept.collect()
}

/// The versions of the plugin API between which this manifest stands.
fn api() -> (String, String) {
    let now = keyway_plugin_api::plugin_api_version();
    let next = match now.major {
        0 => format!("0.{}", now.minor + 1),
        major => format!("{}", major + 1),
    };
    (format!("{}.{}", now.major, now.minor), next)
}

impl StdioServer {
    /// Returns the exact command line, for people.
    #[must_use]
    pub fn command_line(&self) -> Vec<&str> {
        let args = self.args.iter().map(String::as_str);
        std::iter::once(self.command.as_str()).chain(args).collect()
    }
}

impl HttpServer {
    /// Returns where the server is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Serialize for McpServer {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_str(&self.manifest()).unwrap_or_default();
        value.serialize(s)
    }
}
