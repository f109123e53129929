//! The code that `#[tool]` writes beside a function.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Path, Type};

use crate::grammar::located;

use super::arguments_ident;
use super::signature::{Parameter, ToolFn};

/// Where an implementation of `Tool` goes and how it reaches the function.
pub(super) struct Place {
    /// The type that implements `Tool`.
    pub(super) ty: TokenStream,
    /// The function.
    pub(super) callee: TokenStream,
    /// Its first argument, for a method.
    pub(super) receiver: Option<TokenStream>,
}

/// What the implementation does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Bodies {
    /// Nothing: the macro call has problems, and the type must exist so that no other code breaks.
    Dummy,
    /// Describes and calls the tool.
    Real,
}

/// Writes the items that make `place.ty` the tool.
pub(super) fn implementation(tool: &ToolFn, place: &Place, bodies: Bodies) -> TokenStream {
    let (api, ty) = (&tool.api, &place.ty);
    let checks = (bodies == Bodies::Real).then(|| checks(tool));
    let (descriptor, call) = match bodies {
        Bodies::Dummy => (
            quote!(::core::unimplemented!()),
            quote!(::core::unimplemented!()),
        ),
        Bodies::Real => (descriptor(tool), call(tool, place)),
    };
    quote! {
        #checks

        #[#api::async_trait]
        impl #api::Tool for #ty {
            fn descriptor(&self) -> &#api::ToolDescriptor {
                #descriptor
            }

            async fn call(
                &self,
                __arguments: #api::Arguments<'_>,
                __cx: &#api::CallCx,
            ) -> ::core::result::Result<#api::ToolOutput, #api::ToolError> {
                #call
            }
        }
    }
}

/// Writes what the build checks: the parameters against the effect and against each other.
fn checks(tool: &ToolFn) -> TokenStream {
    let api = &tool.api;
    let effect = &tool.effect;
    let arguments = tool.has_args().then(|| arguments_struct(tool));
    let parameters = extractors(tool).into_iter().map(|ty| {
        let from_call = from_call(api, &ty);
        quote_spanned! {ty.span()=>
            #api::__private::Parameter {
                need: #from_call::NEED,
                input_schema: #from_call::input_schema,
            }
        }
    });
    let agree = {
        let api = located(api, effect.span());
        quote_spanned! {effect.span()=>
            const _: () = #api::__private::check_effect(#api::Effect::#effect, __PARAMETERS);
        }
    };
    quote! {
        #arguments
        const __PARAMETERS: &[#api::__private::Parameter] = &[#(#parameters),*];
        const __TAKES_ARGUMENTS: bool = #api::__private::takes_arguments(__PARAMETERS);
        #agree
    }
}

/// Writes the struct behind `#[arg]` parameters.
fn arguments_struct(tool: &ToolFn) -> TokenStream {
    let api = &tool.api;
    let name = arguments_ident(tool);
    let fields = tool.parameters.iter().filter_map(|p| match p {
        Parameter::Arg {
            name,
            ty,
            attributes,
        } => Some(quote!(#(#attributes)* #name: #ty)),
        Parameter::Extractor(_) => None,
    });
    quote! {
        #[derive(#api::ToolInput)]
        #[tool_input(crate = #api)]
        struct #name { #(#fields),* }
    }
}

/// Returns the types to extract: those of the parameters, and the struct behind `#[arg]`.
fn extractors(tool: &ToolFn) -> Vec<Type> {
    let api = &tool.api;
    let arguments: Option<Type> = tool.has_args().then(|| {
        let name = arguments_ident(tool);
        syn::parse_quote!(#api::Args<#name>)
    });
    let injected = tool.parameters.iter().filter_map(|p| match p {
        Parameter::Extractor(ty) => Some(ty.clone()),
        Parameter::Arg { .. } => None,
    });
    arguments.into_iter().chain(injected).collect()
}

fn descriptor(tool: &ToolFn) -> TokenStream {
    let ToolFn {
        api,
        description,
        effect,
        idempotent,
        name,
        ..
    } = tool;
    let title = match &tool.title {
        Some(title) => quote!(::core::option::Option::Some(#title)),
        None => quote!(::core::option::Option::None),
    };
    let result = into_output(tool);
    quote! {
        static DESCRIPTOR: ::std::sync::LazyLock<#api::ToolDescriptor> =
            ::std::sync::LazyLock::new(|| {
                #api::__private::ToolSpec {
                    name: const { #api::__private::ConstToolName::new(#name) },
                    title: #title,
                    description: #description,
                    effect: #api::Effect::#effect,
                    idempotent: #idempotent,
                    parameters: __PARAMETERS,
                    output: #result::output_schema(),
                    errors: #result::error_cases(),
                }
                .describe()
            });
        &DESCRIPTOR
    }
}

fn call(tool: &ToolFn, place: &Place) -> TokenStream {
    let api = &tool.api;
    let Place {
        callee, receiver, ..
    } = place;
    let arguments = tool.has_args().then(|| {
        let name = arguments_ident(tool);
        quote! {
            let #api::Args(__args) =
                <#api::Args<#name> as #api::FromCall<'_>>::from_call(__cx, __arguments)?;
        }
    });
    let passed = tool.parameters.iter().map(|parameter| match parameter {
        Parameter::Arg { name, .. } => quote!(__args.#name),
        Parameter::Extractor(ty) => {
            let from_call = from_call(api, ty);
            quote_spanned!(ty.span()=> #from_call::from_call(__cx, __arguments)?)
        }
    });
    let passed = receiver.iter().map(ToTokens::to_token_stream).chain(passed);
    let wait = tool.is_async.then(|| quote!(.await));
    let result = into_output(tool);
    quote! {
        if !__TAKES_ARGUMENTS {
            #api::__private::expect_no_arguments(__arguments)?;
        }
        #arguments
        let __output = #callee(#(#passed),*) #wait;
        #result::into_output(__output)
    }
}

/// Writes `<Type as FromCall>`, every time alike and at the type, so that the compiler says once
/// and in the right place that a type is no extractor.
fn from_call(api: &Path, ty: &Type) -> TokenStream {
    let api = located(api, ty.span());
    quote_spanned!(ty.span()=> <#ty as #api::FromCall<'_>>)
}

/// Writes `<Type as IntoOutput>` at the type that the function returns.
fn into_output(tool: &ToolFn) -> TokenStream {
    let output = &tool.output;
    let api = located(&tool.api, output.span());
    quote_spanned!(output.span()=> <#output as #api::IntoOutput>)
}
