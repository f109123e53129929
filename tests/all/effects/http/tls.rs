//! Encrypted connections: who answers is checked, and a redirect never leaves encryption.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use keyway_effects::http::HttpOptions;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Names, ONE, Server, TWO, effects, fetch, get, local, network, ok, redirect};

const AUTHORITY: &[u8] = include_bytes!("tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/leaf.pem");
const KEY: &[u8] = include_bytes!("tls/leaf.key");

/// Serves `one.test` and `two.test` under a certificate of the tests' own authority.
fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> u16 {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind((ONE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(tls, connection.unwrap());
            let request = super::read_request(&mut BufReader::new(&mut stream));
            // A client that does not trust the certificate has left.
            drop(stream.write_all(&answer(&request)));
            drop(stream.flush());
        }
    });
    port
}

fn names() -> Names {
    let names = Names::default()
        .with("one.test", &[ONE])
        .with("two.test", &[TWO]);
    names.with("three.test", &[ONE])
}

fn trusting() -> HttpOptions {
    local(&names()).trust_only(AUTHORITY).unwrap()
}

#[test]
fn a_certificate_is_checked_against_the_host_and_the_authorities() {
    let port = start(|_| ok("encrypted"));
    let url = |host: &str| get(format!("https://{host}:{port}/"));
    let within = [network(&["one.test", "three.test", "127.0.0.1"])];
    let (trusts, _a) = effects(trusting());
    let response = fetch(&trusts, &within, url("one.test")).unwrap();
    assert_eq!(response.text(), Some("encrypted"));
    let (does_not, _b) = effects(local(&names()));
    let refused = [
        fetch(&trusts, &within, url("three.test")),
        fetch(&trusts, &within, url("127.0.0.1")),
        fetch(&does_not, &within, url("one.test")),
    ];
    for error in refused.map(Result::unwrap_err) {
        assert_eq!(error.case.as_deref(), Some("HTTP_NOT_REACHED"), "{error}");
        assert!(error.message.contains("certificate"), "{error}");
    }
}

#[test]
fn s_c8_a_redirect_does_not_leave_encryption() {
    let plain = Server::start(ONE, |_| ok("plain"));
    let to_plain = format!("http://one.test:{}/", plain.port());
    let port = start(move |_| redirect(307, &to_plain));
    let (effects, _folder) = effects(trusting());
    let within = [network(&["one.test"])];
    let error = fetch(&effects, &within, get(format!("https://one.test:{port}/"))).unwrap_err();
    assert_eq!(error.case.as_deref(), Some("HTTP_REDIRECT"), "{error}");
    // From plain to encrypted and on to plain: the second step is the one that is refused.
    let to_tls = format!("https://one.test:{port}/");
    let first = Server::start(ONE, move |_| redirect(307, &to_tls));
    let url = format!("http://one.test:{}/", first.port());
    let error = fetch(&effects, &within, get(url)).unwrap_err();
    assert!(error.message.contains("leaves encryption"), "{error}");
    assert_eq!((first.connections(), plain.connections()), (1, 0));
    // The control: the same server is reached where nothing was encrypted before.
    assert!(
        fetch(
            &effects,
            &within,
            get(format!("http://one.test:{}/", plain.port()))
        )
        .is_ok()
    );
}
