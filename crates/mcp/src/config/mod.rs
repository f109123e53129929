//! What an operator says about a server: where it is, what it is started with, how far its hints
//! are believed.
//!
//! A configuration becomes a manifest ([`McpServer::manifest`]), so all of it is in what an operator
//! sees and approves, and a changed word of it is a changed plugin. Nothing here starts or reaches
//! anything.

mod address;
mod error;
mod file;
mod launch;
mod manifest;
mod package;
mod pin;
mod place;

use std::collections::{BTreeMap, BTreeSet};

use keyway_plugin_api::{Effect, PluginId};

pub(crate) use address::check as check_address;
pub use error::ConfigError;
pub use file::{ServerFile, read_servers};
pub use launch::StdioServer;
pub(crate) use package::changed_file;
pub use package::read_package;
pub use pin::Pinning;
pub(crate) use place::fill;

/// One MCP server, as an operator configures it.
///
/// ```
/// use keyway_mcp::McpServer;
/// use keyway_plugin_api::Effect;
///
/// let files = McpServer::stdio("files", "npx", ["-y", "@modelcontextprotocol/server-filesystem@2026.8.31", "./docs"])?
///     .with_effect("read_text_file", Effect::Read)
///     .with_env("HOME", "${env:HOME}")?;
/// assert!(files.pinning().is_pinned());
/// assert!(files.manifest().contains("npx"));
/// # Ok::<(), keyway_mcp::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct McpServer {
    pub(crate) id: PluginId,
    pub(crate) place: Place,
    pub(crate) hints_are_trusted: bool,
    pub(crate) effects: BTreeMap<String, Effect>,
    pub(crate) only: Option<BTreeSet<String>>,
    pub(crate) read: BTreeSet<String>,
    pub(crate) write: BTreeSet<String>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Http(HttpServer),
    Stdio(StdioServer),
}

/// A server that is reached over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpServer {
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl McpServer {
    /// Makes the configuration of a server that is started as a child process.
    ///
    /// The command is one word: an absolute path, `./` and a path inside the package, or the name
    /// of a program that is looked for in the runtime's search path. No shell reads any of it.
    ///
    /// # Errors
    /// [`ConfigError`] for a name, a command or arguments that are refused.
    pub fn stdio<A: Into<String>>(
        id: &str,
        command: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self, ConfigError> {
        let args = args.into_iter().map(Into::into).collect();
        let server = StdioServer::checked(command.to_owned(), args)?;
        Self::at(id, Place::Stdio(server))
    }

    /// Makes the configuration of a server that is reached over Streamable HTTP: `https`, or `http`
    /// on this machine.
    ///
    /// # Errors
    /// [`ConfigError`] for a name or an address that is refused.
    pub fn http(id: &str, url: &str) -> Result<Self, ConfigError> {
        address::check(url)?;
        let server = HttpServer {
            url: url.to_owned(),
            headers: BTreeMap::new(),
        };
        Self::at(id, Place::Http(server))
    }

    fn at(id: &str, place: Place) -> Result<Self, ConfigError> {
        Ok(Self::new(PluginId::parse(id)?, place))
    }

    /// Makes the configuration of a service inside this process, which nobody starts or reaches.
    #[cfg(feature = "rmcp-adapter")]
    pub(crate) fn linked(id: &'static str) -> Self {
        let nothing = StdioServer {
            command: String::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            folder: None,
            files: BTreeMap::new(),
        };
        Self::new(PluginId::from_static(id), Place::Stdio(nothing)).with_trusted_hints()
    }

    fn new(id: PluginId, place: Place) -> Self {
        Self {
            id,
            place,
            hints_are_trusted: false,
            effects: BTreeMap::new(),
            only: None,
            read: BTreeSet::new(),
            write: BTreeSet::new(),
        }
    }

    /// Sets an environment variable of the child process, which gets no others but `PATH`.
    ///
    /// `${env:NAME}` in the value stands for a variable of the host, `${secret:NAME}` for a secret
    /// that the operator granted; both are put in when the server starts.
    ///
    /// # Errors
    /// [`ConfigError::Environment`] for a name that steers programs, such as `LD_PRELOAD`, or that
    /// is no name, and for a server that is no child process.
    pub fn with_env(mut self, name: &str, value: &str) -> Result<Self, ConfigError> {
        match &mut self.place {
            Place::Stdio(server) => server.set_env(name, value)?,
            Place::Http(_) => {
                return Err(ConfigError::environment(
                    name,
                    "only a child process has one",
                ));
            }
        }
        Ok(self)
    }

    /// Sets the folder in which the child process runs; relative ones begin at the package.
    #[must_use]
    pub fn with_folder(mut self, folder: &str) -> Self {
        if let Place::Stdio(server) = &mut self.place {
            server.folder = Some(folder.to_owned());
        }
        self
    }

    /// Sets a header of every request; the places of [`McpServer::with_env`] can stand in it.
    ///
    /// # Errors
    /// [`ConfigError::Header`] for a name or value that is no header, for one that the protocol
    /// itself sets, and for a server that is no HTTP server.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, ConfigError> {
        match &mut self.place {
            Place::Http(server) => {
                address::check_header(name, value)?;
                server
                    .headers
                    .insert(name.to_ascii_lowercase(), value.to_owned());
            }
            Place::Stdio(_) => {
                return Err(ConfigError::header(name, "only an HTTP server has any"));
            }
        }
        Ok(self)
    }

    /// Says what a tool does, whatever its server says.
    #[must_use]
    pub fn with_effect(mut self, tool: &str, effect: Effect) -> Self {
        self.effects.insert(tool.to_owned(), effect);
        self
    }

    /// Believes the server's hints: a tool that says it only reads is taken to. Without this every
    /// tool counts as destructive, because anybody can write `readOnlyHint`.
    #[must_use]
    pub fn with_trusted_hints(mut self) -> Self {
        self.hints_are_trusted = true;
        self
    }

    /// Asks for files and folders that the server's program may read; absolute paths. Only a launcher
    /// that confines holds a program to them.
    #[must_use]
    pub fn with_read(mut self, path: &str) -> Self {
        self.read.insert(path.to_owned());
        self
    }

    /// Asks for folders that the server's program may write; absolute paths.
    #[must_use]
    pub fn with_write(mut self, folder: &str) -> Self {
        self.write.insert(folder.to_owned());
        self
    }

    /// Takes these tools of the server and no others.
    #[must_use]
    pub fn with_only<T: Into<String>>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
        self.only = Some(tools.into_iter().map(Into::into).collect());
        self
    }

    /// Returns the plugin's id, which is the server's name here.
    #[must_use]
    pub fn id(&self) -> &PluginId {
        &self.id
    }

    /// Tells whether what would run is one certain version.
    #[must_use]
    pub fn pinning(&self) -> Pinning {
        match &self.place {
            Place::Stdio(server) => pin::of(server),
            Place::Http(_) => Pinning::Unpinned {
                why: "a remote server changes when its operator changes it".to_owned(),
            },
        }
    }
}
