//! Spellings of names.

use proc_macro2::Ident;

/// Writes a snake_case name in UpperCamelCase: `search_issues` becomes `SearchIssues`.
pub(crate) fn upper_camel(ident: &Ident) -> String {
    let plain = plain(ident);
    plain
        .split('_')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(chars).collect()
            })
        })
        .collect()
}

/// Writes an UpperCamelCase name in snake_case: `NoSuchNote` becomes `no_such_note`.
pub(crate) fn snake(ident: &Ident) -> String {
    let plain = plain(ident);
    let mut out = String::new();
    for (i, c) in plain.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// Returns a name without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use proc_macro2::{Ident, Span};

    #[test]
    fn names_change_their_spelling() {
        let ident = |text| Ident::new(text, Span::call_site());
        assert_eq!(super::upper_camel(&ident("search_issues")), "SearchIssues");
        assert_eq!(super::upper_camel(&ident("_a__b2")), "AB2");
        assert_eq!(super::snake(&ident("NoSuchNote")), "no_such_note");
        assert_eq!(
            super::plain(&Ident::new_raw("type", Span::call_site())),
            "type"
        );
    }
}
