//! Guessing which known name a mistyped one stands for. It only ever suggests.

use strsim::levenshtein as distance;

/// Edits that a long name may be away.
const EDITS_MAX: usize = 2;

/// Returns the known name that was probably meant: at most two edits away, and less than half of
/// the name.
pub(crate) fn nearest<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let distances = known.map(|name| (distance(typed, name), name));
    let (edits, name) = distances.min()?;
    (edits <= EDITS_MAX && 2 * edits < name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("notes", "notes", 0),
            ("ntes", "notes", 1),
            ("nootes", "notes", 1),
            ("nodes", "notes", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn a_name_is_suggested_only_where_it_is_near() {
        let known = ["llm", "plain-notes", "plain-votes"];
        for (typed, expected) in [
            ("plain-note", Some("plain-notes")),
            ("plainotes", Some("plain-notes")),
            ("lm", Some("llm")),
            ("xyz", None),
            ("lxx", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), expected, "{typed}");
        }
    }
}
