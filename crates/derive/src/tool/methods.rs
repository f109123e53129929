//! `#[tools]`: methods of one shared value as tools.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, ImplItem, ImplItemFn, ItemImpl, Meta, Path, ReceiverKind, Type};

use crate::diagnostics::Problems;
use crate::grammar;

use super::attribute::ToolAttribute;
use super::emit::{self, Bodies, Place};
use super::signature::ToolFn;

/// Expands `#[tools]` on an inherent `impl`. The methods themselves stay as they were.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let api = grammar::parse(
        arguments,
        "argument of `#[tools]`",
        &["crate"],
        &mut problems,
    )
    .find("crate")
    .and_then(|argument| argument.path(&mut problems));
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(_) => {
            problems.at(item, "`#[tools]` goes on an `impl` block");
            let errors = problems.into_tokens();
            return quote!(#errors #item);
        }
    };
    check_block(&block, &mut problems);
    let tools = read_methods(&mut block, api.as_ref(), &mut problems);
    if tools.is_empty() && problems.is_empty() {
        problems.at(
            &block.self_ty,
            "no method here is a tool; mark one with `#[tool(effect = ..)]`",
        );
    }
    let api = api.unwrap_or_else(grammar::default_api);
    let sound = problems.is_empty();
    let errors = problems.into_tokens();
    // Nothing can stand in for the tools of a block that cannot have any.
    let may_have_tools = block.generics.params.is_empty() && block.trait_.is_none();
    let expansion = may_have_tools.then(|| emit_methods(&api, &block, &tools, sound));
    quote!(#errors #block #expansion)
}

fn check_block(block: &ItemImpl, problems: &mut Problems) {
    if let Some((path, _)) = &block.trait_ {
        problems.at(
            path,
            "`#[tools]` goes on an inherent `impl`, not on a trait's",
        );
    }
    if !block.generics.params.is_empty() {
        problems.at(
            &block.generics,
            "tools cannot be generic: their schemas are fixed when they are registered; write \
             the `impl` for a concrete type",
        );
    }
}

fn read_methods(
    block: &mut ItemImpl,
    api: Option<&Path>,
    problems: &mut Problems,
) -> Vec<(ToolFn, ImplItemFn)> {
    let self_type = (*block.self_ty).clone();
    let mut tools = Vec::new();
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item
            && let Some(at) = method.attrs.iter().position(is_tool)
        {
            let attribute = method.attrs.remove(at);
            let tool = read_method(&attribute, method, &self_type, api, problems);
            tools.push((tool, method.clone()));
        }
    }
    tools
}

fn is_tool(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|segment| segment.ident == "tool")
}

fn read_method(
    attribute: &Attribute,
    method: &mut ImplItemFn,
    self_type: &Type,
    api: Option<&Path>,
    problems: &mut Problems,
) -> ToolFn {
    let tokens = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let span = attribute.span();
    let mut attribute = ToolAttribute::parse(tokens, span, problems);
    attribute.api = attribute.api.or_else(|| api.cloned());
    match method.sig.inputs.first() {
        Some(FnArg::Receiver(receiver))
            if matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) => {}
        Some(FnArg::Receiver(receiver)) => problems.at(
            receiver,
            "a tool method takes `&self`: calls run at the same time on one shared value",
        ),
        _ => problems.at(
            &method.sig.ident,
            "a tool method takes `&self`; without it, write a free function with `#[tool]`",
        ),
    }
    let signature = &mut method.sig;
    ToolFn::read(
        attribute,
        &mut method.attrs,
        signature,
        Some(self_type),
        problems,
    )
}

fn emit_methods(
    api: &Path,
    block: &ItemImpl,
    tools: &[(ToolFn, ImplItemFn)],
    sound: bool,
) -> TokenStream {
    let self_type = &block.self_ty;
    let bodies = if sound { Bodies::Real } else { Bodies::Dummy };
    let implementations = tools.iter().map(|(tool, method)| {
        let (name, cfgs, callee) = (wrapper(tool), &tool.cfgs, &method.sig.ident);
        let place = Place {
            ty: quote!(#name),
            callee: quote!(<#self_type>::#callee),
            receiver: Some(quote!(&self.0)),
        };
        let implementation = emit::implementation(tool, &place, bodies);
        quote! {
            #(#cfgs)*
            struct #name(::std::sync::Arc<#self_type>);
            #(#cfgs)*
            const _: () = { #implementation };
        }
    });
    let values = tools.iter().map(|(tool, _)| {
        let (name, cfgs) = (wrapper(tool), &tool.cfgs);
        quote! {
            #(#cfgs)*
            __tools.push(::std::sync::Arc::new(#name(::std::sync::Arc::clone(&self))));
        }
    });
    quote! {
        const _: () = {
            #(#implementations)*

            impl #self_type {
                /// Returns the tools of this value, for `ctx.tools(..)`; they share it.
                #[must_use]
                pub fn tools(
                    self: ::std::sync::Arc<Self>,
                ) -> ::std::vec::Vec<::std::sync::Arc<dyn #api::Tool>> {
                    let mut __tools: ::std::vec::Vec<::std::sync::Arc<dyn #api::Tool>> =
                        ::std::vec::Vec::new();
                    #(#values)*
                    __tools
                }
            }
        };
    }
}

/// The type that is one method's tool. Its name must not hide a type of the author's.
fn wrapper(tool: &ToolFn) -> Ident {
    format_ident!("__{}Tool", tool.type_name)
}
