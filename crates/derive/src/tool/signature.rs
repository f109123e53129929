//! What a function's signature says about its tool.

use proc_macro2::{Ident, TokenStream};
use quote::format_ident;
use syn::{Attribute, FnArg, Pat, PatType, Path, ReturnType, Safety, Signature, Type, parse_quote};

use crate::case;
use crate::diagnostics::Problems;
use crate::docs::Docs;
use crate::grammar;
use crate::self_type;

use super::attribute::ToolAttribute;

const NAME_MAX: usize = 64;

/// A tool function, checked.
pub(super) struct ToolFn {
    pub(super) api: Path,
    pub(super) cfgs: Vec<Attribute>,
    pub(super) description: TokenStream,
    pub(super) doc_attributes: Vec<Attribute>,
    pub(super) effect: Ident,
    pub(super) idempotent: bool,
    pub(super) is_async: bool,
    pub(super) name: String,
    pub(super) output: Type,
    pub(super) parameters: Vec<Parameter>,
    pub(super) title: Option<syn::LitStr>,
    pub(super) type_name: Ident,
}

/// One parameter of a tool function.
pub(super) enum Parameter {
    /// `#[arg] name: Type`: one property of the arguments.
    Arg {
        name: Ident,
        ty: Type,
        attributes: Vec<Attribute>,
    },
    /// Anything else: an extractor, recognised by its trait.
    Extractor(Type),
}

impl ToolFn {
    /// Reads a function and takes from it the attributes that only the macro understands.
    pub(super) fn read(
        attribute: ToolAttribute,
        attributes: &mut Vec<Attribute>,
        signature: &mut Signature,
        self_type: Option<&Type>,
        problems: &mut Problems,
    ) -> Self {
        check_signature(signature, problems);
        let docs = Docs::of(attributes);
        if docs.is_empty() {
            problems.at(
                &signature.ident,
                "a tool needs a doc comment: a model reads it to decide when to call the tool",
            );
        }
        let mut output = output_type(&signature.output);
        let mut parameters = read_parameters(signature, problems);
        // An extractor is an owned value, whether or not the function keeps it.
        attributes.push(parse_quote! {
            #[allow(clippy::needless_pass_by_value, reason = "a tool's parameters are owned")]
        });
        if let Some(self_type) = self_type {
            replace_self(self_type, &mut output, &mut parameters);
        }
        Self {
            api: attribute.api.clone().unwrap_or_else(grammar::default_api),
            cfgs: named(attributes, "cfg"),
            description: docs.text(),
            doc_attributes: named(attributes, "doc"),
            effect: effect_variant(attribute.effect.as_ref()),
            idempotent: attribute.idempotent,
            is_async: signature.asyncness.is_some(),
            name: tool_name(&attribute, &signature.ident, problems),
            output,
            parameters,
            title: attribute.title,
            type_name: format_ident!(
                "{}",
                case::upper_camel(&signature.ident),
                span = signature.ident.span()
            ),
        }
    }

    /// Tells whether some parameters are marked `#[arg]`.
    pub(super) fn has_args(&self) -> bool {
        self.parameters
            .iter()
            .any(|p| matches!(p, Parameter::Arg { .. }))
    }
}

fn named(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    let wanted = |a: &&Attribute| a.path().is_ident(name);
    attributes.iter().filter(wanted).cloned().collect()
}

fn check_signature(signature: &Signature, problems: &mut Problems) {
    if !signature.generics.params.is_empty() {
        problems.at(
            &signature.generics,
            "a tool cannot be generic: its schema is fixed when it is registered",
        );
    }
    if let Safety::Unsafe(token) = &signature.safety {
        problems.at(
            token,
            "a tool cannot be `unsafe`: the host calls it with any arguments",
        );
    }
    if let Some(abi) = &signature.abi {
        problems.at(abi, "a tool is a Rust function; remove the ABI");
    }
    if let ReturnType::Type(_, ty) = &signature.output
        && let Type::ImplTrait(ty) = &**ty
    {
        problems.at(
            ty,
            "name the type that the tool returns, for example `String` or `Json<T>`; its schema \
             comes from the type",
        );
    }
}

fn output_type(output: &ReturnType) -> Type {
    match output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    }
}

fn read_parameters(signature: &mut Signature, problems: &mut Problems) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    for input in &mut signature.inputs {
        if let FnArg::Typed(input) = input {
            parameters.push(read_parameter(input, problems));
        }
    }
    parameters
}

fn read_parameter(input: &mut PatType, problems: &mut Problems) -> Parameter {
    if let Type::ImplTrait(ty) = &*input.ty {
        problems.at(
            ty,
            "name the extractor's type; `impl Trait` cannot be a tool's parameter",
        );
    }
    let is_arg = |a: &Attribute| a.path().is_ident("arg");
    let Some(marker) = input.attrs.iter().find(|a| is_arg(a)) else {
        return Parameter::Extractor((*input.ty).clone());
    };
    if !matches!(marker.meta, syn::Meta::Path(_)) {
        problems.at(
            marker,
            "`#[arg]` takes nothing; use `#[serde(..)]` on a struct for more",
        );
    }
    // What describes the property moves to the struct's field; a parameter cannot carry it.
    let (mine, others) = std::mem::take(&mut input.attrs).into_iter().partition(|a| {
        ["arg", "doc", "serde", "schemars"]
            .iter()
            .any(|n| a.path().is_ident(n))
    });
    input.attrs = others;
    let mut attributes: Vec<Attribute> = mine;
    attributes.retain(|a| !is_arg(a));
    let Pat::Ident(name) = &*input.pat else {
        problems.at(
            &input.pat,
            "an `#[arg]` parameter has a plain name, its property's",
        );
        return Parameter::Extractor((*input.ty).clone());
    };
    Parameter::Arg {
        name: name.ident.clone(),
        ty: (*input.ty).clone(),
        attributes,
    }
}

fn effect_variant(effect: Option<&Ident>) -> Ident {
    // Without an effect the expansion is a dummy; any variant will do.
    effect.map_or_else(
        || format_ident!("Execute"),
        |effect| format_ident!("{}", case::upper_camel(effect), span = effect.span()),
    )
}

fn tool_name(attribute: &ToolAttribute, ident: &Ident, problems: &mut Problems) -> String {
    let name = match &attribute.name {
        Some(name) => name.value(),
        None => case::plain(ident),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= NAME_MAX
        && name.chars().all(allowed);
    if !valid {
        let message = format!(
            "`{name}` cannot name a tool: use A-Z, a-z, 0-9, `_`, `.` and `-`, starting with a \
             letter, at most {NAME_MAX}"
        );
        match &attribute.name {
            Some(name) => problems.at(name, message),
            None => problems.at(ident, format!("{message}; or say `name = \"..\"`")),
        }
    }
    name
}

/// Writes a method's `Self` as the type it stands for: the expansion leaves the `impl` block.
fn replace_self(self_type: &Type, output: &mut Type, parameters: &mut [Parameter]) {
    self_type::replace(output, self_type);
    for parameter in parameters {
        match parameter {
            Parameter::Arg { ty, .. } | Parameter::Extractor(ty) => {
                self_type::replace(ty, self_type);
            }
        }
    }
}
