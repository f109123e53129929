//! The tools of one request, and the way back from what a model says.

use std::collections::BTreeMap;

use keyway_plugin_api::ToolDescriptor;
use serde_json::Value;

use super::gemini::gemini_schema;
use super::loss::{LeftOut, LeftOutReason, Loss, NotStrict};
use super::names::WireNames;
use super::nulls::Nulls;
use super::rules::{self, for_each_schema, normalise_input, settle_property_names};
use super::strict::{ANTHROPIC, OPENAI, strict_schema};
use super::{ModelApi, wire};
use crate::limits::Limits;
use crate::schema::guard;

/// Longest description that every endpoint takes, in characters.
const DESCRIPTION_SOFT_MAX: usize = 1_024;
/// Largest entry of one tool, in bytes of JSON.
const ENTRY_MAX: usize = 256 * 1024;

/// What Anthropic takes of strict tools in one request.
const STRICT_TOOLS_MAX: usize = 20;
const STRICT_OPTIONALS_MAX: usize = 24;
const STRICT_UNIONS_MAX: usize = 16;

/// The tools of one request, in the form of one API.
///
/// ```
/// use keyway_host::model::{ModelApi, ModelTools};
/// use keyway_plugin_api::{Effect, ToolDescriptor};
/// use serde_json::json;
///
/// let schema = json!({
///     "type": "object",
///     "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
///     "required": ["query"],
///     "additionalProperties": false,
/// });
/// let descriptor = ToolDescriptor::new("find".parse()?, "Finds.", Effect::Read, schema);
/// let tools = ModelTools::of(ModelApi::OpenAi, [("github-tools/find", &descriptor)]);
/// let sent = tools.to_json();
/// assert_eq!(sent[0]["function"]["name"], "github-tools__find");
/// assert_eq!(sent[0]["function"]["strict"], true);
///
/// // OpenAI's strict mode makes the model say `null` for what it leaves out.
/// let message = json!({"role": "assistant", "tool_calls": [{
///     "id": "call_1", "type": "function",
///     "function": {"name": "github-tools__find", "arguments": r#"{"limit":null,"query":"x"}"#},
/// }]});
/// let call = &tools.calls(&message)?[0];
/// assert_eq!((call.tool.as_str(), call.arguments.as_str()),
///            ("github-tools/find", r#"{"query":"x"}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ModelTools {
    pub(super) api: ModelApi,
    tools: Vec<ProjectedTool>,
    left_out: Vec<LeftOut>,
    names: WireNames,
}

/// One tool as one API is told of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProjectedTool {
    /// The name the API knows the tool by.
    pub name: String,
    /// The canonical name, which [`View::call`](crate::view::View::call) takes.
    pub tool_id: String,
    /// Whether the API makes the model keep to the schema.
    pub strict: bool,
    /// What the API is not told, or told otherwise.
    pub losses: Vec<Loss>,
    /// The entry for the request. For Gemini, one function declaration.
    pub json: Value,
    pub(super) nulls: Nulls,
}

impl ProjectedTool {
    /// Returns the schema of the arguments, as it is sent.
    #[must_use]
    pub fn schema(&self) -> &Value {
        wire::schema_of(&self.json)
    }
}

impl ModelTools {
    /// Projects tools, given by canonical name; in the order of their names.
    pub fn of<'a>(
        api: ModelApi,
        tools: impl IntoIterator<Item = (&'a str, &'a ToolDescriptor)>,
    ) -> Self {
        Self::project(api, tools, true)
    }

    /// Projects tools and makes none of them strict, for an endpoint or a model without strict
    /// mode, or one that finds the strict schemas of a request too large together.
    pub fn without_strict<'a>(
        api: ModelApi,
        tools: impl IntoIterator<Item = (&'a str, &'a ToolDescriptor)>,
    ) -> Self {
        Self::project(api, tools, false)
    }

    fn project<'a>(
        api: ModelApi,
        tools: impl IntoIterator<Item = (&'a str, &'a ToolDescriptor)>,
        may_be_strict: bool,
    ) -> Self {
        let mut left_out = Vec::new();
        let mut sorted = BTreeMap::new();
        for (tool_id, descriptor) in tools {
            if sorted.contains_key(tool_id) {
                left_out.push(leave_out(tool_id, LeftOutReason::Duplicate));
            } else {
                sorted.insert(tool_id, descriptor);
            }
        }
        let names = WireNames::of(sorted.keys().copied());
        let mut budget = Budget::of(api, may_be_strict);
        let mut projected = Vec::new();
        for (tool_id, descriptor) in sorted {
            let name = names.wire(tool_id).unwrap_or_default();
            let entry = Entry {
                api,
                name,
                tool_id,
                descriptor,
            };
            match entry.project(&mut budget) {
                Ok(tool) => projected.push(tool),
                Err(reason) => left_out.push(leave_out(tool_id, reason)),
            }
        }
        Self {
            api,
            tools: projected,
            left_out,
            names,
        }
    }

    /// Returns the API.
    #[must_use]
    pub fn api(&self) -> ModelApi {
        self.api
    }

    /// Returns the tools that the API is told of.
    #[must_use]
    pub fn tools(&self) -> &[ProjectedTool] {
        &self.tools
    }

    /// Returns the tools that the API cannot be told of.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Returns the value of the request's `tools`. Empty lists are refused by some APIs: leave
    /// the member out when [`ModelTools::tools`] is empty.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let entries: Value = self.tools.iter().map(|tool| tool.json.clone()).collect();
        wire::tools(self.api, entries)
    }

    /// Returns the tool that a model calls by this name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ProjectedTool> {
        let tool_id = self.names.canonical(name)?;
        let found = self
            .tools
            .binary_search_by(|tool| tool.tool_id.as_str().cmp(tool_id));
        self.tools.get(found.ok()?)
    }

    /// Returns the name to send for a canonical name, in a conversation that is told again; for a
    /// tool that is gone, a name in a form the API takes.
    #[must_use]
    pub fn wire_name(&self, tool_id: &str) -> String {
        self.names.wire_or_cleaned(tool_id)
    }
}

fn leave_out(tool_id: &str, reason: LeftOutReason) -> LeftOut {
    LeftOut {
        tool_id: tool_id.to_owned(),
        reason,
    }
}

/// One tool on its way.
struct Entry<'a> {
    api: ModelApi,
    name: &'a str,
    tool_id: &'a str,
    descriptor: &'a ToolDescriptor,
}

impl Entry<'_> {
    fn project(&self, budget: &mut Budget) -> Result<ProjectedTool, LeftOutReason> {
        let mut losses = Vec::new();
        let mut schema = normalise_input(&self.descriptor.input_schema)?;
        check_keywords(&schema)?;
        self.settle_names(&mut schema, &mut losses)?;
        let (schema, nulls, is_strict) = self.schema(&schema, budget, &mut losses);
        let chars = self.descriptor.description.chars().count();
        let is_openai = matches!(self.api, ModelApi::OpenAi | ModelApi::OpenAiResponses);
        if is_openai && chars > DESCRIPTION_SOFT_MAX {
            losses.push(Loss::LongDescription { chars });
        }
        let json = wire::entry(
            self.api,
            (self.name, &self.descriptor.description),
            &schema,
            is_strict,
        );
        let bytes = json.to_string().len();
        if bytes > ENTRY_MAX {
            let limit = ENTRY_MAX;
            return Err(LeftOutReason::TooLarge { bytes, limit });
        }
        Ok(ProjectedTool {
            name: self.name.to_owned(),
            tool_id: self.tool_id.to_owned(),
            strict: is_strict,
            losses,
            json,
            nulls,
        })
    }

    fn settle_names(
        &self,
        schema: &mut Value,
        losses: &mut Vec<Loss>,
    ) -> Result<(), LeftOutReason> {
        let is_taken = match self.api {
            ModelApi::Anthropic => is_anthropic_name,
            ModelApi::Gemini => is_gemini_name,
            ModelApi::OpenAi | ModelApi::OpenAiResponses => return Ok(()),
        };
        for bad in settle_property_names(schema, is_taken) {
            let (at, name) = (bad.at, bad.name);
            if bad.is_required {
                return Err(LeftOutReason::PropertyName { at, name });
            }
            losses.push(Loss::Property { at, name });
        }
        Ok(())
    }

    fn schema(
        &self,
        schema: &Value,
        budget: &mut Budget,
        losses: &mut Vec<Loss>,
    ) -> (Value, Nulls, bool) {
        let dialect = match self.api {
            ModelApi::Gemini => return (gemini_schema(schema, losses), Nulls::default(), false),
            ModelApi::Anthropic => &ANTHROPIC,
            ModelApi::OpenAi | ModelApi::OpenAiResponses => &OPENAI,
        };
        let strict = match property_lost(losses) {
            Some(at) => Err(NotStrict::Property { at }),
            None => strict_schema(dialect, schema),
        };
        let strict = strict.and_then(|(strict, nulls)| {
            budget.spend(&strict)?;
            Ok((strict, nulls))
        });
        match strict {
            Ok((strict, nulls)) => (strict, nulls, true),
            Err(why) => {
                losses.push(Loss::NotStrict { why });
                (schema.clone(), Nulls::default(), false)
            }
        }
    }
}

/// Checks a schema against the schema of schemas, and its patterns.
fn check_keywords(schema: &Value) -> Result<(), LeftOutReason> {
    let verdict = jsonschema::draft202012::meta::validate(schema);
    verdict.map_err(|error| LeftOutReason::NotASchema {
        problem: format!("{error} at `{}`", error.instance_path()),
    })?;
    guard(schema, &Limits::default()).map_err(|error| LeftOutReason::NotASchema {
        problem: error.to_string(),
    })
}

fn property_lost(losses: &[Loss]) -> Option<String> {
    losses.iter().find_map(|loss| match loss {
        Loss::Property { at, .. } => Some(at.clone()),
        _ => None,
    })
}

fn is_anthropic_name(name: &str) -> bool {
    let is_taken = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_taken)
}

fn is_gemini_name(name: &str) -> bool {
    let is_taken = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.len() <= 64 && name.bytes().all(is_taken)
}

/// What is left of strictness in one request.
struct Budget {
    may_be_strict: bool,
    left: Vec<(&'static str, usize, usize)>,
}

impl Budget {
    fn of(api: ModelApi, may_be_strict: bool) -> Self {
        let limits = [
            ("strict tools", STRICT_TOOLS_MAX),
            ("optional properties in strict tools", STRICT_OPTIONALS_MAX),
            (
                "properties of several types in strict tools",
                STRICT_UNIONS_MAX,
            ),
        ];
        let is_limited = api == ModelApi::Anthropic;
        let limits = limits.into_iter().filter(|_| is_limited);
        Self {
            may_be_strict,
            left: limits.map(|(what, limit)| (what, limit, limit)).collect(),
        }
    }

    fn spend(&mut self, schema: &Value) -> Result<(), NotStrict> {
        if !self.may_be_strict {
            return Err(NotStrict::AskedFor);
        }
        let (optionals, unions) = wants(schema);
        let prices = [1, optionals, unions];
        for ((what, limit, left), price) in self.left.iter().zip(prices) {
            if price > *left {
                let (what, limit) = (*what, *limit);
                return Err(NotStrict::RequestLimit { what, limit });
            }
        }
        for ((_, _, left), price) in self.left.iter_mut().zip(prices) {
            *left -= price;
        }
        Ok(())
    }
}

/// Counts optional properties and alternatives.
fn wants(schema: &Value) -> (usize, usize) {
    let (mut optionals, mut unions) = (0, 0);
    for_each_schema(schema, "", &mut |_, schema: &rules::Members| {
        let named = schema.get("properties").and_then(Value::as_object);
        let required = schema.get("required").and_then(Value::as_array);
        let all = named.map_or(0, serde_json::Map::len);
        optionals += all.saturating_sub(required.map_or(0, Vec::len));
        unions += usize::from(schema.contains_key("anyOf"));
    });
    (optionals, unions)
}
