//! Servers that say whatever a test wants said, each a process of its own.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use keyway_mcp::McpServer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::own_server;

/// A folder with the words of one server.
pub(crate) struct Scripted {
    folder: TempDir,
    script: Value,
}

impl Scripted {
    /// Lists these tools.
    pub(crate) fn new(tools: &[Value]) -> Self {
        Self::raw(&json!(tools).to_string())
    }

    /// Lists what this text says.
    pub(crate) fn raw(tools: &str) -> Self {
        let script = json!({"results": {}, "calls": {}, "errors": {}, "words": {}});
        let made = Self {
            folder: tempfile::tempdir().unwrap(),
            script,
        };
        made.lists(tools);
        made.write("script.json", &made.script.to_string());
        made
    }

    /// Says this too: a `result` of a method, a tool's `calls` or `errors`, other `words`.
    pub(crate) fn says(mut self, part: &str, name: &str, value: Value) -> Self {
        self.script[part][name] = value;
        self.write("script.json", &self.script.to_string());
        self
    }

    /// Lists something else from now on.
    pub(crate) fn lists(&self, tools: &str) {
        self.write("tools.json", tools);
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = File::create(self.path().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server that says it.
    pub(crate) fn server(&self, id: &str) -> McpServer {
        own_server(id, "scripted.py", &[self.path().to_str().unwrap()])
    }
}

/// A tool as a server describes it.
pub(crate) fn tool(name: &str) -> Value {
    json!({"name": name, "description": "Does something.", "inputSchema": {"type": "object"}})
}

/// Puts a value into a copy of a document, at a JSON pointer; what is missing on the way is made.
pub(crate) fn with(document: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = document.clone();
    let mut at = &mut changed;
    for key in pointer.split('/').skip(1) {
        at = match (key.parse::<usize>(), at.is_array()) {
            (Ok(index), true) => &mut at[index],
            _ => &mut at[key],
        };
    }
    *at = value;
    changed
}
