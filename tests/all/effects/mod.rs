//! Behaviour of: effects.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests set scenes on the disk, and spoil them, as others would"
)]

mod bundle;
mod escapes;
mod files;
mod forked;
mod handover;
mod hosted;
mod http;
mod killed;
mod log;
mod secrets;
mod state;

use std::collections::BTreeSet;

use keyway_plugin_api::PluginId;

fn granted(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn plugin(id: &str) -> PluginId {
    PluginId::parse(id).unwrap()
}
