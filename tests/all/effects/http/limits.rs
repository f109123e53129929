//! How large, how many and how long; and what a plugin may not write itself.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyway_effects::{EffectLimits, Effects};
use keyway_plugin_api::{EffectRequest, HttpResponse, ToolError, ToolErrorKind};

use super::{Names, ONE, Server, answer, fetch, local, network, ok, request};

fn limited(limits: EffectLimits) -> (Effects, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let names = Names::default().with("one.test", &[ONE]);
    let effects = Effects::builder(folder.path()).limits(limits);
    (effects.http(local(&names)).build().unwrap(), folder)
}

fn asking(server: &Server, headers: &[(&str, &str)], body: Option<&[u8]>) -> EffectRequest {
    let method = if body.is_some() { "POST" } else { "GET" };
    request(
        method,
        format!("http://one.test:{}/", server.port()),
        headers,
        body,
    )
}

fn send(limits: EffectLimits, server: &Server) -> Result<HttpResponse, ToolError> {
    let (effects, _folder) = limited(limits);
    fetch(
        &effects,
        &[network(&["one.test"])],
        asking(server, &[], None),
    )
}

#[test]
fn an_answer_has_as_many_bytes_as_it_may_and_not_one_more() {
    let limits = EffectLimits {
        http_response_bytes: 1000,
        ..EffectLimits::default()
    };
    for chunked in [false, true] {
        for (bytes, fits) in [(0, true), (1000, true), (1001, false), (5_000_000, false)] {
            let server = Server::start(ONE, move |_| body_of(bytes, chunked));
            let done = send(limits, &server);
            match fits {
                true => assert_eq!(done.unwrap().body.len(), bytes),
                false => {
                    let error = done.unwrap_err();
                    assert_eq!(error.case.as_deref(), Some("HTTP_ANSWER_TOO_LARGE"));
                }
            }
        }
    }
}

fn body_of(bytes: usize, chunked: bool) -> Vec<u8> {
    let body = vec![b'x'; bytes];
    if !chunked {
        return answer("200 OK", "", &body);
    }
    let mut sent = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(700) {
        sent.extend(format!("{:x}\r\n", chunk.len()).bytes());
        sent.extend(chunk);
        sent.extend(b"\r\n");
    }
    sent.extend(b"0\r\n\r\n");
    sent
}

/// A server that claims more than it sends, or nothing about it, or goes on for ever.
#[test]
fn an_answer_that_is_cut_is_an_error_and_an_endless_one_ends() {
    let cut = Server::start(ONE, |_| {
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfour".to_vec()
    });
    let error = send(EffectLimits::default(), &cut).unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::Unavailable, "{error}");
    let until_closed = Server::start(ONE, |_| b"HTTP/1.0 200 OK\r\n\r\nall".to_vec());
    let response = send(EffectLimits::default(), &until_closed).unwrap();
    assert_eq!(response.text(), Some("all"));
    let headers = Server::start(ONE, |_| {
        let many = "x-many: yes\r\n".repeat(10_000);
        answer("200 OK", &many, b"")
    });
    let error = send(EffectLimits::default(), &headers).unwrap_err();
    assert!(error.case.is_some(), "{error}");
    let garbage = Server::start(ONE, |_| b"220 smtp.one.test ESMTP\r\n\r\n".to_vec());
    let error = send(EffectLimits::default(), &garbage).unwrap_err();
    assert_eq!(error.case.as_deref(), Some("HTTP_NOT_REACHED"));
}

#[test]
fn a_request_is_held_to_its_limits_before_anything_is_sent() {
    let server = Server::start(ONE, |_| ok(""));
    let limits = EffectLimits {
        http_request_bytes: 10,
        http_headers: 2,
        http_header_bytes: 100,
        ..EffectLimits::default()
    };
    let (effects, _folder) = limited(limits);
    let within = [network(&["one.test"])];
    let long = "x".repeat(101);
    let refused = [
        asking(&server, &[], Some(b"eleven byte")),
        asking(&server, &[("a", "1"), ("b", "2"), ("c", "3")], None),
        asking(&server, &[("a", &long)], None),
    ];
    for request in refused {
        let error = fetch(&effects, &within, request).unwrap_err();
        assert_eq!(error.case.as_deref(), Some("HTTP_TOO_LARGE"), "{error}");
    }
    assert_eq!(server.connections(), 0);
    let fits = asking(&server, &[("a", "1"), ("b", "2")], Some(b"ten bytes."));
    fetch(&effects, &within, fits).unwrap();
    assert!(server.requests()[0].ends_with("\r\n\r\nten bytes."));
}

#[test]
fn what_frames_a_message_is_the_hosts_to_write() {
    let server = Server::start(ONE, |_| ok(""));
    let (effects, _folder) = limited(EffectLimits::default());
    let within = [network(&["one.test"])];
    let refused = [
        ("host", "two.test"),
        ("Host", "two.test"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("accept-encoding", "gzip"),
        ("proxy-authorization", "Basic eA=="),
        ("proxy-anything", "x"),
        ("x-split", "a\r\nhost: two.test"),
        ("x-split", "a\nb"),
        ("x-nul", "a\0b"),
        ("x-é", "a"),
        ("x-value", "é"),
        ("", "a"),
        ("x y", "a"),
        ("x:", "a"),
        ("x\r\nhost", "two.test"),
    ];
    for (name, value) in refused {
        let error = fetch(&effects, &within, asking(&server, &[(name, value)], None)).unwrap_err();
        assert_eq!(
            error.case.as_deref(),
            Some("HTTP_HEADER"),
            "{name}: {value}"
        );
    }
    assert_eq!(server.connections(), 0);
    for method in ["GET", "DELETE", "OPTIONS"] {
        let url = format!("http://one.test:{}/", server.port());
        let asked = request(method, url, &[], Some(b"x"));
        let error = fetch(&effects, &within, asked).unwrap_err();
        assert_eq!(
            error.case.as_deref(),
            Some("HTTP_BODY_NOT_CARRIED"),
            "{method}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn every_method_arrives_as_it_is() {
    let server = Server::start(ONE, |_| ok(""));
    let (effects, _folder) = limited(EffectLimits::default());
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get",
    ] {
        let url = format!("http://one.test:{}/a?b=c", server.port());
        fetch(
            &effects,
            &[network(&["one.test"])],
            request(method, url, &[], None),
        )
        .unwrap();
        let sent = server.requests().pop().unwrap();
        let line = format!("{} /a?b=c HTTP/1.1\r\n", method.to_uppercase());
        assert!(sent.starts_with(&line), "{sent}");
        assert!(
            sent.contains(&format!("host: one.test:{}\r\n", server.port())),
            "{sent}"
        );
        assert!(sent.contains("user-agent: keyway/"), "{sent}");
    }
}

/// Silent before the headers, silent after them, and one byte at a time.
#[test]
fn a_slow_server_ends_when_the_time_is_over() {
    let (hold, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let limits = EffectLimits {
        http_time: Duration::from_millis(300),
        ..EffectLimits::default()
    };
    let silent = Server::start(ONE, move |_| {
        let _ = held.lock().unwrap().recv();
        Vec::new()
    });
    let error = send(limits, &silent).unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::DeadlineExceeded, "{error}");
    assert_eq!(error.case.as_deref(), Some("HTTP_TIMEOUT"));
    drop(hold);

    let dripping = std::net::TcpListener::bind((ONE, 0)).unwrap();
    let port = dripping.local_addr().unwrap().port();
    std::thread::spawn(move || drip(&dripping));
    let (effects, _folder) = limited(limits);
    let asked = super::get(format!("http://one.test:{port}/"));
    let error = fetch(&effects, &[network(&["one.test"])], asked).unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::DeadlineExceeded, "{error}");
}

/// Sends a byte whenever the time for one read would begin anew, without end.
fn drip(listener: &std::net::TcpListener) {
    use std::io::Write as _;
    let (mut connection, _) = listener.accept().unwrap();
    super::read_request(&mut std::io::BufReader::new(&connection));
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
    connection.write_all(head).unwrap();
    let (_keep, never) = mpsc::channel::<()>();
    while connection.write_all(b"x").is_ok() {
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
}

/// A resolver that never answers does not hold a request longer than its time.
#[test]
fn a_resolver_that_never_answers_is_left_behind() {
    #[derive(Debug)]
    struct Never(Mutex<mpsc::Receiver<()>>);
    impl keyway_effects::http::Resolve for Never {
        fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            let _ = self.0.lock().unwrap().recv();
            Ok(Vec::new())
        }
    }
    let (hold, held) = mpsc::channel();
    let options = keyway_effects::http::HttpOptions::new().resolver(Never(Mutex::new(held)));
    let folder = tempfile::tempdir().unwrap();
    let limits = EffectLimits {
        http_time: Duration::from_millis(50),
        ..EffectLimits::default()
    };
    let effects = Effects::builder(folder.path()).limits(limits).http(options);
    let asked = super::get("http://one.test/");
    let error = fetch(&effects.build().unwrap(), &[network(&["one.test"])], asked).unwrap_err();
    assert_eq!(error.case.as_deref(), Some("HTTP_TIMEOUT"));
    drop(hold);
}

#[test]
fn one_plugin_has_a_number_of_requests_on_the_way_and_another_its_own() {
    let (hold, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let server = Server::start(ONE, move |request| {
        if request.contains(" /wait ") {
            let _ = held.lock().unwrap().recv();
        }
        ok("done")
    });
    let limits = EffectLimits {
        http_at_once: 2,
        ..EffectLimits::default()
    };
    let (effects, _folder) = limited(limits);
    let within = [network(&["one.test"])];
    let url = |path: &str| format!("http://one.test:{}/{path}", server.port());
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (effects, within, url) = (effects.clone(), within.clone(), url("wait"));
            std::thread::spawn(move || fetch(&effects, &within, super::get(url)))
        })
        .collect();
    while server.connections() < 2 {
        std::thread::yield_now();
    }
    let error = fetch(&effects, &within, super::get(url(""))).unwrap_err();
    assert_eq!(error.case.as_deref(), Some("HTTP_BUSY"));
    let other = crate::effects::plugin("other");
    effects
        .perform_within(&other, &within, super::get(url("")))
        .unwrap();
    drop(hold);
    for thread in waiting {
        assert!(thread.join().unwrap().unwrap().is_success());
    }
    assert!(
        fetch(&effects, &within, super::get(url(""))).is_ok(),
        "the places are free again"
    );
}

/// Runs in a child of its own: the environment is one for all tests.
#[test]
fn s_c8_proxies_of_the_environment_are_not_used() {
    const CHILD: &str = "KEYWAY_TEST_PROXY";
    if let Ok(port) = std::env::var(CHILD) {
        let names = Names::default().with("one.test", &[ONE]);
        let (effects, _folder) = super::effects(local(&names));
        let url = format!("http://one.test:{port}/direct");
        assert!(fetch(&effects, &[network(&["one.test"])], super::get(url)).is_ok());
        // The control: a client of the same library, as it comes, asks the proxy, which is none.
        let agent = ureq::Agent::new_with_defaults();
        drop(agent.get(format!("http://127.0.0.1:{port}/proxied")).call());
        return;
    }
    let (server, proxy) = (
        Server::start(ONE, |_| ok("")),
        Server::start(ONE, |_| ok("")),
    );
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([
        "effects::http::limits::s_c8_proxies_of_the_environment_are_not_used",
        "--exact",
    ]);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        child.env(name, format!("http://127.0.0.1:{}", proxy.port()));
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let ended = child
        .env(CHILD, server.port().to_string())
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stdout)
    );
    assert!(server.requests().concat().contains("GET /direct "));
    assert!(!server.requests().concat().contains("proxied"));
    assert_eq!(
        proxy.connections(),
        1,
        "the control went through the proxy, and it alone"
    );
}
