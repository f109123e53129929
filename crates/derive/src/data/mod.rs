//! `#[derive(ToolInput)]` and `#[derive(ToolValue)]`.
//!
//! Both write a shadow of the type, with the same fields and attributes, that carries serde's and
//! schemars' own derives; the type's impls go through the shadow. So an author needs one derive
//! and one dependency, and the shadow can be stricter than what the author wrote: unknown fields
//! are refused and only the shapes that the schema names are parsed.

mod attributes;
mod shadow;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Path};

use crate::diagnostics::Problems;
use crate::grammar;

use self::shadow::{Shadow, Wrapper};

/// Expands `#[derive(ToolInput)]`.
pub(crate) fn expand_input(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut problems = Problems::default();
    let api = grammar::api_of(&input.attrs, "tool_input", &mut problems);
    check_root(&input, &mut problems);
    check_generics(&input, &mut problems);
    let exact = attributes::check(&input, &mut problems);
    let name = &input.ident;
    if !problems.is_empty() {
        let dummies = dummies(&api, &input, false);
        let errors = problems.into_tokens();
        let input = dummies
            .is_some()
            .then(|| quote!(impl #api::ToolInput for #name {}));
        return quote!(#errors #dummies #input);
    }
    let shadow = Shadow {
        api: &api,
        exact,
        input: &input,
        serialize: false,
        wrapper: Wrapper::MapOnly,
    };
    let shadow = shadow.expand();
    quote! {
        #shadow
        impl #api::ToolInput for #name {}
    }
}

/// Expands `#[derive(ToolValue)]`.
pub(crate) fn expand_value(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut problems = Problems::default();
    let api = grammar::api_of(&input.attrs, "tool_value", &mut problems);
    if let Data::Union(data) = &input.data {
        problems.at(data.union_token, "a union has no JSON form");
    }
    check_generics(&input, &mut problems);
    let exact = attributes::check(&input, &mut problems);
    if !problems.is_empty() {
        let dummies = dummies(&api, &input, true);
        let errors = problems.into_tokens();
        return quote!(#errors #dummies);
    }
    let shadow = Shadow {
        api: &api,
        exact,
        input: &input,
        serialize: true,
        wrapper: Wrapper::of(&input),
    };
    shadow.expand()
}

/// Stands in for the impls of a refused type; a generic one could not be named without its
/// parameters' bounds.
fn dummies(api: &Path, input: &DeriveInput, serialize: bool) -> Option<TokenStream> {
    let is_plain = input.generics.params.is_empty();
    is_plain.then(|| shadow::dummies(api, &input.ident, serialize))
}

/// The arguments of a tool are one plain object: model APIs refuse anything else.
fn check_root(input: &DeriveInput, problems: &mut Problems) {
    match &input.data {
        Data::Enum(data) => problems.at(
            data.enum_token,
            "the arguments of a tool are one plain object, so they cannot be an enum: put the \
             enum in a field of a struct and derive `ToolValue` for it, or write one tool per \
             variant",
        ),
        Data::Union(data) => problems.at(data.union_token, "a union has no JSON form"),
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => {}
            Fields::Unnamed(fields) => problems.at(
                fields,
                "the arguments of a tool are one plain object: name the fields, \
                 `struct Arguments { name: Type }`",
            ),
            Fields::Unit => problems.at(
                &input.ident,
                "the arguments of a tool are one plain object: write `struct Name {}`, or leave \
                 out `Args` where a tool takes no arguments",
            ),
        },
    }
}

fn check_generics(input: &DeriveInput, problems: &mut Problems) {
    if !input.generics.params.is_empty() {
        problems.at(
            &input.generics,
            "cannot be generic here: a tool's schema is fixed when it is registered",
        );
    }
}
