//! Text in which something hides from the person who approves it.

use keyway_plugin_api::ToolDescriptor;

use super::inventory::inventory;

/// Invisible characters in a row from which on they are taken for hidden data; written language
/// and emoji need two at most.
const RUN_MAX: usize = 2;

/// Says what hides in a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} U+{code_point:04X} at byte {at} of {path} is refused")]
#[non_exhaustive]
pub struct TextProblem {
    /// Where the text stands, as a JSON pointer; `the text` when it stands alone.
    pub path: String,
    /// Byte offset of the character.
    pub at: usize,
    /// The character's number.
    pub code_point: u32,
    /// What kind of character it is.
    pub what: &'static str,
}

impl TextProblem {
    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "TEXT_HIDDEN"
    }
}

/// Checks that a person sees what a model reads: no tag characters, no bidirectional controls and
/// no run of invisible characters.
///
/// ```
/// use keyway_host::text::check_visible;
/// assert!(check_visible("Lists the notes \u{2764}\u{fe0f}").is_ok());
/// assert!(check_visible("Lists the notes\u{e0041}\u{e0042}").is_err());
/// ```
///
/// # Errors
/// [`TextProblem`] with the first such character.
pub fn check_visible(text: &str) -> Result<(), TextProblem> {
    let mut run = 0;
    for (at, c) in text.char_indices() {
        run = if is_invisible(c) || is_joiner(c) {
            run + 1
        } else {
            0
        };
        let what = match c {
            c if is_tag(c) => "tag character",
            c if is_bidi_control(c) => "bidirectional control",
            _ if run > RUN_MAX => "invisible character in a run",
            _ => continue,
        };
        return Err(TextProblem {
            path: "the text".to_owned(),
            at,
            code_point: c.into(),
            what,
        });
    }
    Ok(())
}

/// Checks every string of a descriptor with [`check_visible`].
///
/// # Errors
/// [`TextProblem`] with the path of the string.
pub fn check_descriptor_visible(descriptor: &ToolDescriptor) -> Result<(), TextProblem> {
    inventory(descriptor)
        .into_iter()
        .try_for_each(|(path, text)| {
            check_visible(&text).map_err(|problem| TextProblem { path, ..problem })
        })
}

/// Unicode's property `Bidi_Control`.
pub(super) fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The tag block: a copy of ASCII that nothing draws.
pub(super) fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0000}'..='\u{E007F}')
}

/// Characters that belong to the one before them: joiners and variation selectors.
pub(super) fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Other characters that take no place of their own or look like a space.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206A}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0080}'..='\u{E00FF}'
            | '\u{E01F0}'..='\u{E0FFF}'
    )
}
