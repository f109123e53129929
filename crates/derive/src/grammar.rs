//! The arguments of the macros: `name`, `name = value`, nothing else.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Lit, LitStr, Path, Token};

use crate::diagnostics::{Problems, nearest, unknown};

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
            let quoted = self.value.as_ref().and_then(as_text);
            let meant = words.iter().find(|word| quoted.as_deref() == Some(*word));
            let example = meant.or(words.first()).copied().unwrap_or_default();
            return self.mistyped(problems, example);
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

fn as_text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

/// What was found in a list of arguments.
#[derive(Default)]
pub(crate) struct Arguments {
    /// Those with a known name, each once.
    pub(crate) known: Vec<Argument>,
    /// Whether everything that is missing was left out: no syntax error or slip hides it.
    pub(crate) readable: bool,
}

impl Arguments {
    pub(crate) fn find(&self, name: &str) -> Option<&Argument> {
        self.known.iter().find(|argument| argument.name == name)
    }
}

/// Parses a list of arguments. Unknown and repeated names become problems and are left out.
pub(crate) fn parse(
    tokens: TokenStream,
    what: &str,
    names: &[&str],
    problems: &mut Problems,
) -> Arguments {
    let parser = Punctuated::<Argument, Token![,]>::parse_terminated;
    let Some(all) = problems.keep(parser.parse2(tokens)) else {
        return Arguments::default();
    };
    let mut found = Arguments {
        known: Vec::new(),
        readable: true,
    };
    for argument in all {
        let name = argument.name.to_string();
        if !names.contains(&name.as_str()) {
            problems.at(&argument.name, unknown(what, &name, names));
            found.readable &= nearest(&name, names).is_none();
        } else if found.find(&name).is_some() {
            problems.at(&argument.name, format!("`{name}` is given twice"));
        } else {
            found.known.push(argument);
        }
    }
    found
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
        for argument in parse(tokens, "argument", &["crate"], problems).known {
            if let Some(path) = argument.path(problems) {
                api = path;
            }
        }
    }
    api
}

/// Writes a path as if it stood at `span`, so that an error in code that uses it points there.
pub(crate) fn located(path: &Path, span: Span) -> TokenStream {
    let relocate = |mut token: TokenTree| {
        token.set_span(token.span().located_at(span));
        token
    };
    path.to_token_stream().into_iter().map(relocate).collect()
}

/// Writes a path as text, for attributes that take one in quotes.
pub(crate) fn path_text(path: &Path) -> String {
    quote!(#path).to_string().replace(' ', "")
}
