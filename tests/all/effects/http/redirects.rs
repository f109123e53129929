//! Redirects: every step is asked about and vetted like the first one.

use keyway_effects::http::HttpOptions;
use keyway_plugin_api::{DenialReason, ToolErrorKind};

use super::{Names, ONE, Server, TWO, effects, fetch, get, local, network, ok, redirect, request};

/// The first host answers with a redirect for every path; what comes after is the other's.
fn chain(location: &str) -> (Server, Server, Names) {
    let location = location.to_owned();
    let two = Server::start(TWO, |_| ok("the other"));
    let other = two.port();
    let one = Server::start(ONE, move |request| {
        let host = request.lines().find_map(|l| l.strip_prefix("host: "));
        let location = location.replace("{other}", &other.to_string());
        redirect(302, &location.replace("{self}", host.unwrap_or_default()))
    });
    let names = Names::default()
        .with("one.test", &[ONE])
        .with("two.test", &[TWO])
        .with("private.test", &["10.0.0.1".parse().unwrap()]);
    (one, two, names)
}

/// Six chains that begin at the granted host, and why each ends.
#[test]
fn s_c8_redirect_chains_end_where_the_grant_ends() {
    let table = [
        ("http://two.test:{other}/", "HTTP_NOT_COVERED"),
        ("http://127.0.0.2:{other}/", "HTTP_NOT_COVERED"),
        ("//two.test:{other}/", "HTTP_NOT_COVERED"),
        ("http://private.test/", "HTTP_ADDRESS_BLOCKED"),
        ("http://169.254.169.254/latest/", "HTTP_NOT_COVERED"),
        ("/again", "HTTP_REDIRECT"),
        ("http://{self}/", "HTTP_REDIRECT"),
        ("http://one.test@two.test:{other}/", "HTTP_REDIRECT"),
        ("ftp://one.test/", "HTTP_REDIRECT"),
        ("file:///etc/passwd", "HTTP_REDIRECT"),
        ("http://one.test\\@two.test:{other}/", "HTTP_REDIRECT"),
    ];
    for (location, code) in table {
        let (one, two, names) = chain(location);
        let (effects, _folder) = effects(local(&names));
        let within = [network(&["one.test", "private.test"])];
        let url = format!("http://one.test:{}/", one.port());
        let error = fetch(&effects, &within, get(url)).unwrap_err();
        assert_eq!(error.case.as_deref(), Some(code), "{location}: {error}");
        assert_eq!(error.kind, ToolErrorKind::Denied, "{location}");
        assert_eq!(two.connections(), 0, "{location}");
        let loops = location == "/again" || location.contains("{self}");
        assert_eq!(one.connections(), if loops { 6 } else { 1 }, "{location}");
    }
}

/// The control: with the other host granted and allowed the same chains arrive.
#[test]
fn s_c8_control_the_same_chains_arrive_where_the_other_host_is_granted() {
    for location in [
        "http://two.test:{other}/",
        "http://127.0.0.2:{other}/",
        "//two.test:{other}/",
    ] {
        let (one, two, names) = chain(location);
        let (effects, _folder) = effects(local(&names));
        let within = [network(&["one.test", "two.test", "127.0.0.2"])];
        let url = format!("http://one.test:{}/", one.port());
        let response = fetch(&effects, &within, get(url)).unwrap();
        assert_eq!(response.text(), Some("the other"), "{location}");
        assert_eq!(two.connections(), 1);
    }
}

/// The control: a client that follows redirects by itself ends at the other host.
#[test]
fn s_c8_control_a_client_that_follows_by_itself_arrives() {
    let (one, two, _) = chain("http://127.0.0.2:{other}/");
    let agent = ureq::Agent::new_with_defaults();
    let url = format!("http://127.0.0.1:{}/", one.port());
    assert!(agent.get(url).call().is_ok());
    assert_eq!(two.connections(), 1);
}

/// The host that a redirect leads to is granted, and its name is at a blocked address.
#[test]
fn s_c8_a_redirect_to_a_granted_name_inside_is_blocked() {
    let (one, two, names) = chain("http://two.test:{other}/");
    let options = HttpOptions::new().resolver(names);
    let (effects, _folder) = effects(options.allow_private("one.test").unwrap());
    let within = [network(&["one.test", "two.test"])];
    let url = format!("http://one.test:{}/", one.port());
    let denial = fetch(&effects, &within, get(url))
        .unwrap_err()
        .denial
        .unwrap();
    assert_eq!(denial.reason, DenialReason::Forbidden);
    assert!(
        denial.asked.contains("two.test") && denial.asked.contains("loopback"),
        "{denial}"
    );
    assert_eq!((one.connections(), two.connections()), (1, 0));
}

#[test]
fn five_redirects_are_followed_and_a_sixth_is_not() {
    for (steps, arrives) in [(5, true), (6, false)] {
        let server = Server::start(ONE, move |request| {
            let path = request.split(' ').nth(1).unwrap();
            match path.trim_start_matches('/').parse::<u32>().unwrap() {
                0 => ok("arrived"),
                n => redirect(307, &format!("/{}", n - 1)),
            }
        });
        let names = Names::default().with("one.test", &[ONE]);
        let (effects, _folder) = effects(local(&names));
        let url = format!("http://one.test:{}/{steps}", server.port());
        let done = fetch(&effects, &[network(&["one.test"])], get(url));
        assert_eq!(done.is_ok(), arrives, "{done:?}");
        assert_eq!(server.connections(), 6);
        assert_eq!(names.asked().len(), 6, "each step is looked up once");
    }
}

#[test]
fn methods_and_bodies_follow_the_status() {
    let table = [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("GET", 302, "GET"),
        ("HEAD", 303, "HEAD"),
    ];
    for (method, status, expected) in table {
        let server = Server::start(ONE, move |request| match request.contains(" /first ") {
            true => redirect(status, "/second"),
            false => ok(""),
        });
        let names = Names::default().with("one.test", &[ONE]);
        let (effects, _folder) = effects(local(&names));
        let url = format!("http://one.test:{}/first", server.port());
        let has_body = ["POST", "PUT"].contains(&method);
        let headers = [("content-type", "text/plain"), ("x-kept", "yes")];
        let body = has_body.then_some(&b"the body"[..]);
        let asked = request(method, url, &headers, body);
        fetch(&effects, &[network(&["one.test"])], asked).unwrap();
        let requests = server.requests();
        let last = requests.last().unwrap();
        assert!(
            last.starts_with(&format!("{expected} /second ")),
            "{method} {status}: {last}"
        );
        let keeps = has_body && expected == method;
        assert_eq!(
            last.contains("the body"),
            keeps,
            "{method} {status}: {last}"
        );
        assert_eq!(last.contains("content-type"), keeps || !has_body, "{last}");
        assert!(last.contains("x-kept: yes"), "{last}");
    }
}

/// A grant for one method is none for the method that a redirect turns it into.
#[test]
fn a_redirect_that_changes_the_method_needs_a_grant_for_it() {
    let server = Server::start(ONE, |_| redirect(303, "/second"));
    let names = Names::default().with("one.test", &[ONE]);
    let (effects, _folder) = effects(local(&names));
    let only_post = serde_json::from_value(serde_json::json!({
        "kind": "network", "hosts": ["one.test"], "methods": ["POST"],
    }));
    let url = format!("http://one.test:{}/", server.port());
    let asked = request("POST", url, &[], Some(b"x"));
    let denial = fetch(&effects, &[only_post.unwrap()], asked)
        .unwrap_err()
        .denial
        .unwrap();
    assert_eq!(denial.asked, "network:one.test[GET]");
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_answer_that_redirects_nowhere_is_the_answer() {
    for status in ["300 Choices", "304 Not Modified", "302 Found"] {
        let server = Server::start(ONE, move |_| super::answer(status, "", b""));
        let names = Names::default().with("one.test", &[ONE]);
        let (effects, _folder) = effects(local(&names));
        let url = format!("http://one.test:{}/", server.port());
        let response = fetch(&effects, &[network(&["one.test"])], get(url)).unwrap();
        assert_eq!(response.status.to_string(), status[..3]);
    }
}
