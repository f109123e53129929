//! Text made safe for a terminal and a log line.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::visible::{is_bidi_control, is_invisible, is_joiner, is_tag};

/// Characters after which an excerpt is cut.
pub const EXCERPT_CHARS: usize = 120;

/// Tells whether a character can act on a terminal or hide from its reader: controls (C0, DEL,
/// C1), bidirectional controls, the tag block, zero-width and other invisible characters.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control() || is_bidi_control(c) || is_tag(c) || is_invisible(c) || is_joiner(c)
}

/// Writes text so that nothing in it can act on a terminal or hide: on one line, with every
/// unsafe character as `\u{…}`.
///
/// A joiner or variation selector stays where it belongs to the character before it, as in
/// emoji and in Persian or Indic words.
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
    let stays = |before: char, c: char| match c {
        '\n' => keep_lines,
        c if is_joiner(c) => !before.is_ascii() && !is_unsafe(before),
        c => !is_unsafe(c),
    };
    let befores = || std::iter::once('\0').chain(text.chars());
    if befores().zip(text.chars()).all(|(b, c)| stays(b, c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for (before, c) in befores().zip(text.chars()) {
        match c {
            c if stays(before, c) => out.push(c),
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
