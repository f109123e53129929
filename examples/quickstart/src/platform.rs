//! The host of this example: what an embedder puts together before anything runs.

use keyway_effects::Effects;
use keyway_host::catalog::Operation;
use keyway_host::limits::Limits;
use keyway_host::package::Package;
use keyway_host::rank::Trust;
use keyway_host::scope::Scope;
use keyway_host::{Host, HostError, OperationReport};

use crate::options::Options;
use crate::stop::Stop;

/// The plugin that lies in a folder.
pub(crate) const PACKAGED: &str = "text-tools";
/// Every plugin of this example.
pub(crate) const PLUGINS: [&str; 2] = ["repo-tools", PACKAGED];
/// The folder of packages.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins");
/// Where the agent stands: organisation, team, agent.
const AGENT: &str = "examples/quickstart/reader";

/// Builds the host; nothing runs yet.
///
/// # Errors
/// [`Stop`] when the repository or the state folder cannot be opened.
pub(crate) fn build(options: &Options) -> Result<Host, Stop> {
    let effects = Effects::builder(&options.state_dir)
        .files_base(&options.repo)
        .build()
        .map_err(|e| {
            Stop::new(
                e.to_string(),
                ["name folders with --repo and --dir".to_owned()],
            )
        })?;
    let host = Host::builder("quickstart", env!("CARGO_PKG_VERSION"))
        .state_dir(&options.state_dir)
        .submitted_plugins()
        .plugins_dir(PACKAGES, Trust::Trusted)
        .effects(effects)
        .build()?;
    Ok(host)
}

/// Returns the scope of the agent.
///
/// # Errors
/// [`Stop`] when the constant is wrong.
pub(crate) fn agent() -> Result<Scope, Stop> {
    AGENT.parse().map_err(|e| Stop::bug(&e))
}

/// Tries to install the packaged plugin as if nothing had happened.
///
/// # Errors
/// [`HostError`]; for a revoked plugin always.
pub(crate) async fn install_again(host: &Host) -> Result<OperationReport, HostError> {
    let package = Package::read(
        &std::path::Path::new(PACKAGES).join(PACKAGED),
        &Limits::default(),
    )?;
    let candidate = Box::new(package.candidate());
    host.run(&Operation::Install { candidate }).await
}
