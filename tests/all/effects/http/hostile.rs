//! Attack C8: addresses that mean another place than they seem to, and names that move.

use std::net::{IpAddr, Ipv6Addr};

use keyway_effects::http::{AddressClass, HttpOptions};
use keyway_host::gate::HttpAddress;
use keyway_plugin_api::{DenialReason, ToolErrorKind};

use super::{Names, ONE, Server, TWO, effects, fetch, get, local, network, ok};

/// What an address is, once it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// No address that anybody could grant.
    Malformed,
    /// An IP address of this class. Even where an operator grants it, nothing connects.
    Blocked(AddressClass),
    /// A name that is not the granted one.
    Other,
    /// The granted name after all, however it is spelled.
    Granted,
}

use AddressClass as C;
use Is::{Blocked, Granted, Malformed, Other};

/// `{p}` is the port where every server of these tests listens.
const URLS: &[(&str, Is)] = &[
    // This machine, in all the spellings that parsers take.
    ("http://127.0.0.1:{p}/", Blocked(C::Loopback)),
    ("http://127.1:{p}/", Blocked(C::Loopback)),
    ("http://127.0.1:{p}/", Blocked(C::Loopback)),
    ("http://127.000.000.001:{p}/", Blocked(C::Loopback)),
    ("http://0177.0.0.1:{p}/", Blocked(C::Loopback)),
    ("http://0177.1:{p}/", Blocked(C::Loopback)),
    ("http://0x7f.1:{p}/", Blocked(C::Loopback)),
    ("http://0x7f.0.0.1:{p}/", Blocked(C::Loopback)),
    ("http://0X7F.0X0.0X0.0X1:{p}/", Blocked(C::Loopback)),
    ("http://0x7f000001:{p}/", Blocked(C::Loopback)),
    ("http://2130706433:{p}/", Blocked(C::Loopback)),
    ("http://017700000001:{p}/", Blocked(C::Loopback)),
    ("http://127.0.0.1.:{p}/", Blocked(C::Loopback)),
    ("http://127.255.255.254:{p}/", Blocked(C::Loopback)),
    ("http://①②⑦.⓪.⓪.①:{p}/", Blocked(C::Loopback)),
    ("http://127。0。0。1:{p}/", Blocked(C::Loopback)),
    ("http://127．0．0．1:{p}/", Blocked(C::Loopback)),
    ("http://１２７.0.0.1:{p}/", Blocked(C::Loopback)),
    ("HTTP://127.0.0.1:{p}/", Blocked(C::Loopback)),
    ("http://0.0.0.0:{p}/", Blocked(C::Unspecified)),
    ("http://0:{p}/", Blocked(C::Unspecified)),
    ("http://0x0:{p}/", Blocked(C::Unspecified)),
    ("http://0.0.0.1:{p}/", Blocked(C::Unspecified)),
    ("http://[::1]:{p}/", Blocked(C::Loopback)),
    ("http://[0:0:0:0:0:0:0:1]:{p}/", Blocked(C::Loopback)),
    ("http://[0000::0001]:{p}/", Blocked(C::Loopback)),
    ("http://[::]:{p}/", Blocked(C::Unspecified)),
    ("http://[::ffff:127.0.0.1]:{p}/", Blocked(C::Translated)),
    ("http://[::ffff:7f00:1]:{p}/", Blocked(C::Translated)),
    (
        "http://[0:0:0:0:0:ffff:127.0.0.1]:{p}/",
        Blocked(C::Translated),
    ),
    ("http://[::127.0.0.1]:{p}/", Blocked(C::Translated)),
    ("http://[::ffff:0:127.0.0.1]:{p}/", Blocked(C::Translated)),
    ("http://[64:ff9b::127.0.0.1]:{p}/", Blocked(C::Translated)),
    ("http://[64:ff9b::7f00:1]:{p}/", Blocked(C::Translated)),
    ("http://[64:ff9b:1::7f00:1]:{p}/", Blocked(C::Translated)),
    ("http://[2002:7f00:1::]:{p}/", Blocked(C::Translated)),
    (
        "http://[2001:0:7f00:1::80ff:fffe]:{p}/",
        Blocked(C::Translated),
    ),
    (
        "http://[2001:db8::5efe:7f00:1]:{p}/",
        Blocked(C::Translated),
    ),
    // Where clouds keep credentials.
    (
        "http://169.254.169.254/latest/meta-data/",
        Blocked(C::Metadata),
    ),
    ("http://2852039166/", Blocked(C::Metadata)),
    ("http://0xa9fea9fe/", Blocked(C::Metadata)),
    ("http://0251.0376.0251.0376/", Blocked(C::Metadata)),
    ("http://169.254.43518/", Blocked(C::Metadata)),
    ("http://169.16689662/", Blocked(C::Metadata)),
    ("http://0xa9.0xfe.0xa9.0xfe/", Blocked(C::Metadata)),
    ("http://169。254。169。254/", Blocked(C::Metadata)),
    ("http://[::ffff:a9fe:a9fe]/", Blocked(C::Translated)),
    ("http://[::a9fe:a9fe]/", Blocked(C::Translated)),
    ("http://[64:ff9b::a9fe:a9fe]/", Blocked(C::Translated)),
    ("http://[2002:a9fe:a9fe::]/", Blocked(C::Translated)),
    ("http://[fd00:ec2::254]/", Blocked(C::Metadata)),
    ("http://[fd20:ce::254]/", Blocked(C::Metadata)),
    ("http://100.100.100.200/", Blocked(C::Metadata)),
    ("http://168.63.129.16/", Blocked(C::Metadata)),
    ("http://192.0.0.192/", Blocked(C::Metadata)),
    ("http://169.254.170.2/", Blocked(C::Metadata)),
    // Inside networks, and what is no host at all.
    ("http://10.0.0.1/", Blocked(C::Private)),
    ("http://012.1/", Blocked(C::Private)),
    ("http://172.16.0.1/", Blocked(C::Private)),
    ("http://172.31.255.255/", Blocked(C::Private)),
    ("http://192.168.1.1/", Blocked(C::Private)),
    ("http://3232235777/", Blocked(C::Private)),
    ("http://100.64.0.1/", Blocked(C::CarrierGrade)),
    ("http://169.254.1.1/", Blocked(C::LinkLocal)),
    ("http://[fe80::1]/", Blocked(C::LinkLocal)),
    ("http://[fc00::1]/", Blocked(C::UniqueLocal)),
    ("http://[fdff::1]/", Blocked(C::UniqueLocal)),
    ("http://[fec0::1]/", Blocked(C::UniqueLocal)),
    ("http://[ff02::1]/", Blocked(C::Multicast)),
    ("http://224.0.0.1/", Blocked(C::Multicast)),
    ("http://255.255.255.255/", Blocked(C::Broadcast)),
    ("http://240.0.0.1/", Blocked(C::Reserved)),
    ("http://[100::1]/", Blocked(C::Reserved)),
    ("http://192.0.2.1/", Blocked(C::Documentation)),
    ("http://[2001:db8::1]/", Blocked(C::Documentation)),
    ("http://198.18.0.1/", Blocked(C::Benchmark)),
    // Somebody in front of the host, or something in it.
    ("http://api.one.test@127.0.0.1:{p}/", Malformed),
    ("http://api.one.test:80@127.0.0.1:{p}/", Malformed),
    ("http://api.one.test%40127.0.0.1:{p}/", Malformed),
    ("http://@127.0.0.1:{p}/", Malformed),
    ("http://:@127.0.0.1:{p}/", Malformed),
    ("http://127.0.0.1:{p}\\@api.one.test/", Malformed),
    ("http://api.one.test\\@127.0.0.1:{p}/", Malformed),
    ("http:\\\\127.0.0.1:{p}/", Malformed),
    ("http://api.one.test#@127.0.0.1:{p}/", Granted),
    ("http://127.0.0.1:{p}#@api.one.test/", Blocked(C::Loopback)),
    ("http://api.one.test:{p}@127.0.0.1:{p}/", Malformed),
    ("http://127.0.0.1:{p}%2f@api.one.test/", Malformed),
    ("http://%31%32%37.0.0.1:{p}/", Malformed),
    ("http://127%2e0%2e0%2e1:{p}/", Malformed),
    ("http://api.one.test%00.evil.test:{p}/", Malformed),
    ("http://api.one.test%2eevil.test:{p}/", Malformed),
    ("http://api.one.test\u{0}.evil.test:{p}/", Malformed),
    ("http://api.one.test .evil.test:{p}/", Malformed),
    ("http://127.0.0.1\t:{p}/", Malformed),
    ("http://127.0.\n0.1:{p}/", Malformed),
    (" http://127.0.0.1:{p}/", Malformed),
    (
        "http://127.0.0.1:{p}/ HTTP/1.1\r\nhost: api.one.test",
        Malformed,
    ),
    ("http://127.0.0.1:{p}/\r\nx: y", Malformed),
    ("http:127.0.0.1:{p}/", Malformed),
    ("http:/127.0.0.1:{p}/", Malformed),
    ("http:///127.0.0.1:{p}/", Malformed),
    ("//127.0.0.1:{p}/", Malformed),
    ("127.0.0.1:{p}", Malformed),
    ("", Malformed),
    ("http://", Malformed),
    ("http://:{p}/", Malformed),
    ("http://./", Malformed),
    ("http://api.one.test:0/", Malformed),
    ("http://api.one.test:65536/", Malformed),
    ("http://api.one.test:{p}:80/", Malformed),
    ("http://[::1/", Malformed),
    ("http://[::1%25lo]:{p}/", Malformed),
    ("http://[fe80::1%eth0]:{p}/", Malformed),
    ("http://[v1.x]:{p}/", Malformed),
    ("http://127.0.0.1.0x1:{p}/", Malformed),
    ("http://256.256.256.256/", Malformed),
    ("http://4294967296/", Malformed),
    ("http://0x100000000/", Malformed),
    ("http://api.one.test\u{202e}:{p}/", Malformed),
    ("http://api.one\u{ad}.test:{p}/", Malformed),
    ("http://api\u{200b}.one.test:{p}/", Malformed),
    ("https:api.one.test", Malformed),
    ("file:///etc/passwd", Malformed),
    ("ftp://api.one.test/", Malformed),
    ("gopher://127.0.0.1:{p}/_x", Malformed),
    ("dict://127.0.0.1:{p}/", Malformed),
    ("javascript:alert(1)", Malformed),
    ("data:text/plain,x", Malformed),
    ("unix:///var/run/docker.sock", Malformed),
    ("http+unix://%2fvar%2frun%2fdocker.sock/", Malformed),
    ("ws://127.0.0.1:{p}/", Malformed),
    ("view-source:http://127.0.0.1:{p}/", Malformed),
    ("url:http://127.0.0.1:{p}/", Malformed),
    // Names that are not the one that was granted.
    ("http://localhost:{p}/", Other),
    ("http://LOCALHOST.:{p}/", Other),
    ("http://localhost.localdomain:{p}/", Other),
    ("http://ip6-localhost:{p}/", Other),
    ("http://x.localhost:{p}/", Other),
    ("http://evil.test:{p}/", Other),
    ("http://api.one.test.evil.test:{p}/", Other),
    ("http://xapi.one.test:{p}/", Other),
    ("http://x.api.one.test:{p}/", Other),
    ("http://one.test:{p}/", Other),
    ("http://api-one.test:{p}/", Other),
    ("http://api.one.test-evil.test:{p}/", Other),
    ("http://api.one.tést:{p}/", Other),
    ("http://\u{430}pi.one.test:{p}/", Other),
    ("http://api.\u{3bf}ne.test:{p}/", Other),
    ("http://xn--pi-7kc.one.test:{p}/", Other),
    ("http://127.0.0.1.nip.test:{p}/", Other),
    ("http://127.0.0.1.evil.test:{p}/?api.one.test", Other),
    ("http://metadata.google.internal/", Other),
    ("http://kubernetes.default.svc/", Other),
    // The granted name, after all.
    ("http://api.one.test:{p}/", Granted),
    ("http://API.One.TEST:{p}/", Granted),
    ("http://api.one.test.:{p}/", Granted),
    ("http://api。one。test:{p}/", Granted),
    ("http://ａｐｉ.one.test:{p}/", Granted),
    ("http://ⓐⓟⓘ.one.test:{p}/", Granted),
];

/// Servers everywhere on this machine that the table could lead to; and the one that is granted.
struct Machine {
    granted: Server,
    others: Vec<Server>,
    names: Names,
}

impl Machine {
    fn start() -> Self {
        let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let high = "127.255.255.254".parse().unwrap();
        let mut servers = Server::at_one_port(&[TWO, ONE, high, v6], |_| ok("reached"));
        let granted = servers.remove(0);
        let mut names = Names::default().with("api.one.test", &[TWO]);
        for (url, _) in URLS.iter().filter(|(_, is)| *is == Other) {
            let address = HttpAddress::parse(&url.replace("{p}", "80")).unwrap();
            names = names.with(address.host(), &[ONE]);
        }
        Self {
            granted,
            others: servers,
            names,
        }
    }

    fn url(&self, url: &str) -> String {
        url.replace("{p}", &self.granted.port().to_string())
    }

    fn outside(&self) -> usize {
        self.others.iter().map(Server::connections).sum()
    }
}

#[test]
fn s_c8_the_table_is_read_as_it_says() {
    assert!(URLS.len() >= 80, "{}", URLS.len());
    for (url, is) in URLS {
        let parsed = HttpAddress::parse(&url.replace("{p}", "8080"));
        let Ok(address) = parsed else {
            assert_eq!(*is, Malformed, "{url}");
            continue;
        };
        let bare = address.host().trim_matches(['[', ']']);
        let found = match (bare.parse::<IpAddr>(), address.host()) {
            (Ok(ip), _) => Blocked(AddressClass::of(ip).unwrap()),
            (Err(_), "api.one.test") => Granted,
            (Err(_), _) => Other,
        };
        assert_eq!(found, *is, "{url}: {address:?}");
    }
}

#[test]
fn s_c8_no_address_leads_past_the_grant() {
    let machine = Machine::start();
    let (effects, _folder) = effects(local(&machine.names));
    let within = [network(&["api.one.test"])];
    for (url, is) in URLS {
        let before = machine.granted.connections();
        let done = fetch(&effects, &within, get(machine.url(url)));
        let reached = machine.granted.connections() - before;
        match is {
            // Its port is another server's, or nobody's.
            Granted if url.contains('#') => assert_eq!(reached, 0, "{url}"),
            Granted => assert_eq!(
                (done.unwrap().text(), reached),
                (Some("reached"), 1),
                "{url}"
            ),
            Malformed => {
                assert_eq!(
                    done.unwrap_err().kind,
                    ToolErrorKind::InvalidArguments,
                    "{url}"
                );
                assert_eq!(reached, 0, "{url}");
            }
            Blocked(_) | Other => {
                let denial = done.unwrap_err().denial.unwrap();
                assert_eq!(denial.reason, DenialReason::OutsideConstraint, "{url}");
                assert_eq!(reached, 0, "{url}");
            }
        }
    }
    assert_eq!(machine.outside(), 0);
}

/// The operator granted the very host, and it stands where nothing should be asked.
#[test]
fn s_c8_no_grant_leads_past_the_guard() {
    let machine = Machine::start();
    let options = HttpOptions::new().resolver(machine.names.clone());
    let (effects, _folder) = effects(options);
    for (url, is) in URLS {
        let url = machine.url(url);
        let Ok(address) = HttpAddress::parse(&url) else {
            continue;
        };
        let error = fetch(&effects, &[network(&[address.host()])], get(&url)).unwrap_err();
        let denial = error.denial.unwrap();
        match is {
            // No grant names an IPv6 address.
            Blocked(_) if address.host().starts_with('[') => {
                assert_eq!(denial.reason, DenialReason::OutsideConstraint, "{url}");
            }
            Blocked(class) => {
                assert_eq!(denial.reason, DenialReason::Forbidden, "{url}");
                assert!(denial.asked.contains(&class.to_string()), "{denial}");
            }
            _ => assert!(denial.asked.contains("loopback"), "{url}: {denial}"),
        }
    }
    assert_eq!((machine.outside(), machine.granted.connections()), (0, 0));
}

/// The control: without the guard the same addresses connect, and so do the same names.
#[test]
fn s_c8_control_without_the_guard_the_same_addresses_connect() {
    let machine = Machine::start();
    let (effects, _folder) = effects(local(&machine.names));
    let mut reached = 0;
    for (url, is) in URLS {
        let url = machine.url(url);
        let Ok(address) = HttpAddress::parse(&url) else {
            continue;
        };
        let is_ours = matches!(is, Blocked(C::Loopback) | Other) && address.port() != 80;
        if !is_ours || address.host().starts_with('[') {
            continue;
        }
        let before = machine.outside();
        let done = fetch(&effects, &[network(&[address.host()])], get(&url));
        assert!(done.is_ok_and(|response| response.is_success()), "{url}");
        assert_eq!(machine.outside(), before + 1, "{url}");
        reached += 1;
    }
    assert!(reached >= 30, "{reached}");
}

/// The control: a client that only looks at the text for a private address lets these through.
#[test]
fn s_c8_control_a_client_that_looks_at_the_text_connects() {
    let machine = Machine::start();
    let looks_private = |url: &str| {
        [
            "://127.",
            "://localhost",
            "://[::1]",
            "://10.",
            "://192.168.",
            "://0.0.0.0",
        ]
        .iter()
        .any(|text| url.to_lowercase().contains(text))
    };
    let agent = ureq::Agent::new_with_defaults();
    let unseen = URLS.iter().filter(|(url, is)| {
        *is == Blocked(C::Loopback) && url.contains("{p}") && !looks_private(url)
    });
    let mut let_through = 0;
    for (url, _) in unseen {
        // What a program has after it parsed the address with the usual library.
        let address = HttpAddress::parse(&machine.url(url)).unwrap();
        let_through += usize::from(agent.get(address.as_str()).call().is_ok());
    }
    assert!(let_through >= 8, "{let_through}");
    assert_eq!(machine.outside(), let_through);
}

#[test]
fn s_c8_a_name_that_moves_is_looked_up_once() {
    let servers = Server::at_one_port(&[TWO, ONE], |_| ok("reached"));
    let names = Names::default().with("moves.test", &[TWO, ONE]);
    let options = HttpOptions::new().resolver(names.clone());
    let (effects, _folder) = effects(options.allow_private("127.0.0.2").unwrap());
    let url = format!("http://moves.test:{}/", servers[0].port());
    let within = [network(&["moves.test"])];
    assert!(fetch(&effects, &within, get(&url)).unwrap().is_success());
    assert_eq!(names.asked(), ["moves.test"]);
    assert_eq!((servers[0].connections(), servers[1].connections()), (1, 0));
    // From now on the name is at the blocked address.
    let error = fetch(&effects, &within, get(&url)).unwrap_err();
    assert_eq!(error.case.as_deref(), Some("HTTP_ADDRESS_BLOCKED"));
    assert_eq!((servers[0].connections(), servers[1].connections()), (1, 0));
}

/// The control: who looks a name up to check it and again to connect ends at the other address.
#[test]
fn s_c8_control_a_client_that_looks_twice_connects_to_the_second_answer() {
    use keyway_effects::http::Resolve as _;
    let servers = Server::at_one_port(&[TWO, ONE], |_| ok("reached"));
    let names = Names::default().with("moves.test", &[TWO, ONE]);
    let checked = names.resolve("moves.test").unwrap()[0];
    assert_eq!(checked, TWO, "the check is passed");
    let connected = names.resolve("moves.test").unwrap()[0];
    let agent = ureq::Agent::new_with_defaults();
    let url = format!("http://{connected}:{}/", servers[0].port());
    agent.get(url).call().unwrap();
    assert_eq!((servers[0].connections(), servers[1].connections()), (0, 1));
}

#[test]
fn s_c8_of_several_addresses_only_the_fit_ones_are_tried() {
    #[derive(Debug)]
    struct Both;
    impl keyway_effects::http::Resolve for Both {
        fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
            Ok(vec![ONE, TWO])
        }
    }
    let servers = Server::at_one_port(&[TWO, ONE], |_| ok("reached"));
    let options = HttpOptions::new().resolver(Both);
    let (effects, _folder) = effects(options.allow_private("127.0.0.2").unwrap());
    let url = format!("http://both.test:{}/", servers[0].port());
    assert!(fetch(&effects, &[network(&["both.test"])], get(url)).is_ok());
    assert_eq!((servers[0].connections(), servers[1].connections()), (1, 0));
}
