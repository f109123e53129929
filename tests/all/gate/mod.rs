//! Behaviour of: gate.

mod approvals;
mod boot;
mod look_alikes;
mod matrix;
mod network;
#[cfg(unix)]
mod package_files;
mod permits;
mod plugins;
mod revoke_race;
mod uses;
