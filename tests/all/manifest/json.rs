//! Attack E2: JSON that readers disagree about. Each value stands in an ignored field of an
//! otherwise good manifest, so the verdict is on the JSON alone.

use keyway_plugin_api::Manifest;
use proptest::prelude::*;
use serde_json::Value;

const HEAD: &str = r#"{ "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
    "name": "notes", "version": "1.0.0", "x": "#;

fn around(value: &[u8]) -> Vec<u8> {
    [HEAD.as_bytes(), value, b"}"].concat()
}

#[track_caller]
fn refused(document: &[u8], code: &str) {
    let shown = String::from_utf8_lossy(document.get(HEAD.len()..).unwrap_or(document));
    let Err(error) = Manifest::parse(document) else {
        panic!("accepted: {shown}");
    };
    let codes: Vec<&str> = error
        .problems()
        .iter()
        .map(|problem| problem.code)
        .collect();
    assert!(codes.iter().all(|found| *found == code), "{shown}: {error}");
}

const ACCEPTED: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "123",
    "9007199254740993",
    "0.5",
    "-0.5",
    "18446744073709551615",
    "-9223372036854775808",
    "1e0",
    "1E0",
    "1e+2",
    "1e-2",
    "0e1",
    "0e+1",
    "1.5e300",
    "1e308",
    "4.9e-324",
    "1e-400",
    "\"\"",
    "\"a\"",
    "\" \"",
    "\"\\u0000\"",
    "\"\\u0061\"",
    "\"\\ud83d\\ude00\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\u{7f}\"",
    "\"\u{85}\"",
    "\"\u{2028}\"",
    "\"\u{10ffff}\"",
    "\"\u{feff}\"",
    "\"//\"",
    "\"/* */\"",
    "\"[[[[\"",
    "\"{\\\"a\\\":\"",
    "[]",
    "[ ]",
    "[1]",
    "[1,2]",
    "[[]]",
    "[null, 1, \"1\", {}]",
    "[\n1\n]",
    "[\t1\r]",
    " [1] ",
    "{}",
    "{ }",
    "{\"a\":1}",
    "{\"\":0}",
    "{\"a\":{\"a\":1}}",
    "{\"a\":[{\"a\":1},{\"a\":1}]}",
    "{\"a\\u0000b\":1}",
    "{\"a\":1,\"b\":1}",
    "[\"a\"]\n",
    "{\"A\":1,\"a\":1}",
];

#[test]
fn s_e2_valid_json_is_accepted() {
    for value in ACCEPTED {
        let document = around(value.as_bytes());
        let (manifest, notices) = Manifest::parse(&document).expect(value);
        assert_eq!(notices.len(), 1, "{value}");
        let plain: Value = serde_json::from_str(value).unwrap();
        assert_eq!(manifest.source()["x"], plain, "{value}");
    }
}

const REFUSED: &[&str] = &[
    "",
    " ",
    "nul",
    "Null",
    "tru",
    "truee",
    "True",
    "nan",
    "NaN",
    "Infinity",
    "-Infinity",
    "inf",
    "undefined",
    "-",
    "+1",
    "--1",
    "-+1",
    "++1",
    "01",
    "-01",
    "00",
    "1.",
    ".1",
    "-.1",
    "1.e1",
    "1e",
    "1e+",
    "1E-",
    "1eE2",
    "1.2.3",
    "0x1",
    "0x",
    "1_000",
    "1 000",
    "1,000",
    "1-2",
    "1+2",
    "\u{ff11}",
    "1a",
    "'a'",
    "a",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\a\"",
    "\"\\x00\"",
    "\"\\u\"",
    "\"\\u1\"",
    "\"\\u12\"",
    "\"\\u123\"",
    "\"\\u123g\"",
    "\"\\U0041\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\ud800\"",
    "\"\\ud800a\"",
    "\"\\ud800\\n\"",
    "\"\\uD800\\uDBFF\"",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\0\"",
    "\"\u{1f}\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[,1]",
    "[1,]",
    "[1,,2]",
    "[1 2]",
    "[1}",
    "[1:2]",
    "[\"a\",\n4\n,1,",
    "[\"\":1]",
    "[1]]",
    "[1],[2]",
    "{",
    "{]",
    "{\"a\"",
    "{\"a\"}",
    "{\"a\":",
    "{\"a\":}",
    "{:1}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{\"a\":1,}",
    "{\"a\":1,,\"b\":2}",
    "{\"a\" 1}",
    "{\"a\"=1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1}}",
    "/* */ 1",
    "// x\n1",
    "# x\n1",
    "<null>",
];

#[test]
fn s_e2_invalid_json_is_refused() {
    for value in REFUSED {
        refused(&around(value.as_bytes()), "NOT_JSON");
    }
}

#[test]
fn s_e2_bytes_that_are_no_text_are_refused() {
    for value in [
        &b"\"\xff\""[..],
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xe2\x82\"",
        b"\xe9",
        b"\"\x80\"",
        b"[\xff]",
        b"{\"\xb9\":0}",
    ] {
        refused(&around(value), "NOT_UTF8");
    }
    let utf16: Vec<u8> = HEAD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&[b"\xff\xfe", utf16.as_slice()].concat(), "NOT_UTF8");
}

#[test]
fn s_e2_whole_documents_of_the_wrong_shape_are_refused() {
    let good = around(b"1");
    assert!(Manifest::parse(&good).is_ok());
    refused(
        &[b"\xef\xbb\xbf", good.as_slice()].concat(),
        "BYTE_ORDER_MARK",
    );
    for tail in ["x", "{}", "1", "\"", "]", "}", "\0", "// end", "\u{feff}"] {
        refused(&[good.as_slice(), tail.as_bytes()].concat(), "NOT_JSON");
    }
    assert!(Manifest::parse(&[good.as_slice(), b" \n\t\r"].concat()).is_ok());
    for document in ["[]", "1", "\"a\"", "null", "true"] {
        refused(document.as_bytes(), "WRONG_TYPE");
    }
    for cut in 0..good.len() {
        refused(&good[..cut], "NOT_JSON");
    }
}

#[test]
fn s_e2_keys_that_stand_twice_are_refused_wherever_they_are() {
    for value in [
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":1,\"\\u0061\":2}",
        "{\"\":1,\"\":2}",
        "[[{\"a\":{},\"a\":{}}]]",
        "1, \"name\": \"other\"",
        "1, \"extensions\": {}, \"extensions\": {}",
        "1, \"extensions\": { \"dev.keyway\": { \"risk\": \"low\", \"risk\": \"high\" } }",
    ] {
        refused(&around(value.as_bytes()), "DUPLICATE_KEY");
        // Control: the plain reader keeps the last one and says nothing.
        assert!(
            serde_json::from_slice::<Value>(&around(value.as_bytes())).is_ok(),
            "{value}"
        );
    }
    let mut twice: Value = serde_json::from_slice(&around(b"1, \"name\": \"other\"")).unwrap();
    assert_eq!(
        twice["name"].take(),
        "other",
        "control: the forged name wins unseen"
    );
    let error = Manifest::parse(&around(b"[{}, {\"k\\n\": 1, \"k\\n\": 2}]")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the manifest is invalid: x[1][\"k\\n\"]: the key `k\\n` stands twice"
    );
}

#[test]
fn s_e2_numbers_that_would_change_are_refused() {
    for value in [
        "1e400",
        "-1e400",
        "1e309",
        "[1e999999999]",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ] {
        refused(&around(value.as_bytes()), "NUMBER_OUT_OF_RANGE");
    }
    // Control: the plain reader turns the long one into another number.
    let long: Value = serde_json::from_str("123456789012345678901234567890").unwrap();
    assert_eq!(long.to_string(), "1.2345678901234568e+29");
    let long = "9".repeat(60_000);
    refused(&around(long.as_bytes()), "NUMBER_OUT_OF_RANGE");
}

#[test]
fn s_e2_depth_is_bounded() {
    let nested = |open: &str, close: &str, depth: usize| {
        around(format!("{}1{}", open.repeat(depth), close.repeat(depth)).as_bytes())
    };
    // The manifest's own object is the first level.
    assert!(Manifest::parse(&nested("[", "]", 63)).is_ok());
    assert!(Manifest::parse(&nested("{\"a\":", "}", 63)).is_ok());
    for depth in [64, 65, 127, 128, 1000, 10_000, 30_000] {
        refused(&nested("[", "]", depth), "TOO_DEEP");
        refused(&around("[".repeat(depth).as_bytes()), "TOO_DEEP");
    }
    for depth in [64, 1000, 9_000] {
        refused(&nested("{\"a\":", "}", depth), "TOO_DEEP");
    }
    refused("[".repeat(100_000).as_bytes(), "TOO_LARGE");
    // Control: the plain reader takes twice that depth.
    assert!(serde_json::from_slice::<Value>(&nested("[", "]", 100)).is_ok());
    let brackets_in_text = format!("\"{}\"", "[".repeat(1000));
    assert!(Manifest::parse(&around(brackets_in_text.as_bytes())).is_ok());
}

#[test]
fn s_e2_size_is_bounded() {
    let padded = |size: usize| {
        let mut document = around(b"1");
        document.resize(size, b' ');
        document
    };
    assert!(Manifest::parse(&padded(64 * 1024)).is_ok());
    refused(&padded(64 * 1024 + 1), "TOO_LARGE");
    let error = Manifest::parse(&padded(64 << 20)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the manifest is invalid: $: 67108864 bytes are too many: at most 65536 are read"
    );
    // Control: the plain reader reads all of it.
    assert!(serde_json::from_slice::<Value>(&padded(1 << 20)).is_ok());
}

#[test]
fn s_e2_a_flood_of_problems_is_cut_off() {
    let flood = vec!["\"a\":1"; 9000].join(",");
    let error = Manifest::parse(&around(format!("{{{flood}}}").as_bytes())).unwrap_err();
    assert_eq!(error.problems().len(), 256);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn s_e2_no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ignored = (Manifest::parse(&bytes), Manifest::parse_claude(&bytes));
    }

    #[test]
    fn s_e2_no_json_like_text_makes_the_reader_panic(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\u a-d]{0,60}") {
        let document = around(text.as_bytes());
        let ours = Manifest::parse(&document);
        // Whatever is accepted reads as the plain reader reads it.
        if let Ok((manifest, _)) = ours {
            let plain: Value = serde_json::from_slice(&document).unwrap();
            prop_assert_eq!(manifest.source(), &plain);
        }
    }

    #[test]
    fn s_e2_a_changed_byte_never_panics(spot in any::<prop::sample::Index>(), byte: u8) {
        let example = include_bytes!("../../fixtures/manifests/full-example/plugin.json");
        let mut bytes = example.to_vec();
        let spot = spot.index(bytes.len());
        bytes[spot] = byte;
        if let Ok((manifest, _)) = Manifest::parse(&bytes) {
            prop_assert_eq!(manifest.source(), &serde_json::from_slice::<Value>(&bytes).unwrap());
        }
    }
}
