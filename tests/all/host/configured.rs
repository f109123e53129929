//! What an operator sets reaches the plugin that runs, or leaves it as it was.

use std::borrow::Cow;

use keyway_host::PluginStatus;
use keyway_host::catalog::Operation;
use keyway_plugin_api::{
    Arguments, CallCx, Effect, Plugin, Register, RegisterError, Tool, ToolDescriptor, ToolError,
    ToolName, ToolOutput, async_trait,
};
use keyway_test_support::TestHost;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{id, operator, refused};

/// Says in which units it would tell the weather.
pub(crate) struct Weather;

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    units: Option<String>,
}

struct Units(ToolDescriptor, String);

#[async_trait]
impl Tool for Units {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.0
    }

    async fn call(&self, _: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        Ok(ToolOutput::text(self.1.as_str()))
    }
}

#[async_trait]
impl Plugin for Weather {
    fn manifest(&self) -> Cow<'static, str> {
        let manifest = json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": "weather", "version": "0.1.0",
            "extensions": { "dev.keyway": {
                "api": ">=0.1, <0.2",
                "runtime": { "kind": "linked" },
                "settings": {
                    "type": "object",
                    "properties": {
                        "units": { "type": "string", "minLength": 2, "description": "metric or imperial" },
                        "days": { "type": "integer" }
                    }
                },
                "contributes": { "tools": ["units"] } } }
        });
        manifest.to_string().into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        let settings: Settings = ctx.settings()?;
        let name = ToolName::parse("units").unwrap();
        let schema = json!({"type": "object"});
        let descriptor = ToolDescriptor::new(name, "Says the units.", Effect::Read, schema);
        let units = settings.units.unwrap_or_else(|| "none".to_owned());
        ctx.tool(Units(descriptor, units))?;
        Ok(())
    }
}

fn configure(settings: &Value) -> Operation {
    Operation::Configure {
        plugin: id("weather"),
        settings: settings.as_object().unwrap().clone(),
        by: operator("olga"),
    }
}

#[tokio::test]
async fn what_operators_set_counts_before_what_the_embedder_set() {
    let host = TestHost::builder()
        .plugin(Weather)
        .configure(|host| host.settings(id("weather"), json!({"units": "imperial"})))
        .start()
        .await;
    let units = || async { host.call("weather/units", json!({})).await.unwrap() };
    assert_eq!(units().await, "imperial");

    host.run(configure(&json!({"units": "metric"})))
        .await
        .unwrap();
    assert_eq!(units().await, "metric");

    let invalid = configure(&json!({"units": 3}));
    refused(host.run(invalid).await, "SETTINGS_INVALID");
    assert_eq!(units().await, "metric");

    host.run(configure(&json!({}))).await.unwrap();
    assert_eq!(units().await, "imperial");
}

#[tokio::test]
async fn a_start_that_settings_keep_back_names_the_command_that_mends_it() {
    let host = TestHost::builder()
        .plugin(Weather)
        .configure(|host| host.settings(id("weather"), json!({"units": 3})))
        .start()
        .await;
    let outcome = host.report().plugin("weather").unwrap();
    let PluginStatus::Failed { code, reason, .. } = &outcome.status else {
        panic!("{outcome:#?}");
    };
    assert_eq!(*code, "SETTINGS_INVALID");
    let step = "run: keyway plugin configure weather KEY=VALUE";
    assert!(
        reason.contains("/units") && reason.ends_with(step),
        "{reason}"
    );

    // The control: that command is all that it takes.
    let mended = configure(&json!({"units": "metric"}));
    host.run(mended).await.unwrap();
    let units = host.call("weather/units", json!({})).await.unwrap();
    assert_eq!(units, "metric");
}
