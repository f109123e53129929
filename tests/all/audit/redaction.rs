//! No secret gets into the trail, whatever it is wrapped in.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use keyway_host::audit::{AuditEvent, AuditSink, REDACTED, Redactor};
use keyway_plugin_api::SecretValue;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::support::{Scene, notice};

/// A secret that every encoding has something to do with.
const CANARY: &str = "kw\"S3cr3t/é+\n?key=42\\~end";

type Encode = fn(&str) -> String;

/// The twelve forms of I1, and those that fell out on the way.
const ENCODINGS: [(&str, Encode); 20] = [
    ("raw", str::to_owned),
    ("JSON-escaped", json),
    ("JSON in JSON", |s| json(&json(s))),
    ("JSON in ASCII", |s| {
        s.encode_utf16()
            .map(|unit| format!("\\u{unit:04X}"))
            .collect()
    }),
    ("base64", |s| STANDARD.encode(s)),
    ("base64 without padding", |s| STANDARD_NO_PAD.encode(s)),
    ("base64url", |s| URL_SAFE.encode(s)),
    ("base64url without padding", |s| URL_SAFE_NO_PAD.encode(s)),
    ("base64 at alignment 0", |s| {
        STANDARD.encode(format!("abc{s}z"))
    }),
    ("base64 at alignment 1", |s| {
        STANDARD.encode(format!("a{s}z"))
    }),
    ("base64 at alignment 2", |s| {
        STANDARD.encode(format!("ab{s}z"))
    }),
    ("base64url at alignment 2", |s| {
        URL_SAFE.encode(format!("ab{s}z"))
    }),
    ("base64 in a URL", |s| percent(&STANDARD.encode(s), false)),
    ("percent", |s| percent(s, false)),
    ("percent in lower case", |s| {
        percent(s, false).to_lowercase()
    }),
    ("percent, every byte", |s| percent(s, true)),
    ("form", |s| percent(s, false).replace("%20", "+")),
    ("hexadecimal", |s| hex(s).to_lowercase()),
    ("HEXADECIMAL", hex),
    ("reversed", |s| s.chars().rev().collect()),
];

#[test]
fn s_i1_a_secret_is_scrubbed_in_every_encoding() {
    let redactor = Redactor::new();
    assert!(redactor.learn(&SecretValue::new(CANARY)));
    for (name, encode) in ENCODINGS {
        let text = format!("before {} after", encode(CANARY));
        let scrubbed = redactor.redact(&text);
        assert!(scrubbed.contains(REDACTED), "{name}: {scrubbed}");
        assert!(
            scrubbed.starts_with("before ") && scrubbed.ends_with(" after"),
            "{name}"
        );
        assert_eq!(
            pieces_left(&encode(CANARY), &scrubbed),
            "",
            "{name}: {scrubbed}"
        );
        // Control: a redactor that was not told lets it pass.
        assert_eq!(Redactor::new().redact(&text), text, "{name}");
    }
}

#[test]
fn s_i1_no_encoding_reaches_the_file_and_the_chain_holds() {
    for (name, encode) in ENCODINGS {
        let wrapped = encode(CANARY);
        let redactor = Redactor::new();
        redactor.learn(&SecretValue::new(CANARY));
        let text = written(redactor, &wrapped);
        assert!(text.contains(REDACTED), "{name}: {text}");
        assert_eq!(pieces_left(&json(&wrapped), &text), "", "{name}: {text}");
        // Control: without the redactor the same event carries the canary to the file.
        let leaked = written(Redactor::new(), &wrapped);
        assert!(leaked.contains(&json(&wrapped)), "{name}: {leaked}");
    }
}

#[test]
fn s_i1_every_string_of_an_event_is_scrubbed() {
    let redactor = Redactor::new();
    redactor.learn(&SecretValue::new("hunter2!"));
    let scene = Scene::new();
    let audit = scene.open_with(redactor);
    let change = keyway_host::audit::Change::new().set(
        "/entries/hunter2!",
        serde_json::json!({"deep": ["xhunter2!x", {"hunter2!": 1}]}),
    );
    audit.record(AuditEvent::CatalogRepaired {
        what: "found hunter2!".into(),
        kept: Some("/tmp/hunter2!".into()),
        change: Box::new(change),
    });
    audit.flush().unwrap();
    assert!(!scene.text().contains("hunter2!"), "{}", scene.text());
    assert_eq!(scene.text().matches(REDACTED).count(), 5);
    assert!(matches!(
        scene.events()[0],
        AuditEvent::CatalogRepaired { .. }
    ));
    assert_eq!(scene.verified_head().seq, 1);
}

#[test]
fn s_i1_a_secret_learnt_after_the_event_was_queued_is_still_scrubbed() {
    let redactor = Redactor::new();
    let scene = Scene::new();
    let audit = scene.open_with(redactor.clone());
    redactor.learn(&SecretValue::new("hunter2!"));
    audit.record_durably(notice("said hunter2!")).unwrap();
    assert!(scene.text().contains("said [redacted]"));
}

#[test]
fn s_i1_a_secret_that_looks_like_the_record_itself_breaks_nothing() {
    for secret in [
        "\"event\":\"",
        "notice",
        "\",\"message\":",
        "sha256:",
        "info",
    ] {
        let redactor = Redactor::new();
        redactor.learn(&SecretValue::new(secret));
        let scene = Scene::new();
        let audit = scene.open_with(redactor);
        audit
            .record_durably(notice(&format!("<{secret}>")))
            .unwrap();
        assert_eq!(scene.verified_head().seq, 1, "{secret}");
        let record = scene.trail().records().unwrap().next().unwrap().unwrap();
        assert_eq!(record.kind, "notice", "{secret}");
        assert!(
            record.as_line().contains("<[redacted]>"),
            "{}",
            record.as_line()
        );
    }
}

#[test]
fn each_line_of_a_private_key_is_learnt() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASCBK\n-----END KEY-----\n";
    let redactor = Redactor::new();
    redactor.learn(&SecretValue::new(key));
    assert_eq!(
        redactor.redact("line: kiG9w0BAQEFAASCBK."),
        "line: [redacted]."
    );
}

#[test]
fn a_value_too_short_to_search_for_is_not_learnt() {
    let redactor = Redactor::new();
    assert!(!redactor.learn(&SecretValue::new("abc")));
    assert!(!redactor.learn(&SecretValue::new("  a \n")));
    assert_eq!(redactor.redact("abc"), "abc");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn s_i1_any_secret_in_any_encoding_is_scrubbed(secret in "[ -~é]{8,40}") {
        let secret = secret.trim();
        let redactor = Redactor::new();
        redactor.learn(&SecretValue::new(secret));
        for (name, encode) in ENCODINGS {
            let wrapped = encode(secret);
            let scrubbed = redactor.redact(&wrapped).into_owned();
            prop_assert!(secret.len() < 4 || !scrubbed.contains(&wrapped), "{}: {}", name, scrubbed);
        }
    }

    #[test]
    fn text_without_secrets_is_left_alone(text: String) {
        let redactor = Redactor::new();
        redactor.learn(&SecretValue::new("a canary that is not in there"));
        prop_assert_eq!(redactor.redact(&text), text.as_str());
    }
}

/// The longest piece of a wrapped secret, of 6 characters or more, that is still there.
fn pieces_left(wrapped: &str, scrubbed: &str) -> String {
    let chars: Vec<char> = wrapped.chars().collect();
    let pieces = chars
        .windows(6)
        .map(|window| window.iter().collect::<String>());
    pieces
        .filter(|piece| scrubbed.contains(piece.as_str()))
        .collect()
}

fn written(redactor: Redactor, message: &str) -> String {
    let scene = Scene::new();
    let audit = scene.open_with(redactor);
    audit.record_durably(notice(message)).unwrap();
    scene.verified_head();
    scene.text()
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(text: &str, every: bool) -> String {
    let plain = |byte: u8| !every && (byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    let encoded = text.bytes().map(|byte| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}
