//! The generated code means the same wherever it lands: under other names for the API, and where
//! the author's own types hide those of the standard library.

use super::harness::call;

/// The API under a name of the author's.
mod api {
    pub(super) mod inner {
        pub(in super::super) use keyway_plugin_api::*;
    }
}

/// Types that hide those of the standard library and of the API.
mod hidden {
    use super::api::inner as sdk;

    #[derive(Debug)]
    pub(super) struct Result;
    #[derive(Debug)]
    pub(super) struct Option;
    #[derive(Debug)]
    pub(super) struct String;
    #[derive(Debug)]
    pub(super) struct Vec;
    #[derive(Debug)]
    pub(super) struct Arc;
    #[derive(Debug)]
    pub(super) struct Tool;

    #[derive(sdk::ToolInput)]
    #[tool_input(crate = super::api::inner)]
    pub(super) struct GreetArguments {
        /// Who to greet.
        pub(super) name: std::string::String,
        #[serde(default)]
        pub(super) mood: Mood,
    }

    #[derive(Debug, Default, sdk::ToolValue)]
    #[tool_value(crate = super::api::inner)]
    pub(super) enum Mood {
        #[default]
        Calm,
        Wild {
            exclamations: u8,
        },
    }

    #[derive(Debug, sdk::ToolErrorCases)]
    #[tool_error_cases(crate = super::api::inner)]
    pub(super) enum GreetError {
        /// Nobody is there.
        #[case(kind = not_found)]
        Nobody,
    }

    impl std::fmt::Display for GreetError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("nobody is there")
        }
    }

    /// Greets somebody.
    #[sdk::tool(effect = read, crate = super::api::inner)]
    pub(super) async fn greet(
        sdk::Args(a): sdk::Args<GreetArguments>,
    ) -> std::result::Result<std::string::String, GreetError> {
        let mark = match a.mood {
            Mood::Calm => 0,
            Mood::Wild { exclamations } => exclamations.into(),
        };
        if a.name.is_empty() {
            return Err(GreetError::Nobody);
        }
        let mark = "!".repeat(mark);
        Ok(format!("Hello {}{mark} {Tool:?}", a.name))
    }

    /// Named like the context of its own call.
    #[sdk::tool(effect = read, crate = super::api::inner)]
    pub(super) fn cx(#[arg] arguments: u8, #[arg] output: u8) -> std::string::String {
        (arguments + output).to_string()
    }

    pub(super) struct Methods(pub(super) u8);

    #[sdk::tools(crate = super::api::inner)]
    impl Methods {
        /// Shows itself.
        #[tool(effect = read)]
        pub(super) fn tool(&self) -> std::string::String {
            format!(
                "{}{:?}{:?}{:?}{:?}{:?}",
                self.0, Result, Option, String, Vec, Arc
            )
        }

        /// Is there only on request.
        #[cfg(any())]
        #[tool(effect = read)]
        fn absent(&self) -> Missing {}
    }

    /// Is there only on request.
    #[sdk::tool(effect = read, crate = super::api::inner)]
    #[cfg(any())]
    fn absent_too() -> Missing {}
}

#[tokio::test]
async fn hidden_names_and_another_path_to_the_api_change_nothing() {
    let greet = |arguments| call(&hidden::Greet, arguments);
    let output = greet(r#"{"name": "Ada"}"#).await.unwrap();
    assert_eq!(output.to_value(), "Hello Ada Tool");
    let wild = r#"{"name": "Ada", "mood": {"Wild": {"exclamations": 2}}}"#;
    assert_eq!(greet(wild).await.unwrap().to_value(), "Hello Ada!! Tool");
    let error = greet(r#"{"name": ""}"#).await.unwrap_err();
    assert_eq!(
        (error.case.as_deref(), error.code()),
        (Some("nobody"), "NOT_FOUND")
    );

    let output = call(&hidden::Cx, r#"{"arguments": 1, "output": 2}"#).await;
    assert_eq!(output.unwrap().to_value(), "3");

    let tools = std::sync::Arc::new(hidden::Methods(7)).tools();
    assert_eq!(tools.len(), 1);
    assert_eq!(tools[0].descriptor().name.as_str(), "tool");
    let output = call(&*tools[0], "{}").await.unwrap();
    assert_eq!(output.to_value(), "7ResultOptionStringVecArc");
}
