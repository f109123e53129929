//! The classes of addresses, at their edges; and what an embedder can allow.

use std::net::IpAddr;

use keyway_effects::http::{AddressClass as C, HttpOptions};

use super::{Names, effects, fetch, get, network};

/// First and last addresses of blocks, and their neighbours.
const EDGES: &[(&str, Option<C>)] = &[
    ("0.255.255.255", Some(C::Unspecified)),
    ("1.0.0.0", None),
    ("9.255.255.255", None),
    ("10.0.0.0", Some(C::Private)),
    ("10.255.255.255", Some(C::Private)),
    ("11.0.0.0", None),
    ("100.63.255.255", None),
    ("100.64.0.0", Some(C::CarrierGrade)),
    ("100.127.255.255", Some(C::CarrierGrade)),
    ("100.128.0.0", None),
    ("126.255.255.255", None),
    ("127.0.0.0", Some(C::Loopback)),
    ("127.255.255.255", Some(C::Loopback)),
    ("128.0.0.0", None),
    ("169.253.255.255", None),
    ("169.254.0.0", Some(C::LinkLocal)),
    ("169.254.255.255", Some(C::LinkLocal)),
    ("169.255.0.0", None),
    ("172.15.255.255", None),
    ("172.16.0.0", Some(C::Private)),
    ("172.31.255.255", Some(C::Private)),
    ("172.32.0.0", None),
    ("192.0.0.1", Some(C::Reserved)),
    ("192.0.1.0", None),
    ("192.0.2.255", Some(C::Documentation)),
    ("192.88.99.1", Some(C::Reserved)),
    ("192.167.255.255", None),
    ("192.168.0.0", Some(C::Private)),
    ("192.169.0.0", None),
    ("198.17.255.255", None),
    ("198.18.0.0", Some(C::Benchmark)),
    ("198.19.255.255", Some(C::Benchmark)),
    ("198.20.0.0", None),
    ("198.51.100.1", Some(C::Documentation)),
    ("203.0.113.1", Some(C::Documentation)),
    ("223.255.255.255", None),
    ("224.0.0.0", Some(C::Multicast)),
    ("239.255.255.255", Some(C::Multicast)),
    ("240.0.0.0", Some(C::Reserved)),
    ("255.255.255.254", Some(C::Reserved)),
    ("255.255.255.255", Some(C::Broadcast)),
    ("::2", Some(C::Translated)),
    ("::ffff:8.8.8.8", Some(C::Translated)),
    ("64:ff9b::8.8.8.8", Some(C::Translated)),
    ("64:ff9b:2::1", Some(C::Reserved)),
    ("1fff::1", Some(C::Reserved)),
    ("2000::1", None),
    ("2001::1", Some(C::Translated)),
    ("2001:1::1", None),
    ("2001:2::1", Some(C::Benchmark)),
    ("2001:4860:4860::8888", None),
    ("2001:db8::1", Some(C::Documentation)),
    ("2002::1", Some(C::Translated)),
    ("2003::1", None),
    ("2606:4700:4700::1111", None),
    ("3fff:fff::1", Some(C::Documentation)),
    ("3fff:1000::1", None),
    ("4000::1", Some(C::Reserved)),
    ("5f00::1", Some(C::Reserved)),
    ("fbff::1", Some(C::Reserved)),
    ("fc00::", Some(C::UniqueLocal)),
    ("fdff:ffff::1", Some(C::UniqueLocal)),
    ("fe00::1", Some(C::Reserved)),
    ("fe80::", Some(C::LinkLocal)),
    ("febf::1", Some(C::LinkLocal)),
    ("fec0::1", Some(C::UniqueLocal)),
    ("ff00::1", Some(C::Multicast)),
];

#[test]
fn every_block_begins_and_ends_where_it_should() {
    for (ip, class) in EDGES {
        assert_eq!(C::of(ip.parse().unwrap()), *class, "{ip}");
    }
}

/// Tells whether an address of a host passes the guard: it is then tried, and nobody answers there.
fn passes(allowed: &str, ip: &str) -> bool {
    let ip: IpAddr = ip.parse().unwrap();
    let names = Names::default().with("one.test", &[ip]);
    let options = HttpOptions::new().resolver(names);
    let folder = tempfile::tempdir().unwrap();
    let effects = keyway_effects::Effects::builder(folder.path())
        .http(options.allow_private(allowed).unwrap());
    let within = [network(&["one.test"])];
    let error = fetch(
        &effects.build().unwrap(),
        &within,
        get("http://one.test:9/"),
    )
    .unwrap_err();
    error.case.as_deref() != Some("HTTP_ADDRESS_BLOCKED")
}

#[test]
fn an_embedder_allows_hosts_addresses_and_blocks() {
    let table = [
        ("one.test", "127.0.0.1", true),
        ("ONE.test.", "127.0.0.1", true),
        ("two.test", "127.0.0.1", false),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.2", false),
        ("127.0.0.0/8", "127.9.9.9", true),
        ("127.0.0.0/31", "127.0.0.1", true),
        ("127.0.0.0/31", "127.0.0.2", false),
        ("::1", "::1", true),
        ("::1", "127.0.0.1", false),
        ("fc00::/7", "::1", false),
        // A translated address is not the address that it holds.
        ("127.0.0.0/8", "::ffff:127.0.0.1", false),
        ("one.test", "::ffff:127.0.0.1", false),
        // Metadata is named alone, or stays blocked.
        ("one.test", "169.254.169.254", false),
        ("169.254.0.0/16", "169.254.169.254", false),
        ("0.0.0.0/0", "169.254.169.254", false),
        // Nothing stands there.
        ("0.0.0.0/0", "0.0.0.0", false),
        ("one.test", "0.0.0.0", false),
        ("::/0", "::", false),
        ("224.0.0.0/4", "224.0.0.1", false),
        ("255.255.255.255", "255.255.255.255", false),
        ("one.test", "192.0.2.1", false),
    ];
    for (allowed, ip, expected) in table {
        assert_eq!(passes(allowed, ip), expected, "{allowed} and {ip}");
    }
}

#[test]
fn what_is_no_host_and_no_network_is_refused() {
    for what in [
        "",
        "10.0.0.0/33",
        "::/129",
        "10.0.0/8",
        "a b",
        "http://x/",
        "x@y",
        "*.test",
        "/8",
    ] {
        let error = HttpOptions::new().allow_private(what).unwrap_err();
        assert_eq!(error.code(), "HTTP_BAD_NETWORK", "{what}");
    }
    for pem in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        let error = HttpOptions::new().trust_only(pem.as_bytes());
        assert_eq!(error.unwrap_err().code(), "HTTP_BAD_CERTIFICATE", "{pem}");
    }
}

#[test]
fn a_host_that_is_not_known_is_said_to_be_so() {
    let (effects, _folder) = effects(HttpOptions::new().resolver(Names::default()));
    let error = fetch(&effects, &[network(&["one.test"])], get("http://one.test/")).unwrap_err();
    assert_eq!(error.case.as_deref(), Some("HTTP_NOT_RESOLVED"));
    assert_eq!(error.message, "the host one.test is not known");
}
