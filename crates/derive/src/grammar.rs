//! The arguments of the macros: `name`, `name = value`, nothing else.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitStr, Path, Token};

use crate::diagnostics::{Problems, unknown};

/// One argument as it was written.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = Ident::parse_any(input)?;
        let value = match input.parse::<Option<Token![=]>>()? {
            Some(_) => Some(input.parse()?),
            None => None,
        };
        Ok(Self { name, value })
    }
}

impl Argument {
    pub(crate) fn string(&self, problems: &mut Problems) -> Option<LitStr> {
        match &self.value {
            Some(Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            })) => Some(text.clone()),
            _ => self.mistyped(problems, "\"text\""),
        }
    }

    /// Reads `name` and `name = true` as yes, `name = false` as no.
    pub(crate) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        match &self.value {
            None => Some(true),
            Some(Expr::Lit(ExprLit {
                lit: Lit::Bool(yes),
                ..
            })) => Some(yes.value),
            Some(_) => self.mistyped(problems, "true"),
        }
    }

    pub(crate) fn path(&self, problems: &mut Problems) -> Option<Path> {
        match &self.value {
            Some(Expr::Path(path)) if path.qself.is_none() => Some(path.path.clone()),
            _ => self.mistyped(problems, "some::path"),
        }
    }

    /// Reads one word of a list.
    pub(crate) fn word(&self, problems: &mut Problems, words: &[&str]) -> Option<Ident> {
        let name = &self.name;
        let Some(word) = self.value.as_ref().and_then(as_ident) else {
            return self.mistyped(problems, words.first().copied().unwrap_or_default());
        };
        if words.iter().any(|known| word == known) {
            return Some(word.clone());
        }
        problems.at(word, unknown(&name.to_string(), &word.to_string(), words));
        None
    }

    fn mistyped<T>(&self, problems: &mut Problems, example: &str) -> Option<T> {
        let name = &self.name;
        let message = format!("expected `{name} = {example}`");
        match &self.value {
            Some(value) => problems.at(value, message),
            None => problems.at(name, message),
        }
        None
    }
}

fn as_ident(value: &Expr) -> Option<&Ident> {
    match value {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

/// Parses a list of arguments. Unknown and repeated names become problems and are left out.
pub(crate) fn parse(
    tokens: TokenStream,
    what: &str,
    names: &[&str],
    problems: &mut Problems,
) -> Vec<Argument> {
    let parser = Punctuated::<Argument, Token![,]>::parse_terminated;
    let Some(all) = problems.keep(parser.parse2(tokens)) else {
        return Vec::new();
    };
    let mut kept: Vec<Argument> = Vec::new();
    for argument in all {
        let name = argument.name.to_string();
        if !names.contains(&name.as_str()) {
            problems.at(&argument.name, unknown(what, &name, names));
        } else if kept.iter().any(|seen| seen.name == argument.name) {
            problems.at(&argument.name, format!("`{name}` is given twice"));
        } else {
            kept.push(argument);
        }
    }
    kept
}

/// The path under which the generated code finds the plugin API.
pub(crate) fn default_api() -> Path {
    syn::parse_quote!(::keyway_plugin_api)
}

/// Reads `crate = path` from the attribute that a derive owns.
pub(crate) fn api_of(attributes: &[syn::Attribute], owner: &str, problems: &mut Problems) -> Path {
    let mut api = default_api();
    for attribute in attributes.iter().filter(|a| a.path().is_ident(owner)) {
        let tokens = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.clone(),
            other => {
                problems.at(other, format!("expected `#[{owner}(crate = some::path)]`"));
                continue;
            }
        };
        for argument in parse(tokens, "argument", &["crate"], problems) {
            if let Some(path) = argument.path(problems) {
                api = path;
            }
        }
    }
    api
}

/// Writes a path as text, for attributes that take one in quotes.
pub(crate) fn path_text(path: &Path) -> String {
    quote!(#path).to_string().replace(' ', "")
}
