//! What the macros call to build a descriptor, once per tool and process.

use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Value, json};

use crate::id::ConstToolName;
use crate::normalise::{normalise_derived, normalise_derived_output};
use crate::{
    Arguments, ConstNeed, Effect, ErrorCase, Need, ToolDescriptor, ToolError, ToolName,
    assert_effect_allows,
};

/// What a parameter's type says about itself.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "only the derive builds it")]
pub struct Parameter {
    /// What it needs from the host.
    pub need: ConstNeed,
    /// Makes the raw schema of what the model supplies, where the parameter is that.
    pub input_schema: fn() -> Option<Value>,
}

/// What `#[tool]` read off a function; becomes its descriptor.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "only the derive builds it")]
pub struct ToolSpec {
    /// The tool's name.
    pub name: ConstToolName,
    /// The title, where one was given.
    pub title: Option<&'static str>,
    /// The doc comment.
    pub description: &'static str,
    /// The declared effect.
    pub effect: Effect,
    /// The declared idempotence.
    pub idempotent: bool,
    /// What the function takes.
    pub parameters: &'static [Parameter],
    /// The raw output schema, where the result has one.
    pub output: Option<Value>,
    /// How the tool can fail.
    pub errors: Vec<ErrorCase>,
}

impl ToolSpec {
    /// Builds the descriptor.
    ///
    /// A schema that cannot be normalised, which only a hand-written `JsonSchema` can cause, is
    /// published as it is: the host refuses the tool when it registers, and says why.
    #[must_use]
    pub fn describe(self) -> ToolDescriptor {
        let input = self.parameters.iter().find_map(|p| (p.input_schema)());
        let input = input.unwrap_or_else(no_arguments_schema);
        let (input, exact) = normalise_derived(&input).unwrap_or((input, false));
        let output = self
            .output
            .map(|output| normalise_derived_output(&output).unwrap_or((output, false)));
        let guaranteed = output.as_ref().is_none_or(|(_, guaranteed)| *guaranteed);
        let needs = (self.parameters.iter()).filter_map(|p| Need::from_const(p.need));
        let name = ToolName::from(self.name);
        let mut descriptor = ToolDescriptor::new(name, self.description.trim(), self.effect, input)
            .with_idempotent(self.idempotent)
            .with_needs(needs)
            .with_errors(self.errors)
            .with_typed(exact && guaranteed);
        descriptor.title = self.title.map(str::to_owned);
        descriptor.output_schema = output.map(|(schema, _)| schema);
        descriptor
    }
}

/// Refuses anything but an empty object, for a tool that takes no arguments.
///
/// # Errors
/// [`ToolError`] of kind `InvalidArguments`.
pub fn expect_no_arguments(arguments: Arguments<'_>) -> Result<(), ToolError> {
    let text = arguments.as_str().trim();
    let inside = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    match inside {
        Some(inside) if inside.trim().is_empty() => Ok(()),
        _ => Err(ToolError::invalid_arguments(
            "this tool takes no arguments; send `{}`",
        )),
    }
}

/// Tells whether one of the parameters is the model's arguments; fails the build when two are.
///
/// # Panics
/// At compile time only, with the contradiction as its text.
#[must_use]
#[expect(
    clippy::panic,
    reason = "runs in a const: the panic is the compile error"
)]
pub const fn takes_arguments(parameters: &[Parameter]) -> bool {
    let (mut i, mut found) = (0, 0);
    while i < parameters.len() {
        if matches!(parameters[i].need, ConstNeed::Arguments) {
            found += 1;
        }
        i += 1;
    }
    if found > 1 {
        panic!("a tool takes at most one `Args<T>`: put all arguments in one struct");
    }
    found == 1
}

/// Fails the build when the declared effect contradicts a parameter.
///
/// # Panics
/// At compile time only, with the contradiction as its text.
pub const fn check_effect(effect: Effect, parameters: &[Parameter]) {
    let mut i = 0;
    while i < parameters.len() {
        assert_effect_allows(effect, &[parameters[i].need]);
        i += 1;
    }
}

/// Returns the raw schema of what a model sends.
pub(crate) fn input_schema<T: JsonSchema>() -> Value {
    raw_schema::<T>(Contract::Deserialize)
}

/// Returns the raw schema of what a tool gives back.
pub(crate) fn output_schema<T: JsonSchema>() -> Value {
    raw_schema::<T>(Contract::Serialize)
}

fn raw_schema<T: JsonSchema>(contract: Contract) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.contract = contract);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    if let Some(root) = schema.as_object_mut() {
        // The name of a Rust type says nothing to a model.
        root.remove("title");
    }
    schema
}

fn no_arguments_schema() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false, "x-keyway-exact": true})
}
