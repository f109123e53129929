//! What a package registered, remembered by its digest: an updated package has no past.

use std::fs::File;
use std::io::{self, Read as _};

use keyway_channel::message::Registration;
use keyway_host::digest::Digest;
use serde::{Deserialize, Serialize};

use super::registered::Registered;
use crate::child::Order;
use crate::program::write_private;

/// Bytes of a file that are read back.
const MAX: u64 = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Known {
    /// Digest of the settings, which a plugin's tools may depend on.
    settings: Digest,
    registration: Registration,
}

/// Returns what the package registered with these settings before. A file that cannot be read is
/// no more than a start that takes longer.
///
/// Reads in place: the file is small, and a host that starts a thousand plugins would change threads
/// a thousand times.
pub(super) fn load(order: &Order) -> Option<Registration> {
    let mut file = File::open(order.store.descriptors(order.launch.digest)).ok()?;
    if file.metadata().ok()?.len() > MAX {
        return None;
    }
    let mut bytes = Vec::new();
    // Unlike a reader around it, the file says how long it is.
    file.read_to_end(&mut bytes).ok()?;
    let known: Known = serde_json::from_slice(&bytes).ok()?;
    let settings = Digest::of_json(&order.launch.settings);
    (known.settings == settings).then_some(known.registration)
}

/// Remembers what the package registered.
pub(super) async fn save(order: &Order, registered: &Registered) {
    let known = Known {
        settings: Digest::of_json(&order.launch.settings),
        registration: registered.to_registration(),
    };
    let path = order.store.descriptors(order.launch.digest);
    let write = move || -> io::Result<()> {
        let bytes = serde_json::to_vec(&known)?;
        match std::fs::read(&path) {
            // Most starts are not the first.
            Ok(there) if there == bytes => Ok(()),
            _ => write_private(&path, &bytes),
        }
    };
    if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
        tracing::warn!("what a plugin registered could not be remembered: {error}");
    }
}
