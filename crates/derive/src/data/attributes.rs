//! Which of serde's and schemars' attributes may stand on a shadowed type.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Fields, Meta, Path, Token, Variant};

use crate::diagnostics::Problems;

/// Attributes under which serde and schemars say the same.
const AGREED: [(&str, &[&str]); 2] = [
    (
        "serde",
        &[
            "crate",
            "default",
            "deny_unknown_fields",
            "rename",
            "rename_all",
            "rename_all_fields",
            "skip_serializing_if",
            "tag",
        ],
    ),
    ("schemars", &["crate", "description", "example", "title"]),
];

/// serde attributes that contradict a closed, published schema, and what to do instead.
const REFUSED: [(&str, &str); 7] = [
    (
        "alias",
        "an alias is a second name that the schema does not show; keep one name",
    ),
    (
        "flatten",
        "flattened fields cannot be closed against unknown ones; write the fields out, or nest \
         the struct",
    ),
    (
        "from",
        "write the type's own fields; the schema comes from them",
    ),
    (
        "into",
        "write the type's own fields; the schema comes from them",
    ),
    ("remote", "the derive already stands in for the type"),
    ("transparent", "use the inner type itself"),
    (
        "try_from",
        "write the type's own fields; the schema comes from them",
    ),
];

/// Refuses what contradicts the schema. Tells whether everything else is known to keep the
/// schema and the parser in step.
pub(super) fn check(input: &DeriveInput, problems: &mut Problems) -> bool {
    let mut exact = true;
    let mut check_all = |attributes: &[Attribute], on_type: bool| {
        for attribute in attributes {
            exact &= check_one(attribute, on_type, problems);
        }
    };
    check_all(&input.attrs, true);
    match &input.data {
        Data::Struct(data) => check_fields(&data.fields, &mut check_all),
        Data::Enum(data) => {
            for variant in &data.variants {
                check_all(&variant.attrs, false);
                check_fields(&variant.fields, &mut check_all);
            }
        }
        Data::Union(_) => {}
    }
    exact && !holds_a_merged_variant(input)
}

fn check_fields(fields: &Fields, check_all: &mut impl FnMut(&[Attribute], bool)) {
    for field in fields {
        check_all(&field.attrs, false);
    }
}

fn check_one(attribute: &Attribute, on_type: bool, problems: &mut Problems) -> bool {
    let Some((owner, agreed)) = AGREED.iter().find(|(o, _)| attribute.path().is_ident(o)) else {
        return true;
    };
    let Meta::List(list) = &attribute.meta else {
        return true;
    };
    let mut exact = true;
    for word in words(list.tokens.clone()) {
        let refusal = REFUSED.iter().find(|(name, _)| word.is_ident(name));
        if let ("serde", Some((name, instead))) = (*owner, refusal) {
            problems.at(
                &word,
                format!("`serde({name})` is not possible here: {instead}"),
            );
        }
        if on_type && *owner == "serde" && word.is_ident("default") {
            problems.at(
                &word,
                "put `#[serde(default)]` on the fields: each default is then in the schema",
            );
        }
        exact &= agreed.iter().any(|name| word.is_ident(name));
    }
    exact
}

/// A newtype variant in a tagged enum merges the tag into another type's object; neither side
/// can tell which fields belong to whom.
fn holds_a_merged_variant(input: &DeriveInput) -> bool {
    let Data::Enum(data) = &input.data else {
        return false;
    };
    says(input, "serde", "tag")
        && data
            .variants
            .iter()
            .any(|variant| matches!(variant.fields, Fields::Unnamed(_)))
}

/// Tells whether an attribute of serde's or schemars' on a type has a word.
pub(super) fn says(input: &DeriveInput, owner: &str, word: &str) -> bool {
    any_says(&input.attrs, owner, word)
}

/// Tells whether serde tries a variant without looking for its name.
pub(super) fn is_untagged(variant: &Variant) -> bool {
    any_says(&variant.attrs, "serde", "untagged")
}

fn any_says(attributes: &[Attribute], owner: &str, word: &str) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(owner))
        .filter_map(|attribute| match &attribute.meta {
            Meta::List(list) => Some(list.tokens.clone()),
            _ => None,
        })
        .flat_map(words)
        .any(|found| found.is_ident(word))
}

/// Reads `a, b = .., c(..)` as `a, b, c`; what is no such list is serde's to refuse.
fn words(tokens: TokenStream) -> Vec<Path> {
    let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
    parser
        .parse2(tokens)
        .map(|metas| metas.iter().map(|meta| meta.path().clone()).collect())
        .unwrap_or_default()
}
