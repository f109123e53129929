#![doc = include_str!("../README.md")]

mod case;
mod data;
mod diagnostics;
mod docs;
mod error_cases;
#[cfg(test)]
mod golden;
mod grammar;
mod self_type;
mod tool;

use proc_macro::TokenStream;

/// `#[tool]`; its manual is where `keyway-plugin-api` re-exports it.
#[proc_macro_attribute]
pub fn tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand_function(arguments.into(), &item.into()).into()
}

/// `#[tools]`; its manual is where `keyway-plugin-api` re-exports it.
#[proc_macro_attribute]
pub fn tools(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand_methods(arguments.into(), &item.into()).into()
}

/// `#[derive(ToolInput)]`; its manual is where `keyway-plugin-api` re-exports it.
#[proc_macro_derive(ToolInput, attributes(serde, schemars, tool_input))]
pub fn derive_tool_input(item: TokenStream) -> TokenStream {
    data::expand_input(item.into()).into()
}

/// `#[derive(ToolValue)]`; its manual is where `keyway-plugin-api` re-exports it.
#[proc_macro_derive(ToolValue, attributes(serde, schemars, tool_value))]
pub fn derive_tool_value(item: TokenStream) -> TokenStream {
    data::expand_value(item.into()).into()
}

/// `#[derive(ToolErrorCases)]`; its manual is where `keyway-plugin-api` re-exports it.
#[proc_macro_derive(ToolErrorCases, attributes(case, tool_error_cases))]
pub fn derive_tool_error_cases(item: TokenStream) -> TokenStream {
    error_cases::expand(item.into()).into()
}
