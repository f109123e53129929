//! `#[derive(ToolErrorCases)]`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, Data, DataEnum, DeriveInput, Fields, Meta, Path, Type, Variant};

use crate::case;
use crate::diagnostics::Problems;
use crate::docs::Docs;
use crate::grammar::{self, Argument};

const NAMES: [&str; 4] = ["kind", "name", "retryable", "transparent"];

/// Every kind of `ToolErrorKind`, as `#[case(kind = ..)]` writes it.
const KINDS: [&str; 10] = [
    "cancelled",
    "conflict",
    "deadline_exceeded",
    "denied",
    "internal",
    "invalid_arguments",
    "not_found",
    "plugin_gone",
    "revoked",
    "unavailable",
];

/// Expands the derive.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut problems = Problems::default();
    let api = grammar::api_of(&input.attrs, "tool_error_cases", &mut problems);
    let cases = read_cases(&input, &mut problems);
    let (name, sound) = (&input.ident, problems.is_empty());
    let (impl_generics, ty_generics, clause) = input.generics.split_for_impl();
    let (published, conversion) = if sound {
        (published(&api, &cases), conversion(&api, name, &cases))
    } else {
        (
            quote!(::core::unimplemented!()),
            quote!(::core::unimplemented!()),
        )
    };
    let errors = problems.into_tokens();
    quote! {
        #errors

        impl #impl_generics #api::ToolErrorCases for #name #ty_generics #clause {
            fn cases() -> ::std::vec::Vec<#api::ErrorCase> {
                #published
            }
        }

        impl #impl_generics ::core::convert::From<#name #ty_generics> for #api::ToolError #clause {
            fn from(__error: #name #ty_generics) -> Self {
                #conversion
            }
        }
    }
}

/// What one variant becomes.
struct Case {
    variant: Ident,
    fields: Fields,
    what: What,
}

enum What {
    /// A case of its own.
    Published {
        doc: TokenStream,
        kind: Ident,
        name: String,
        retryable: Option<bool>,
    },
    /// The cases of the error inside.
    Transparent(Box<Type>),
}

fn read_cases(input: &DeriveInput, problems: &mut Problems) -> Vec<Case> {
    let Data::Enum(DataEnum { variants, .. }) = &input.data else {
        problems.at(
            &input.ident,
            "`ToolErrorCases` goes on an enum with one variant per way to fail",
        );
        return Vec::new();
    };
    variants
        .iter()
        .filter_map(|variant| read_case(variant, problems))
        .collect()
}

fn read_case(variant: &Variant, problems: &mut Problems) -> Option<Case> {
    let arguments = case_arguments(&variant.attrs, problems);
    let find = |name: &str| arguments.iter().find(|a| a.name == name);
    let what = match find("transparent") {
        Some(flag) => transparent(flag, variant, &arguments, problems)?,
        None => published_case(variant, find, problems)?,
    };
    Some(Case {
        variant: variant.ident.clone(),
        fields: variant.fields.clone(),
        what,
    })
}

fn case_arguments(attributes: &[Attribute], problems: &mut Problems) -> Vec<Argument> {
    let mut arguments = Vec::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("case")) {
        match &attribute.meta {
            Meta::List(list) => arguments.extend(
                grammar::parse(
                    list.tokens.clone(),
                    "argument of `#[case]`",
                    &NAMES,
                    problems,
                )
                .known,
            ),
            other => problems.at(other, "expected `#[case(kind = not_found)]`"),
        }
    }
    arguments
}

fn transparent(
    flag: &Argument,
    variant: &Variant,
    arguments: &[Argument],
    problems: &mut Problems,
) -> Option<What> {
    if arguments.len() > 1 {
        problems.at(
            &flag.name,
            "a transparent case takes nothing else: the error inside decides",
        );
    }
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            Some(What::Transparent(Box::new(fields.unnamed[0].ty.clone())))
        }
        _ => {
            problems.at(
                &variant.ident,
                "a transparent case holds one error: `Variant(Inner)`",
            );
            None
        }
    }
}

fn published_case<'a>(
    variant: &Variant,
    find: impl Fn(&str) -> Option<&'a Argument>,
    problems: &mut Problems,
) -> Option<What> {
    let docs = Docs::of(&variant.attrs);
    if docs.is_empty() {
        problems.at(
            &variant.ident,
            "an error case needs a doc comment: it is published with the tool",
        );
    }
    let Some(kind) = find("kind") else {
        problems.at(
            &variant.ident,
            format!(
                "say whose fault it is: `#[case(kind = ..)]`, one of {}",
                KINDS.join(", ")
            ),
        );
        return None;
    };
    let kind = kind.word(problems, &KINDS)?;
    let name = match find("name") {
        Some(name) => name.string(problems)?.value(),
        None => case::snake(&variant.ident),
    };
    let retryable = match find("retryable") {
        Some(flag) => Some(flag.flag(problems)?),
        None => None,
    };
    Some(What::Published {
        doc: docs.text(),
        kind: format_ident!("{}", case::upper_camel(&kind), span = kind.span()),
        name,
        retryable,
    })
}

fn published(api: &Path, cases: &[Case]) -> TokenStream {
    let parts = cases.iter().map(|case| match &case.what {
        What::Transparent(inner) => quote! {
            cases.extend(<#inner as #api::ToolErrorCases>::cases());
        },
        What::Published {
            doc,
            kind,
            name,
            retryable,
        } => {
            let retryable = match retryable {
                Some(retryable) => quote!(#retryable),
                None => quote!(#api::ToolErrorKind::#kind.is_retryable()),
            };
            quote! {
                cases.push(#api::ErrorCase::new(
                    #name,
                    #api::ToolErrorKind::#kind,
                    #retryable,
                    #doc,
                ));
            }
        }
    });
    quote! {
        let mut cases = ::std::vec::Vec::new();
        #(#parts)*
        cases
    }
}

fn conversion(api: &Path, name: &Ident, cases: &[Case]) -> TokenStream {
    let arms = cases.iter().map(|case| {
        let variant = &case.variant;
        match &case.what {
            What::Transparent(_) => quote! {
                #name::#variant(inner) => ::core::convert::Into::into(inner),
            },
            What::Published { kind, name: id, .. } => {
                let rest = match &case.fields {
                    Fields::Named(_) => quote!({ .. }),
                    Fields::Unnamed(_) => quote!((..)),
                    Fields::Unit => quote!(),
                };
                quote! {
                    error @ #name::#variant #rest => #api::ToolError::new(
                        #api::ToolErrorKind::#kind,
                        ::std::string::ToString::to_string(&error),
                    )
                    .with_case(#id),
                }
            }
        }
    });
    quote!(match __error { #(#arms)* })
}
