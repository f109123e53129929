//! Attack F6: text that acts on a terminal or a log.

use std::collections::BTreeSet;

use keyway_host::text::{EXCERPT_CHARS, excerpt, is_unsafe, printable, printable_lines};
use proptest::prelude::*;

const SEQUENCES: [&str; 16] = [
    "\u{1b}[2J\u{1b}[1;1H",
    "\u{1b}]8;;http://evil.test\u{7}ok\u{1b}]8;;\u{7}",
    "\u{1b}]52;c;cm0gLXJm\u{7}",
    "\u{1b}]0;title\u{1b}\\",
    "\u{9b}31m",
    "\u{9d}0;title\u{9c}",
    "\u{90}q\u{9c}",
    "ok\rno",
    "a\u{8}b",
    "line\n{\"event\":\"approved\"}",
    "\u{7f}",
    "\0",
    "\u{202e}txt.exe",
    "\u{2066}a\u{2069}",
    "a\u{e0041}\u{e0042}b",
    "in\u{200b}visible\u{feff}",
];

#[test]
fn s_f6_no_escape_sequence_survives() {
    for sequence in SEQUENCES {
        for shown in [printable(sequence), excerpt(sequence)] {
            assert!(
                !shown.chars().any(is_unsafe),
                "{sequence:?} became {shown:?}"
            );
            assert_ne!(shown, sequence);
        }
        let lines = printable_lines(sequence);
        assert!(!lines.chars().any(|c| c != '\n' && is_unsafe(c)));
    }
}

/// The control: printed as they are, these bytes reach the terminal.
#[test]
fn s_f6_control_unescaped_they_carry_control_bytes() {
    let raw = |s: &&'static str| {
        format!("name: {s}")
            .bytes()
            .any(|b| b < 0x20 || b == 0x7f || b >= 0x80)
    };
    assert!(SEQUENCES.iter().all(raw));
}

#[test]
fn s_f6_no_single_character_acts_on_its_own() {
    for c in '\0'..=char::MAX {
        let text = String::from(c);
        let shown = printable(&text);
        assert!(!shown.chars().any(is_unsafe), "U+{:04X}", u32::from(c));
        assert_eq!(shown == text, !is_unsafe(c), "U+{:04X}", u32::from(c));
    }
}

#[test]
fn different_texts_stay_different_and_readable() {
    let texts = [
        "\u{1b}[1m",
        "plain",
        "caf\u{e9}",
        "日本語",
        "مرحبا",
        "\u{2764}\u{fe0f}",
        "👩\u{200d}🔬",
        "می\u{200c}خواهم",
    ];
    let shown: BTreeSet<_> = texts.iter().map(|t| printable(t)).collect();
    assert_eq!(shown.len(), texts.len());
    for text in &texts[1..] {
        assert_eq!(printable(text), *text);
    }
    // After ASCII a joiner hides something.
    assert_eq!(printable("a\u{200d}b\u{fe0f}"), r"a\u{200d}b\u{fe0f}");
}

#[test]
fn an_excerpt_is_short_and_says_that_it_was_cut() {
    let long = "é".repeat(10_000);
    let cut = excerpt(&long);
    assert_eq!(cut.chars().count(), EXCERPT_CHARS + 1);
    assert!(cut.ends_with('…'));
    assert_eq!(excerpt("short"), "short");
}

proptest! {
    #[test]
    fn s_f6_nothing_printed_holds_a_control(text in any::<String>()) {
        prop_assert!(!printable(&text).chars().any(char::is_control));
        prop_assert!(!printable_lines(&text).chars().any(|c| c != '\n' && c.is_control()));
        prop_assert!(!excerpt(&text).chars().any(char::is_control));
    }

    #[test]
    fn printing_twice_is_printing_once(text in any::<String>()) {
        let once = printable(&text).into_owned();
        prop_assert_eq!(printable(&once), once.as_str());
    }
}
