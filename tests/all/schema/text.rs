//! JSON text is measured before it is parsed, and parsed to one meaning only.

use keyway_host::limits::Limits;
use keyway_host::schema::{check_text, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn depth_counts_brackets_outside_of_strings() {
    let limits = Limits::default();
    let fine = [
        "[".repeat(64) + &"]".repeat(64),
        "[[],".repeat(63),
        format!("\"{}\"", "[".repeat(1_000)),
        format!(r#"{{"a\"{}": 1}}"#, "{".repeat(1_000)),
        format!(r#"["\\", "{}"]"#, "[".repeat(1_000)),
        "]".repeat(1_000),
        String::new(),
    ];
    for text in fine {
        assert!(check_text(&text, &limits).is_ok(), "{text}");
    }
    for text in [
        "[".repeat(65),
        r#"{"a":"#.repeat(65),
        "[{\"a\":".repeat(40),
        "[".repeat(100_000),
        format!(r#""\\"{}"#, "[".repeat(65)),
    ] {
        assert!(check_text(&text, &limits).is_err(), "{text:.80}");
    }
}

#[test]
fn text_beyond_the_limit_is_refused_unread() {
    let limits = Limits {
        arguments_bytes: 10,
        ..Limits::default()
    };
    assert!(check_text("[1,2,3,45]", &limits).is_ok());
    let refused = check_text("[1,2,3,456]", &limits).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "arguments: 11 bytes are too many; send at most 10"
    );
}

#[test]
fn text_with_two_meanings_is_refused() {
    let refused = [
        r#"{"name":"a","name":"b"}"#,
        r#"{"x":{"name":"a","\u006eame":"b"}}"#,
        r#"[{"a":1,"b":2,"a":1}]"#,
        "\u{feff}{}",
        "{} {}",
        "{}x",
        "1e400",
        r#""\ud800""#,
        "",
        "nul",
        "{\"a\":}",
        "[1,]",
        "NaN",
        "'a'",
    ];
    for text in refused {
        assert!(parse(text, &Limits::default()).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_parsed_is_what_serde_json_parses(text in json_text()) {
        let ours = parse(&text, &Limits::default()).unwrap();
        prop_assert_eq!(ours, serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn no_text_is_taken_that_serde_json_refuses(text in r#"[\[\]{}:,"\\a0-9.eE+ \-]{0,40}"#) {
        if parse(&text, &Limits::default()).is_ok() {
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<u64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".*".prop_map(|s| json!(s)),
    ];
    let tree = leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(|v| json!(v)),
            prop::collection::btree_map(".*", inner, 0..8).prop_map(|m| json!(m)),
        ]
    });
    tree.prop_map(|value| value.to_string())
}
