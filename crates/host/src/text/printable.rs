//! Text made safe for a terminal and a log line.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters after which an excerpt is cut.
const EXCERPT_CHARS: usize = 120;

/// Tells whether a character can act on a terminal or hide from its reader: controls (C0, DEL,
/// C1), bidirectional controls, the tag block, zero-width and other invisible characters.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || is_bidi_control(c) || is_tag(c) || is_invisible(c)
}

pub(super) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

pub(super) fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0000}'..='\u{E007F}')
}

pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200D}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0100}'..='\u{E01EF}'
    )
}

/// Writes text so that nothing in it can act on a terminal or hide: on one line, with every
/// unsafe character as `\u{…}`.
///
/// ```
/// use keyway_host::text::printable;
/// assert_eq!(printable("caf\u{e9}"), "caf\u{e9}");
/// assert_eq!(printable("\u{1b}[2J\n"), r"\u{1b}[2J\n");
/// ```
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, false)
}

/// Does the same and keeps line breaks.
#[must_use]
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, true)
}

/// Returns the beginning of a text, printable, with `…` where it was cut.
#[must_use]
pub fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(EXCERPT_CHARS) {
        None => printable(text),
        Some((end, _)) => Cow::Owned(format!("{}…", printable(&text[..end]))),
    }
}

fn escape(text: &str, keep_lines: bool) -> Cow<'_, str> {
    let stays = |c: char| !is_unsafe(c) || (keep_lines && c == '\n');
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if stays(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(out)
}
