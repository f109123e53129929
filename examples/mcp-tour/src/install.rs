//! Installs the servers: exact versions, no install scripts.

use std::path::{Path, PathBuf};

use crate::Done;
use crate::table::say;

const VERSION: &str = "2026.8.31";
const SERVERS: [&str; 3] = ["everything", "filesystem", "memory"];

/// What was installed, and where.
pub(crate) struct Installed {
    modules: PathBuf,
    /// A folder for the servers to work in.
    pub(crate) files: PathBuf,
    /// Where programs are looked for.
    pub(crate) search: Vec<PathBuf>,
    /// The server that misbehaves.
    pub(crate) shady: String,
}

impl Installed {
    pub(crate) async fn below(folder: &Path) -> Done<Self> {
        std::fs::create_dir_all(folder.join("files"))?;
        let folder = std::fs::canonicalize(folder)?;
        let modules = folder.join("node_modules");
        if !SERVERS
            .iter()
            .all(|server| script(&modules, server).exists())
        {
            npm(&folder).await?;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let shady =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/mcp/tests/fixtures/server.py");
        Ok(Self {
            modules,
            files: folder.join("files"),
            search: std::env::split_paths(&path).collect(),
            shady: std::fs::canonicalize(shady)?.to_string_lossy().into_owned(),
        })
    }

    pub(crate) fn script(&self, server: &str) -> Done<String> {
        let script = std::fs::canonicalize(script(&self.modules, server))?;
        Ok(script.to_string_lossy().into_owned())
    }
}

fn script(modules: &Path, server: &str) -> PathBuf {
    modules.join(".bin").join(format!("mcp-server-{server}"))
}

async fn npm(folder: &Path) -> Done<()> {
    say("npm installs three servers…");
    let packages = SERVERS.map(|server| format!("@modelcontextprotocol/server-{server}@{VERSION}"));
    let status = tokio::process::Command::new("npm")
        .args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
            "--prefix",
        ])
        .arg(folder)
        .args(packages)
        .status()
        .await?;
    match status.success() {
        true => Ok(()),
        false => Err("npm could not install the servers".into()),
    }
}
