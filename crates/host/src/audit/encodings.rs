//! The forms in which a secret turns up.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Returns every text that gives the value away.
///
/// Letters may differ in case from what is returned: the search ignores it, so upper- and
/// lower-case hexadecimal are one form here.
pub(super) fn encodings(value: &str) -> Vec<String> {
    let escaped = json_escaped(value);
    let mut forms = vec![
        json_escaped(&escaped),
        json_unicode_escaped(value),
        value.chars().rev().collect(),
        escaped,
        value.to_owned(),
        percent_encoded(value, |_| true),
        percent_encoded(value, is_reserved),
        percent_encoded(value, is_reserved).replace("%20", "+"),
        hexadecimal(value.as_bytes()),
    ];
    for text in base64_forms(value.as_bytes()) {
        forms.push(percent_encoded(&text, is_reserved));
        forms.push(text);
    }
    // In a record every string is escaped once more.
    let in_records: Vec<_> = forms.iter().map(|form| json_escaped(form)).collect();
    forms.extend(in_records);
    forms.retain(|form| form.len() >= super::Redactor::SHORTEST);
    forms
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn json_unicode_escaped(text: &str) -> String {
    let units = text.encode_utf16();
    units.map(|unit| format!("\\u{unit:04x}")).collect()
}

fn percent_encoded(text: &str, encode: fn(u8) -> bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if encode(byte) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

fn is_reserved(byte: u8) -> bool {
    !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base64 of the value alone, and what stays the same of it inside a longer base64 text: there
/// the value starts at one of three alignments, and the characters at its edges also carry bits
/// of its neighbours.
fn base64_forms(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for (padded, bare) in [(STANDARD, STANDARD_NO_PAD), (URL_SAFE, URL_SAFE_NO_PAD)] {
        forms.push(padded.encode(value));
        forms.push(bare.encode(value));
        for shift in 0..3 {
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(value);
            let text = bare.encode(&shifted);
            let (from, to) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
            forms.push(text[from..to].to_owned());
        }
    }
    forms
}
