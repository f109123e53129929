//! What a package registered, remembered by its digest: an updated package has no past.

use std::io;

use keyway_channel::message::Registration;
use keyway_host::digest::Digest;
use serde::{Deserialize, Serialize};

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
pub(super) async fn load(order: &Order) -> Option<Registration> {
    let path = order.store.descriptors(order.launch.digest);
    let settings = Digest::of_json(&order.launch.settings);
    let read = tokio::task::spawn_blocking(move || -> io::Result<Known> {
        if std::fs::metadata(&path)?.len() > MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(serde_json::from_slice(&std::fs::read(&path)?)?)
    });
    let known = read.await.ok()?.ok()?;
    (known.settings == settings).then_some(known.registration)
}

/// Remembers what the package registered.
pub(super) async fn save(order: &Order, registration: &Registration) {
    let known = Known {
        settings: Digest::of_json(&order.launch.settings),
        registration: registration.clone(),
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
