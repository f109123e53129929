//! Folders: the packages, and what the host keeps.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyway_effects::Effects;
use keyway_host::Host;
use keyway_host::approval::{ApprovalRequest, ApprovalSubject, Approver, Decision};
use keyway_host::rank::Trust;
use keyway_plugin_api::async_trait;
use keyway_process::{ProcessOptions, ProcessRuntime};

use crate::story::Problem;

/// A folder of this run; it goes with it.
pub(crate) struct Site(tempfile::TempDir);

impl Site {
    /// Makes the packages: the program beside this one, and the examples in other languages.
    pub(crate) fn make() -> Result<Self, Problem> {
        let site = Self(tempfile::tempdir()?);
        let own = site.package("rust-words");
        fs::create_dir_all(own.join("bin"))?;
        fs::copy(build()?, own.join("bin/words"))?;
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust-words/plugin.json");
        fs::copy(manifest, own.join("plugin.json"))?;
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
        for (package, program) in [("python-notes", "plugin.py"), ("node-text", "plugin.mjs")] {
            fs::create_dir_all(site.package(package))?;
            for file in ["plugin.json", program] {
                fs::copy(
                    examples.join(package).join(file),
                    site.package(package).join(file),
                )?;
            }
        }
        Ok(site)
    }

    pub(crate) fn package(&self, name: &str) -> PathBuf {
        self.0.path().join("plugins").join(name)
    }

    /// Changes a package, as a new version would.
    pub(crate) fn change(&self, name: &str, note: &str) -> Result<(), Problem> {
        put(&self.package(name).join("NOTES"), note)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    /// Builds the host. Its operator says yes to everything; a real one is asked.
    pub(crate) fn host(&self) -> Result<Host, Problem> {
        let state = self.0.path().join(".keyway");
        let effects = Effects::builder(&state).build()?;
        let runtime = ProcessRuntime::new(self.store(), ProcessOptions::new())?;
        let host = Host::builder("processes", env!("CARGO_PKG_VERSION"))
            .state_dir(&state)
            .effects(effects)
            .approver(YesMan)
            .runtime(runtime)
            .plugins_dir(self.0.path().join("plugins"), Trust::Community);
        Ok(host.build()?)
    }
}

/// Builds the Rust plugin, which `cargo run` does not, and returns where it is.
fn build() -> Result<PathBuf, Problem> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "processes",
        "--bin",
        "rust-words",
    ]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    match status.success() {
        true => Ok(std::env::current_exe()?.with_file_name("rust-words")),
        false => Err("rust-words could not be built".into()),
    }
}

fn put(path: &Path, text: &str) -> Result<(), Problem> {
    Ok(fs::File::create(path)?.write_all(text.as_bytes())?)
}

/// An operator for a demonstration.
#[derive(Debug)]
struct YesMan;

#[async_trait]
impl Approver for YesMan {
    async fn review(&self, request: &ApprovalRequest) -> Decision {
        let ApprovalSubject::Plugin { requests, .. } = &request.subject else {
            return Decision::Later;
        };
        let optional = requests.iter().filter(|request| request.optional);
        Decision::Approve {
            optional: optional
                .flat_map(|request| request.capability.tags())
                .collect(),
        }
    }
}
