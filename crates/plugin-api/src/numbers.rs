//! Integers that a model wrote as floats.
//!
//! JSON Schema calls `1.0` an integer and serde does not. Where the schema says yes the parser
//! must not say no, so a text that serde refused is tried once more with such numbers respelled.

use std::ops::Range;

/// Respells every number with an integral value and a fraction or an exponent as an integer, for
/// example `1.0`, `1e3` and `-0`. Returns `None` when there is none.
///
/// Works on the text: duplicate keys, order and everything else stay as they were.
pub(crate) fn respell_integral_floats(json: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for number in number_tokens(json.as_bytes()) {
        let Some(integer) = integral(&json[number.clone()]) else {
            continue;
        };
        out.push_str(&json[copied..number.start]);
        out.push_str(&integer);
        copied = number.end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&json[copied..]);
    Some(out)
}

/// Finds the numbers of a JSON text: runs of number characters outside strings. In a text that
/// is not JSON it may find others; serde refuses such a text either way.
fn number_tokens(json: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < json.len() {
            match json[at] {
                b'"' => at = end_of_string(json, at),
                b'-' | b'0'..=b'9' => {
                    let start = at;
                    at += json[at..]
                        .iter()
                        .take_while(|b| is_number_byte(**b))
                        .count();
                    return Some(start..at);
                }
                _ => at += 1,
            }
        }
        None
    })
}

fn is_number_byte(b: u8) -> bool {
    matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
}

fn end_of_string(json: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < json.len() {
        match json[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    json.len()
}

/// Returns the integer's own spelling of a float with an integral value that 64 bits hold.
fn integral(number: &str) -> Option<String> {
    if number == "-0" {
        return Some("0".to_owned());
    }
    if !number.contains(['.', 'e', 'E']) {
        return None;
    }
    // The same reading of the number that the validator has.
    let value = serde_json::from_str::<serde_json::Value>(number)
        .ok()?
        .as_f64()?;
    let fits = value.fract() == 0.0 && (-TWO_63..2.0 * TWO_63).contains(&value);
    // Adding zero turns minus zero into zero; formatting writes every digit.
    fits.then(|| format!("{:.0}", value + 0.0))
}

const TWO_63: f64 = 9_223_372_036_854_775_808.0;

#[cfg(test)]
mod tests {
    use super::respell_integral_floats;

    #[test]
    fn integral_floats_become_integers_and_nothing_else_changes() {
        let table = [
            (r#"{"a":1.0}"#, Some(r#"{"a":1}"#)),
            (r#"{"a":-2.50e1, "b": 1.5}"#, Some(r#"{"a":-25, "b": 1.5}"#)),
            (r#"{"1.0":"2.0"}"#, None),
            (r#"["\"1.0", 1e3]"#, Some(r#"["\"1.0", 1000]"#)),
            ("[-0, -0.0]", Some("[0, 0]")),
            (r#"{"a":1.0,"a":2}"#, Some(r#"{"a":1,"a":2}"#)),
            ("[1e300]", None),
            ("[1e400]", None),
            ("[12, 0]", None),
            ("[18446744073709551616.0]", None),
            ("\"1.0", None),
            ("1.0", Some("1")),
        ];
        for (json, expected) in table {
            assert_eq!(respell_integral_floats(json).as_deref(), expected, "{json}");
        }
    }
}
