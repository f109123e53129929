//! The JSON Schema of keyway's part of a manifest, for editors and for other tools.
//!
//! The types here are the wire form and are read by the schema generator only; the parser walks
//! the document itself so that it can report everything at once. Tests hold the two together.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::types::{Manifest, RuntimeKind};
use crate::{CapabilityRequest, HookPoint, Risk, Slot};

impl Manifest {
    /// Returns the JSON Schema (2020-12) of `extensions["dev.keyway"]`.
    ///
    /// It says less than the parser: what the schema refuses the parser refuses or notices, not
    /// the other way round.
    #[must_use]
    pub fn extension_schema() -> Value {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<Extension>().to_value();
        absent_is_not_null(&mut schema);
        schema
    }
}

/// An optional field of a manifest is absent; `null` is a value of the wrong type.
fn absent_is_not_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    fields.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
            }
            fields.values_mut().for_each(absent_is_not_null);
        }
        Value::Array(items) => items.iter_mut().for_each(absent_is_not_null),
        _ => {}
    }
}

/// What a keyway plugin says about itself beyond the Agent Plugins standard.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(
    title = "keyway extension of plugin.json",
    extend("$id" = "https://keyway.dev/schemas/1/dev.keyway.schema.json")
)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct Extension {
    /// Version of this layout; 1 when absent.
    #[schemars(range(min = 1))]
    schema_version: Option<u64>,
    /// Range of plugin API versions, with an upper bound. Required next to `runtime`.
    api: Option<String>,
    /// Functional position; `custom`, which is not exclusive, when absent.
    slot: Option<Slot>,
    /// Plugins that must be there first: `name` or `name@range`.
    #[schemars(inner(regex(pattern = r"^[a-z0-9](-?[a-z0-9])*(@.+)?$")))]
    dependencies: Option<Vec<String>>,
    /// How the plugin runs; absent for a package with nothing of its own to run.
    runtime: Option<Runtime>,
    /// What it asks for.
    capabilities: Option<Vec<CapabilityRequest>>,
    /// How dangerous the author says it is; at least what the capabilities amount to.
    risk: Option<Risk>,
    /// What it adds.
    contributes: Option<Contributes>,
    /// State that it owns.
    state: Option<State>,
    /// JSON Schema of its settings; its root is an object.
    settings: Option<Settings>,
    /// What must be present on the machine.
    activation: Option<Activation>,
}

/// How the plugin runs.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct Runtime {
    /// The kind of runtime.
    kind: RuntimeKind,
    /// The program or component, one word, relative to the package. Required for `process` and
    /// `wasm`.
    #[schemars(regex(pattern = r"^\S+$"))]
    command: Option<String>,
    /// Its arguments.
    args: Option<Vec<String>>,
    /// Address of an MCP server that is reached over HTTP: `https`, or `http` on this machine.
    #[schemars(regex(pattern = r"^https?://\S+$"))]
    url: Option<String>,
    /// Whether two instances may run at once while the plugin is reloaded; true when absent.
    overlap: Option<bool>,
}

/// What the plugin adds. Tools, hooks and providers need a runtime.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct Contributes {
    /// Tools.
    #[schemars(length(max = 256))]
    tools: Option<Vec<Tool>>,
    /// Points at which it has hooks.
    hooks: Option<Vec<HookPoint>>,
    /// Providers.
    providers: Option<Vec<String>>,
    /// Commands.
    commands: Option<Vec<String>>,
    /// Subagents.
    subagents: Option<Vec<String>>,
}

/// A tool: its name, or an object when there is more to say.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
enum Tool {
    /// A tool that is visible as soon as the plugin runs.
    Name(#[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"))] String),
    /// A tool with its options.
    Full {
        /// Its name.
        #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"))]
        name: String,
        /// Whether it stays hidden until an operator allows it.
        optional: Option<bool>,
    },
}

/// State that the plugin owns.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct State {
    /// Whether it owns state.
    owns: bool,
    /// Version of the state's layout; 1 when absent.
    version: Option<u32>,
}

/// A JSON Schema of an object.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct Settings {
    /// Always `object`.
    #[serde(rename = "type")]
    #[schemars(extend("const" = "object"))]
    kind: String,
}

/// What must be present on the machine for the plugin to be of use.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct Activation {
    /// Operating systems, for example `linux`; any when empty.
    os: Option<Vec<String>>,
    /// Environment variables.
    env: Option<Vec<String>>,
    /// Programs on the search path.
    bins: Option<Vec<String>>,
}
