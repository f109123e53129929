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

/// Turns a function into a tool.
///
/// See the README of `keyway-plugin-api` for what an author types, and this crate's README for
/// the arguments.
#[proc_macro_attribute]
pub fn tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand_function(arguments.into(), &item.into()).into()
}

/// Turns the marked methods of an `impl` into tools that share one value.
#[proc_macro_attribute]
pub fn tools(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand_methods(arguments.into(), &item.into()).into()
}

/// Makes a struct the arguments of a tool: `Deserialize`, `JsonSchema` and `ToolInput` at once.
#[proc_macro_derive(ToolInput, attributes(serde, schemars, tool_input))]
pub fn derive_tool_input(item: TokenStream) -> TokenStream {
    data::expand_input(item.into()).into()
}

/// Makes a struct or enum usable inside arguments and results: `Deserialize`, `Serialize` and
/// `JsonSchema` at once.
#[proc_macro_derive(ToolValue, attributes(serde, schemars, tool_value))]
pub fn derive_tool_value(item: TokenStream) -> TokenStream {
    data::expand_value(item.into()).into()
}

/// Publishes how a tool can fail: one case per variant of an error enum.
#[proc_macro_derive(ToolErrorCases, attributes(case, tool_error_cases))]
pub fn derive_tool_error_cases(item: TokenStream) -> TokenStream {
    error_cases::expand(item.into()).into()
}
