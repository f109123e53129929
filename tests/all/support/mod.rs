//! What several subjects need and nobody outside these tests does.

mod binaries;

use std::time::Duration;

pub(crate) use binaries::binary;

/// Waits for something that has to come; a minute is longer than any machine takes.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let comes = async {
        while !holds() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), comes)
        .await
        .unwrap();
}

/// The catalog file that source 002 prints as its example, without a newline at its end.
pub(crate) const SOURCE_002_EXAMPLE: &str =
    include_str!("../../fixtures/catalogs/source-002.json").trim_ascii_end();
