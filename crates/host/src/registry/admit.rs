//! Checks a tool's description before anybody can name the tool.

use keyway_plugin_api::{ToolDescriptor, ToolId, normalise_input, normalise_output};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::{schema, text};

/// A tool that was kept out, with the reason; its siblings are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// The tool.
    pub tool: ToolId,
    /// Why.
    pub reason: String,
}

/// Finds the first reason to keep a tool out, and brings its schemas into the canonical form. Where
/// all that it says is ASCII there is no character in it that could hide.
pub(super) fn admit(
    descriptor: &mut ToolDescriptor,
    is_ascii: bool,
    limits: &Limits,
) -> Result<(), String> {
    check_description(&descriptor.description, limits)?;
    if !is_ascii {
        check_visible(descriptor)?;
    }
    check_schemas(descriptor, limits)?;
    normalise(descriptor, limits)
}

/// Brings the schemas of a hand-written description into the canonical form; the derive's are in
/// it already.
fn normalise(descriptor: &mut ToolDescriptor, limits: &Limits) -> Result<(), String> {
    if descriptor.typed {
        return Ok(());
    }
    let input =
        normalise_input(&descriptor.input_schema).map_err(|e| format!("input schema: {e}"))?;
    let output = descriptor.output_schema.as_ref().map(normalise_output);
    let output = output
        .transpose()
        .map_err(|e| format!("output schema: {e}"))?;
    if input == descriptor.input_schema && output == descriptor.output_schema {
        return Ok(());
    }
    (descriptor.input_schema, descriptor.output_schema) = (input, output);
    // References were written out, so the sizes are new.
    check_schemas(descriptor, limits)
}

fn check_schemas(descriptor: &ToolDescriptor, limits: &Limits) -> Result<(), String> {
    schema::guard_input(&descriptor.input_schema, limits)
        .map_err(|e| format!("input schema: {e}"))?;
    if let Some(output) = &descriptor.output_schema {
        schema::guard(output, limits).map_err(|e| format!("output schema: {e}"))?;
    }
    Ok(())
}

fn check_description(description: &str, limits: &Limits) -> Result<(), String> {
    let (bytes, most) = (description.len(), limits.description_bytes);
    match bytes {
        0 => Err("it has no description".to_owned()),
        _ if bytes > most => Err(format!(
            "its description has {bytes} bytes, {most} are allowed"
        )),
        _ => Ok(()),
    }
}

fn check_visible(descriptor: &ToolDescriptor) -> Result<(), String> {
    for (path, string) in text::inventory(descriptor) {
        text::check_visible(&string).map_err(|problem| format!("{path}: {problem}"))?;
    }
    Ok(())
}
