//! What the gate sees of an address is what is connected to.

use std::sync::OnceLock;

use keyway_effects::Effects;
use keyway_effects::http::{AddressClass, HttpOptions};
use keyway_host::gate::HttpAddress;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Names, ONE, Server, effects, fetch, get, local, network, ok};

fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{1,8}",
        "[A-Z0-9-]{1,8}",
        "[0-9]{1,3}",
        "0x[0-9a-f]{1,4}",
        "[a-zа-я①-⑨。．é_]{1,5}",
        Just("api".to_owned()),
        Just("one".to_owned()),
        Just("test".to_owned()),
    ]
}

fn host() -> impl Strategy<Value = String> {
    let labels = prop::collection::vec(label(), 1..5).prop_map(|labels| labels.join("."));
    prop_oneof![4 => labels, 1 => "\\PC{0,12}"]
}

fn odd() -> impl Strategy<Value = String> {
    const ODDS: &[&str] = &[
        "", "", "", "@", "\\", "#", "?", "/", "//", "%2e", "%40", ".", ":80", "\t", " ", "[",
    ];
    prop::sample::select(ODDS).prop_map(str::to_owned)
}

fn address() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(&["http://", "HTTP://", "https://", "http:/", "//", ""][..]);
    let parts = (scheme, odd(), host(), odd(), host(), odd());
    parts.prop_map(|(scheme, a, one, b, two, c)| format!("{scheme}{a}{one}{b}{two}{c}"))
}

/// No test connects to the public internet.
fn is_public_address(address: &HttpAddress) -> bool {
    let ip = address.host().trim_matches(['[', ']']).parse().ok();
    ip.is_some_and(|ip| AddressClass::of(ip).is_none())
}

/// One set of effects for all cases, and a resolver that knows nobody.
struct Shared {
    effects: Effects,
    names: Names,
    _folder: TempDir,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let names = Names::default();
        let (effects, folder) = effects(HttpOptions::new().resolver(names.clone()));
        Shared {
            effects,
            names,
            _folder: folder,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// One reading: what is read is a fixed point, and holds nothing that could be read otherwise.
    #[test]
    fn an_address_reads_the_same_again(text in address()) {
        let Ok(address) = HttpAddress::parse(&text) else { return Ok(()) };
        let again = HttpAddress::parse(address.as_str()).unwrap();
        prop_assert_eq!(&again, &address);
        prop_assert!(address.host().is_ascii() && !address.host().ends_with('.'));
        prop_assert_eq!(address.host().to_ascii_lowercase(), address.host());
        let uri: ureq::http::Uri = match address.as_str().parse() {
            Ok(uri) => uri,
            // Not sent then.
            Err(_) => return Ok(()),
        };
        prop_assert_eq!(uri.host(), Some(address.host()));
        prop_assert_eq!(uri.port_u16().unwrap_or(address.port()), address.port());
    }

    /// The name that is looked up is the name that the grant was asked about, and a grant for
    /// another name looks nothing up.
    #[test]
    fn only_the_host_that_the_grant_names_is_looked_up(text in address()) {
        let Ok(address) = HttpAddress::parse(&text) else { return Ok(()) };
        let Shared { effects, names, .. } = shared();
        let before = names.asked().len();
        let other = fetch(effects, &[network(&["granted.example"])], get(&text));
        prop_assert!(other.is_err() && names.asked().len() == before);
        // An address of the public internet is not looked up, and no test connects to one.
        if is_public_address(&address) { return Ok(()) }
        let own = fetch(effects, &[network(&[address.host()])], get(&text));
        prop_assert!(own.is_err(), "nobody answers");
        let asked = names.asked().split_off(before);
        prop_assert!(asked.is_empty() || asked == [address.host()], "{:?}", asked);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// And the server is told that name.
    #[test]
    fn the_server_is_told_the_host_that_the_gate_saw(name in host()) {
        let server = Server::start(ONE, |_| ok(""));
        let url = format!("http://{name}:{}/", server.port());
        let Ok(address) = HttpAddress::parse(&url) else { return Ok(()) };
        if is_public_address(&address) { return Ok(()) }
        let (effects, _folder) = effects(local(&Names::default().with(address.host(), &[ONE])));
        let done = fetch(&effects, &[network(&[address.host()])], get(&url));
        let told = server.requests().concat();
        let line = format!("host: {}:{}\r\n", address.host(), server.port());
        prop_assert_eq!(done.is_ok(), told.contains(&line), "{:?} {}", done, told);
        prop_assert!(done.is_ok() || server.connections() == 0);
    }
}
