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

/// Brings the schemas of a hand-written description into the canonical form; the derive's are in
/// it already.
pub(super) fn normalise(descriptor: &mut ToolDescriptor, limits: &Limits) -> Result<(), String> {
    if descriptor.typed {
        return Ok(());
    }
    descriptor.input_schema =
        normalise_input(&descriptor.input_schema).map_err(|e| format!("input schema: {e}"))?;
    if let Some(output) = &mut descriptor.output_schema {
        *output = normalise_output(output).map_err(|e| format!("output schema: {e}"))?;
    }
    // References were written out, so the sizes are new.
    check_schemas(descriptor, limits)
}

/// Finds the first reason to keep a tool out.
pub(super) fn check(descriptor: &ToolDescriptor, limits: &Limits) -> Result<(), String> {
    check_texts(descriptor, limits)?;
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

fn check_texts(descriptor: &ToolDescriptor, limits: &Limits) -> Result<(), String> {
    let bytes = descriptor.description.len();
    if bytes == 0 {
        return Err("it has no description".to_owned());
    }
    if bytes > limits.description_bytes {
        let most = limits.description_bytes;
        return Err(format!(
            "its description has {bytes} bytes, {most} are allowed"
        ));
    }
    for (path, string) in text::inventory(descriptor) {
        text::check_visible(&string).map_err(|problem| format!("{path}: {problem}"))?;
    }
    Ok(())
}
