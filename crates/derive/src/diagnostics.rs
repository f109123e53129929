//! Collects every problem of one macro call, so that an author sees all of them at once.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// The problems found so far.
#[derive(Default)]
pub(crate) struct Problems(Option<Error>);

impl Problems {
    /// Adds a problem at some tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    /// Adds a problem.
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    /// Keeps the value and adds the problem, if that is what there is.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Turns the problems into `compile_error!` calls; nothing when there are none.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(Error::into_compile_error).unwrap_or_default()
    }
}

/// Returns the listed name that `input` most likely meant.
pub(crate) fn nearest<'a>(input: &str, names: &[&'a str]) -> Option<&'a str> {
    names
        .iter()
        .map(|name| (distance(input, name), *name))
        .filter(|(distance, name)| *distance * 2 <= name.len())
        .min()
        .map(|(_, name)| name)
}

/// Says what was not understood, what was meant and what there is.
pub(crate) fn unknown(what: &str, input: &str, names: &[&str]) -> String {
    let list = names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let there = if names.len() == 1 { "is" } else { "are" };
    match nearest(input, names) {
        Some(name) => {
            format!("unknown {what} `{input}`, did you mean `{name}`? there {there} {list}")
        }
        None => format!("unknown {what} `{input}`; there {there} {list}"),
    }
}

/// Counts the letters to insert, delete or replace between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{nearest, unknown};

    #[test]
    fn a_slip_finds_its_name_and_nonsense_does_not() {
        let names = ["crate", "effect", "idempotent", "name", "title"];
        assert_eq!(nearest("efect", &names), Some("effect"));
        assert_eq!(nearest("idempotence", &names), Some("idempotent"));
        assert_eq!(nearest("tilte", &names), Some("title"));
        assert_eq!(nearest("zzz", &names), None);
    }

    #[test]
    fn the_text_lists_what_there_is() {
        assert_eq!(
            unknown("effect", "raed", &["read", "write"]),
            "unknown effect `raed`, did you mean `read`? there are `read`, `write`"
        );
    }
}
