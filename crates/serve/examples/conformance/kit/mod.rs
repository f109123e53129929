//! The conformance kit: starts a plugin again and again and looks whether it keeps to the protocol.

pub(crate) mod child;
pub(crate) mod host_end;
mod player;
mod steps;

use std::io;
use std::path::Path;

use keyway_plugin_api::Manifest;

pub(crate) use child::Launch;
pub(crate) use player::Verdict;

/// One check and what it came to.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) check: String,
    pub(crate) verdict: Verdict,
}

/// Reads the manifest of a package.
pub(crate) fn manifest(package: &Path) -> io::Result<Manifest> {
    let text = std::fs::read(package.join("plugin.json"))?;
    let (manifest, _) = Manifest::parse(&text).map_err(io::Error::other)?;
    Ok(manifest)
}

/// Plays every check, in order.
pub(crate) fn run(launch: &Launch) -> io::Result<Vec<Line>> {
    let manifest = manifest(&launch.package)?;
    let checks = steps::checks()?;
    let play = |check: &steps::Check| Line {
        check: check.check.clone(),
        verdict: player::play(launch, &manifest, check),
    };
    Ok(checks.iter().map(play).collect())
}
