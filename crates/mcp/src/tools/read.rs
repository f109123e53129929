//! Reads a list of tools one by one: a bad one is kept out with a reason, the rest live.

use std::collections::BTreeSet;

use keyway_plugin_api::{ToolDescriptor, ToolName, normalise_input, normalise_output};
use serde_json::{Map, Value};

use super::effect::{effect_of, is_idempotent};
use crate::client::UNREADABLE;
use crate::config::McpServer;

/// Largest part of a tool that keyway has no field for, in bytes of JSON.
const EXTRA_MAX: usize = 16 * 1024;
/// What stands where a server says nothing of a tool.
const NO_DESCRIPTION: &str = "(its server does not describe it)";

/// What became of a server's list of tools.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ToolReading {
    /// The tools that can be registered, sorted by name.
    pub tools: Vec<ReadTool>,
    /// The tools that were kept out.
    pub kept_out: Vec<KeptOut>,
}

/// One tool that was read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReadTool {
    /// The tool as keyway describes it; the server's own words unchanged.
    pub descriptor: ToolDescriptor,
}

/// A tool that was kept out, with the reason; it costs no other tool anything (R11).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptOut {
    /// The name, escaped and cut, or the place in the list where there is no name.
    pub tool: String,
    /// Why.
    pub reason: String,
}

/// Reads the tools of a `tools/list` result.
///
/// ```
/// use keyway_mcp::{McpServer, read_tools};
/// use keyway_plugin_api::serde_json::json;
///
/// let server = McpServer::http("weather", "https://weather.example/mcp")?;
/// let reading = read_tools(&server, &[
///     json!({"name": "today", "description": "Says the weather.", "inputSchema": {"type": "object"}}),
///     json!({"name": "broken", "inputSchema": null}),
/// ]);
/// assert_eq!(reading.tools[0].descriptor.name.as_str(), "today");
/// assert_eq!(reading.kept_out[0].tool, "broken");
/// # Ok::<(), keyway_mcp::ConfigError>(())
/// ```
#[must_use]
pub fn read_tools(server: &McpServer, list: &[Value]) -> ToolReading {
    let mut reading = ToolReading::default();
    let mut names = BTreeSet::new();
    for (place, raw) in list.iter().enumerate() {
        let name = raw.get("name").and_then(Value::as_str);
        if is_left_out(server, name) {
            continue;
        }
        let tool = read_tool(server, raw).and_then(|tool| {
            match names.insert(tool.descriptor.name.clone()) {
                true => Ok(tool),
                false => {
                    Err("its server has another tool of this name, which comes first".to_owned())
                }
            }
        });
        match tool {
            Ok(tool) => reading.tools.push(tool),
            Err(reason) => reading.kept_out.push(KeptOut {
                tool: name.map_or_else(|| format!("#{place}"), shown),
                reason,
            }),
        }
    }
    reading
        .tools
        .sort_by(|a, b| a.descriptor.name.cmp(&b.descriptor.name));
    reading
}

/// Tells whether the operator wants other tools of this server only.
fn is_left_out(server: &McpServer, name: Option<&str>) -> bool {
    let only = server.only.as_ref();
    only.is_some_and(|only| name.is_none_or(|name| !only.contains(name)))
}

fn read_tool(server: &McpServer, raw: &Value) -> Result<ReadTool, String> {
    let fields = raw.as_object().ok_or("it is no object")?;
    if let Some(why) = fields.get(UNREADABLE).and_then(Value::as_str) {
        return Err(shown(why));
    }
    let name = fields
        .get("name")
        .and_then(Value::as_str)
        .ok_or("it has no name")?;
    let name = ToolName::parse(name).map_err(|e| format!("its name: {}", e.rule))?;
    let annotations = fields.get("annotations").and_then(Value::as_object);
    let schema = input_schema(fields)?;
    let effect = effect_of(server, name.as_str(), annotations);
    let mut descriptor = ToolDescriptor::new(name, description(fields)?, effect, schema)
        .with_idempotent(is_idempotent(server, annotations))
        .with_extra(extra(fields)?);
    if let Some(title) = title(fields, annotations) {
        descriptor = descriptor.with_title(title);
    }
    if let Some(schema) = output_schema(fields)? {
        descriptor = descriptor.with_output_schema(schema);
    }
    Ok(ReadTool { descriptor })
}

fn input_schema(fields: &Map<String, Value>) -> Result<Value, String> {
    let schema = fields.get("inputSchema").ok_or("it has no input schema")?;
    if !schema.is_object() {
        return Err("its input schema is no object".to_owned());
    }
    normalise_input(schema).map_err(|e| format!("its input schema: {e}"))?;
    super::header::check(schema).map_err(|e| format!("its `x-mcp-header`: {e}"))?;
    Ok(schema.clone())
}

fn output_schema(fields: &Map<String, Value>) -> Result<Option<Value>, String> {
    match fields.get("outputSchema") {
        None | Some(Value::Null) => Ok(None),
        Some(schema) => {
            normalise_output(schema).map_err(|e| format!("its output schema: {e}"))?;
            Ok(Some(schema.clone()))
        }
    }
}

fn description(fields: &Map<String, Value>) -> Result<&str, String> {
    match fields.get("description") {
        None | Some(Value::Null) => Ok(NO_DESCRIPTION),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(NO_DESCRIPTION),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err("its description is no text".to_owned()),
    }
}

fn title<'f>(
    fields: &'f Map<String, Value>,
    annotations: Option<&'f Map<String, Value>>,
) -> Option<&'f str> {
    let of = |fields: &'f Map<String, Value>| fields.get("title").and_then(Value::as_str);
    let title = of(fields).or_else(|| annotations.and_then(of))?;
    (!title.trim().is_empty()).then_some(title)
}

/// Keeps what keyway has no field for: hints, icons, notes of others. It is part of the digest.
fn extra(fields: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    const KNOWN: [&str; 5] = [
        "name",
        "title",
        "description",
        "inputSchema",
        "outputSchema",
    ];
    let others = fields
        .iter()
        .filter(|(key, _)| !KNOWN.contains(&key.as_str()));
    let extra: Map<String, Value> = others
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let bytes = serde_json::to_vec(&extra).map_or(usize::MAX, |bytes| bytes.len());
    match bytes > EXTRA_MAX {
        true => Err(format!(
            "{bytes} bytes beside its schemas, {EXTRA_MAX} are allowed"
        )),
        false => Ok(extra),
    }
}

fn shown(name: &str) -> String {
    keyway_host::text::excerpt(name).into_owned()
}
