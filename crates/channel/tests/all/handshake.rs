//! Attack D8 and scenario L11: who gets a channel and who does not. Each attack has its control.

use hmac::{Hmac, KeyInit as _, Mac as _};
use keyway_channel::handshake::{HandshakeError, HostHello, Nonce, PluginHello, Secret, Step};
use serde_json::Value;
use sha2::Sha256;

use super::support::{
    HOST_NONCE, PLUGIN_NONCE, SECRET, Seen, honest, host, identity, offer, plugin, secret, through,
};

const OTHER: [u8; 32] = [0x99; 32];

fn bad(step: Step) -> impl Fn(&HandshakeError) -> bool {
    move |error| matches!(error, HandshakeError::BadMac { step: found, .. } if *found == step)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(
    result: Result<T, HandshakeError>,
    is_it: impl Fn(&HandshakeError) -> bool,
) {
    let error = result.unwrap_err();
    assert!(is_it(&error), "{error:?}");
}

#[test]
fn l11_two_ends_with_the_secret_of_this_start_get_a_channel() {
    let (_, ends) = through(|_, _| {});
    let (host, plugin) = (ends.host.unwrap(), ends.plugin.unwrap());
    assert_eq!(host.offer(), plugin.offer());
    assert_eq!(host.answered(), plugin.answered());
    let signature = plugin.export_key().sign(b"ticket");
    assert!(host.export_key().verifies(b"ticket", &signature));
    assert!(!host.export_key().verifies(b"other", &signature));
}

#[test]
fn s_d8_a_recorded_plugin_is_refused_by_the_next_start() {
    let recorded = honest();
    let replay = |(_, host): (String, keyway_channel::handshake::AwaitingAnswer)| {
        host.answer(&recorded.answer)?.prove(&recorded.prove)
    };
    // A fresh secret, a fresh nonce, both: each alone stops the recording.
    for (secret, nonce) in [(OTHER, HOST_NONCE), (SECRET, OTHER), (OTHER, OTHER)] {
        refused(replay(host(secret, nonce)), bad(Step::Prove));
    }
    // Control: a host that used secret and nonce twice would take the recording.
    assert!(replay(host(SECRET, HOST_NONCE)).is_ok());
}

#[test]
fn s_d8_a_recorded_host_is_refused_by_the_next_start() {
    let recorded = honest();
    for (secret, nonce) in [(OTHER, PLUGIN_NONCE), (SECRET, OTHER)] {
        let welcome = plugin(secret, nonce).hello(&recorded.hello).unwrap();
        refused(welcome.next.ready(&recorded.ready), bad(Step::Ready));
    }
    let again = plugin(SECRET, PLUGIN_NONCE).hello(&recorded.hello).unwrap();
    assert!(again.next.ready(&recorded.ready).is_ok(), "control");
}

#[test]
fn s_d8_a_code_that_comes_back_to_its_maker_is_refused() {
    // Somebody without the secret answers with the plugin's own proof as the host's.
    let (seen, ends) = through(|_, _| {});
    ends.host.unwrap();
    let welcome = plugin(SECRET, PLUGIN_NONCE).hello(&seen.hello).unwrap();
    let reflected = welcome.prove.replace("keyway/prove", "keyway/ready");
    refused(welcome.next.ready(&reflected), bad(Step::Ready));
    // And the host's own nonce as the plugin's.
    let (hello, host) = host(SECRET, HOST_NONCE);
    let twin = plugin(SECRET, PLUGIN_NONCE).hello(&hello).unwrap();
    let own = &field(&hello, "/params/nonce");
    let answer = twin
        .answer
        .replace(&field(&twin.answer, "/result/nonce"), own);
    refused(host.answer(&answer), |e| {
        matches!(e, HandshakeError::Downgrade { .. })
    });
    // Control: with one key for both directions the same trick works.
    let proof_of_plugin = one_key_for_both(&seen);
    let expected_of_host = one_key_for_both(&seen);
    assert_eq!(proof_of_plugin, expected_of_host);
}

/// The scheme that this one is not: the same key and the same bytes, whoever signs.
fn one_key_for_both(seen: &Seen) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    mac.update(seen.hello.as_bytes());
    mac.update(seen.answer.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn s_d8_a_truncated_line_or_code_is_refused() {
    for step in 0..4 {
        let whole = honest();
        let line = [&whole.hello, &whole.answer, &whole.prove, &whole.ready][step].clone();
        for length in 0..line.len() {
            let (_, ends) = through(|at, line| {
                if at == step {
                    line.truncate(length);
                }
            });
            match step {
                3 => assert!(ends.plugin.is_err(), "{length} bytes of line {step}"),
                _ => assert!(ends.host.is_err() && ends.plugin.is_err()),
            }
        }
    }
    // A code that is shortened inside a whole line, down to nothing.
    let whole = honest();
    let mac = field(&whole.prove, "/params/mac");
    for length in 0..mac.len() {
        let (_, ends) = through(|at, line| {
            if at == 2 {
                *line = line.replace(&mac, &mac[..length]);
            }
        });
        refused(ends.host, |e| matches!(e, HandshakeError::Malformed { .. }));
    }
    // Control: nothing cut off is accepted.
    assert!(through(|_, _| {}).1.host.is_ok());
}

#[test]
fn s_d8_a_downgrade_on_the_wire_is_refused() {
    let changes: [(usize, &str, &str); 5] = [
        (0, r#""ipc":[1]"#, r#""ipc":[0,1]"#),
        (0, r#""features":[]"#, r#""features":["noise"]"#),
        (
            0,
            r#""auth":["hmac-sha256"]"#,
            r#""auth":["hmac-sha256","none"]"#,
        ),
        (0, r#""heartbeat_ms":5000"#, r#""heartbeat_ms":50000000"#),
        (1, r#""api_built":"0.1.0""#, r#""api_built":"0.0.9""#),
    ];
    for (step, from, to) in changes {
        let (seen, ends) = through(|at, line| {
            if at == step {
                assert!(line.contains(from), "{line}");
                *line = line.replace(from, to);
            }
        });
        refused(ends.host, bad(Step::Prove));
        assert!(ends.plugin.is_err());
        // Control: a host that looked at the fields only, and not at the codes, would take it.
        assert!(fields_only(&seen.answer), "{}", seen.answer);
    }
}

/// A host without codes: it only looks whether the answer names what it offered.
fn fields_only(answer: &str) -> bool {
    field(answer, "/result/plugin/id") == "notes" && field(answer, "/result/api") == "0.1.0"
}

#[test]
fn s_d8_choices_that_were_not_offered_are_refused() {
    type Is = fn(&HandshakeError) -> bool;
    let changes: [(&str, &str, Is); 6] = [
        (r#""ipc":1"#, r#""ipc":2"#, |e| e.code() == "IPC_VERSION"),
        (r#""api":"0.1.0""#, r#""api":"0.2.0""#, |e| {
            e.code() == "API_VERSION"
        }),
        (r#""features":[]"#, r#""features":["blob"]"#, |e| {
            e.code() == "HANDSHAKE_DOWNGRADE"
        }),
        (r#""auth":"hmac-sha256""#, r#""auth":"none""#, |e| {
            e.code() == "HANDSHAKE_DOWNGRADE"
        }),
        (r#""id":"notes""#, r#""id":"other""#, |e| {
            e.code() == "IDENTITY_MISMATCH"
        }),
        (r#""version":"1.2.3""#, r#""version":"1.2.4""#, |e| {
            e.code() == "IDENTITY_MISMATCH"
        }),
    ];
    for (from, to, is_it) in changes {
        let (_, ends) = through(|at, line| {
            if at == 1 {
                assert!(line.contains(from), "{line}");
                *line = line.replace(from, to);
            }
        });
        refused(ends.host, is_it);
    }
    assert!(
        host(SECRET, HOST_NONCE).1.answer(&honest().answer).is_ok(),
        "control"
    );
}

#[test]
fn s_d8_an_artifact_of_another_digest_is_refused() {
    let (_, ends) = through(|at, line| {
        if at == 0 {
            *line = line.replace(&"ab".repeat(32), &"ba".repeat(32));
        }
    });
    refused(ends.host, bad(Step::Prove));
    // Control: codes over the nonces alone, as many schemes have them, would not notice.
    let seen = honest();
    let nonces = |hello: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
        mac.update(field(hello, "/params/nonce").as_bytes());
        mac.update(field(&seen.answer, "/result/nonce").as_bytes());
        mac.finalize().into_bytes()
    };
    let altered = seen.hello.replace(&"ab".repeat(32), &"ba".repeat(32));
    assert_eq!(nonces(&seen.hello), nonces(&altered));
}

#[test]
fn l11_the_key_of_another_plugin_or_start_is_refused() {
    let (hello, host_side) = host(SECRET, HOST_NONCE);
    let stranger = plugin(OTHER, PLUGIN_NONCE).hello(&hello).unwrap();
    let proof = host_side.answer(&stranger.answer).unwrap();
    refused(proof.prove(&stranger.prove), bad(Step::Prove));
    let (hello, host_side) = host(SECRET, HOST_NONCE);
    let own = plugin(SECRET, PLUGIN_NONCE).hello(&hello).unwrap();
    let proof = host_side.answer(&own.answer).unwrap();
    assert!(proof.prove(&own.prove).is_ok(), "control: the right key");
}

#[test]
fn l11_a_plugin_says_why_it_refuses_a_hello() {
    let other = offer().with_generation(8);
    let mut wrong = identity();
    wrong.api = ">=2, <3".parse().unwrap();
    let nonce = Nonce::from_bytes(HOST_NONCE);
    let (hello, host_side) = HostHello::begin(secret(SECRET), other, nonce).unwrap();
    let nonce = Nonce::from_bytes(PLUGIN_NONCE);
    let refused = PluginHello::begin(secret(SECRET), wrong, nonce).hello(&hello);
    let refused = refused.unwrap_err();
    assert_eq!(refused.error.code(), "API_VERSION");
    let error = host_side.answer(&refused.line.unwrap()).unwrap_err();
    assert_eq!(error.code(), "REFUSED_BY_PEER");
    let shown = error.to_string();
    assert!(
        shown.contains("api_version") && shown.contains(">=2, <3"),
        "{shown}"
    );
}

#[test]
fn l11_a_program_that_is_no_plugin_is_shown_with_its_first_bytes() {
    for first in ["Usage: ls [OPTION]…", "", "[1]", "null", "\u{1b}[31m{}"] {
        let error = host(SECRET, HOST_NONCE).1.answer(first).unwrap_err();
        assert_eq!(error.code(), "NOT_A_PLUGIN");
        assert!(error.to_string().is_ascii(), "{error}");
    }
    let long = HandshakeError::not_a_plugin(&[b'x'; 5_000]);
    assert!(long.to_string().len() < 300);
}

#[test]
fn l11_a_line_out_of_turn_is_refused() {
    let seen = honest();
    for line in [&seen.hello, &seen.prove, &seen.ready] {
        let answered = host(SECRET, HOST_NONCE).1.answer(line);
        refused(answered, |e| e.code() == "HANDSHAKE_MALFORMED");
    }
    for line in [&seen.hello, &seen.answer, &seen.ready] {
        let proof = host(SECRET, HOST_NONCE).1.answer(&seen.answer).unwrap();
        refused(proof.prove(line), |e| e.code() == "HANDSHAKE_MALFORMED");
    }
    for line in [&seen.answer, &seen.prove, &seen.ready] {
        let refused = plugin(SECRET, PLUGIN_NONCE).hello(line).unwrap_err();
        assert_eq!(refused.error.code(), "HANDSHAKE_MALFORMED");
        assert!(refused.line.is_none(), "nothing is said to whom is no host");
    }
    let early = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
    assert!(plugin(SECRET, PLUGIN_NONCE).hello(early).is_err());
}

#[test]
fn secrets_are_wiped_from_the_buffer_and_show_nothing() {
    let mut buffer = SECRET.to_vec();
    let secret = Secret::take(&mut buffer).unwrap();
    assert_eq!(buffer, [0; 32]);
    assert_eq!(format!("{secret:?}"), "[redacted]");
    let mut short = vec![1; 31];
    assert!(Secret::take(&mut short).is_none());
    assert_eq!(short, [0; 31], "wiped even when it is no secret");
    let (_, waiting) = host(SECRET, HOST_NONCE);
    assert!(!format!("{waiting:?}").contains("7, 7"));
    let verified = through(|_, _| {}).1.host.unwrap();
    assert!(format!("{verified:?}").contains("[redacted]"));
}

#[test]
fn drawn_secrets_and_nonces_differ() {
    let (a, b) = (Secret::draw().unwrap(), Secret::draw().unwrap());
    assert_ne!(a.expose(), b.expose());
    assert_ne!(Nonce::draw().unwrap(), Nonce::draw().unwrap());
}

pub(crate) fn field(line: &str, pointer: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    value.pointer(pointer).unwrap().as_str().unwrap().to_owned()
}
