//! `#[tool]` and `#[tools]`: attribute → checked function → expansion.

mod attribute;
mod emit;
mod methods;
mod signature;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ItemFn;

use crate::diagnostics::Problems;

use self::attribute::ToolAttribute;
use self::emit::{Bodies, Place};
use self::signature::ToolFn;

pub(crate) use self::methods::expand as expand_methods;

/// Expands `#[tool(..)]` on a free function. The function itself stays as it was.
pub(crate) fn expand_function(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let attribute = ToolAttribute::parse(arguments, Span::call_site(), &mut problems);
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            problems.at(item, "`#[tool]` goes on a function");
            let errors = problems.into_tokens();
            return quote!(#errors #item);
        }
    };
    if let Some(receiver) = function.sig.receiver() {
        problems.at(
            receiver,
            "`#[tool]` on a method: put `#[tools]` on the `impl` block around it",
        );
        let errors = problems.into_tokens();
        return quote!(#errors #function);
    }
    let tool = ToolFn::read(
        attribute,
        &mut function.attrs,
        &mut function.sig,
        None,
        &mut problems,
    );
    let expansion = emit_function(&tool, &function, problems.is_empty());
    let errors = problems.into_tokens();
    quote!(#errors #function #expansion)
}

fn emit_function(tool: &ToolFn, function: &ItemFn, sound: bool) -> TokenStream {
    let (visibility, cfgs, docs) = (&function.vis, &tool.cfgs, &tool.doc_attributes);
    let name = &tool.type_name;
    let callee = &function.sig.ident;
    let place = Place {
        ty: name.to_token_stream(),
        callee: callee.to_token_stream(),
        receiver: None,
    };
    let bodies = if sound { Bodies::Real } else { Bodies::Dummy };
    let implementation = emit::implementation(tool, &place, bodies);
    quote! {
        #(#cfgs)*
        #(#docs)*
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #visibility struct #name;

        #(#cfgs)*
        const _: () = { #implementation };
    }
}

/// The struct that holds the `#[arg]` parameters of a tool. Its name must not hide a type of
/// the author's.
fn arguments_ident(tool: &ToolFn) -> Ident {
    format_ident!("__{}Arguments", tool.type_name)
}
