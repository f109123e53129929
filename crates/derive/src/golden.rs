//! What the macros write, to the token: a change here is a change for every author.

use proc_macro2::TokenStream;
use quote::quote;

/// Formats an expansion as a file.
fn pretty(expansion: TokenStream) -> String {
    let text = expansion.to_string();
    match syn::parse2(expansion) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => panic!("the expansion is not Rust: {error}\n{text}"),
    }
}

#[test]
fn a_function() {
    let expansion = crate::tool::expand_function(
        quote!(effect = read, title = "Search issues", idempotent),
        &quote! {
            /// Searches issues.
            ///
            /// Use when the user names a repository.
            pub(crate) async fn search_issues(
                Args(args): Args<SearchArgs>,
                fs: FsRead,
                cx: &CallCx,
            ) -> Result<Json<Hits>, SearchError> {
                find(args, fs, cx).await
            }
        },
    );
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn a_function_with_marked_parameters() {
    let expansion = crate::tool::expand_function(
        quote!(effect = write, name = "weather.report", crate = my::api),
        &quote! {
            #[doc = " Reports the weather."]
            #[cfg(feature = "weather")]
            fn report(
                /// The city.
                #[arg]
                city: String,
                log: Log,
                #[arg]
                #[serde(default)]
                days: u8,
            ) {}
        },
    );
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn a_function_with_problems() {
    let expansion = crate::tool::expand_function(
        quote!(efect = read),
        &quote! {
            fn look_up() -> String {
                String::new()
            }
        },
    );
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn methods() {
    let expansion = crate::tool::expand_methods(
        quote!(),
        &quote! {
            impl Notes {
                /// Lists the notes.
                #[tool(effect = read)]
                async fn list(&self, Args(page): Args<Self::Page>) -> Json<Vec<Self>> {
                    self.page(page).await
                }

                fn helper(&self) {}
            }
        },
    );
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn an_input() {
    let expansion = crate::data::expand_input(quote! {
        /// What to search for.
        #[serde(rename_all = "camelCase")]
        struct SearchArgs {
            /// Words to look for.
            pub query: String,
            #[serde(default)]
            at_most: Option<u32>,
        }
    });
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn an_input_that_the_schema_says_more_about() {
    let expansion = crate::data::expand_input(quote! {
        struct SearchArgs {
            #[schemars(length(max = 10))]
            query: String,
        }
    });
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn a_value() {
    let expansion = crate::data::expand_value(quote! {
        #[serde(tag = "kind")]
        enum Event {
            /// Opened.
            Opened,
            Moved { to: Box<Self> },
        }
    });
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn error_cases() {
    let expansion = crate::error_cases::expand(quote! {
        enum SearchError {
            /// Nothing was found.
            #[case(kind = not_found, retryable)]
            NothingFound { query: String },
            /// The index is closed.
            #[case(kind = unavailable, name = "closed")]
            Closed,
            #[case(transparent)]
            Host(ToolError),
        }
    });
    insta::assert_snapshot!(pretty(expansion));
}
