//! Doc comments as text.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// A doc comment: literal lines, and expressions such as `include_str!`.
#[derive(Default)]
pub(crate) struct Docs(Vec<Expr>);

impl Docs {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        let values = attributes
            .iter()
            .filter_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(pair.value.clone()),
                _ => None,
            });
        Self(values.collect())
    }

    /// Tells whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        self.0
            .iter()
            .all(|value| literal(value).is_some_and(|line| line.trim().is_empty()))
    }

    /// Returns an expression of type `&'static str`.
    pub(crate) fn text(&self) -> TokenStream {
        if let Some(lines) = self.0.iter().map(literal).collect::<Option<Vec<_>>>() {
            let text = lines.join("\n");
            let text = text.trim();
            return quote!(#text);
        }
        let parts = self.0.iter().map(|value| match literal(value) {
            Some(line) => quote!(#line),
            None => quote!(#value),
        });
        quote!(::core::concat!(#(#parts, "\n"),*))
    }
}

/// Returns a literal line without the space that `///` leaves in front.
fn literal(value: &Expr) -> Option<String> {
    let Expr::Lit(ExprLit {
        lit: Lit::Str(line),
        ..
    }) = value
    else {
        return None;
    };
    let line = line.value();
    Some(line.strip_prefix(' ').unwrap_or(&line).to_owned())
}
