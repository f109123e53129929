//! The HTTP client that everything here uses, and its TLS.

use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// Sets ring as this process's TLS provider, unless the embedder has set one.
pub(crate) fn provide() {
    // One that is there already is the embedder's choice.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
}

/// Makes a client that follows no redirect: a server is where its address says.
pub(crate) fn client() -> Result<reqwest::Client, String> {
    provide();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| e.to_string())
}
