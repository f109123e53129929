//! L3 and L4: what a start and a call cost.

use std::borrow::Cow;
use std::time::Duration;

use keyway_host::Host;
use keyway_host::catalog::Operation;
use keyway_host::scope::Scope;
use keyway_host::view::View;
use keyway_plugin_api::{Args, Plugin, PluginId, Register, RegisterError, ToolInput, tool};
use keyway_process::ProcessOptions;
use keyway_test_support::TempPackages;
use tokio::time::Instant;

use crate::Outcome;
use crate::report::{Report, Times};
use crate::site::{Site, host, name};

/// Whom to greet.
#[derive(ToolInput)]
struct Greeted {
    /// The name.
    name: String,
}

/// Greets somebody.
#[tool(effect = read)]
async fn greet(greeted: Args<Greeted>) -> String {
    format!("Hello {}!", greeted.name)
}

/// What this program is when a host starts it: a plugin with the same tool.
pub(crate) struct Greeter;

impl Plugin for Greeter {
    fn manifest(&self) -> Cow<'static, str> {
        GREETER.into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Greet)?;
        Ok(())
    }
}

const GREETER: &str = r#"{
    "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
    "name": "greeter", "version": "1.0.0",
    "extensions": { "dev.keyway": {
        "schemaVersion": 1, "api": ">=0.1, <0.2",
        "runtime": { "kind": "process", "command": "./greeter" },
        "contributes": { "tools": ["greet"] }
    } }
}"#;

const ARGUMENTS: &str = r#"{"name":"Ada"}"#;

/// Starts a plugin again and again. What an operator waits for is measured: with the plan, the
/// copy's hash, the jail, the handshake, `register` and `start`, and the durable change.
pub(crate) async fn spawns(time: Duration, report: &mut Report) -> Outcome<()> {
    let site = Site::start(1).await?;
    let plugin = PluginId::parse(&name(0))?;
    let (mut times, began) = (Vec::new(), Instant::now());
    while began.elapsed() < time {
        let (plugin, cascade) = (plugin.clone(), false);
        let disable = Operation::Disable { plugin, cascade };
        site.host.run(&disable).await?;
        let enable = Operation::Enable {
            plugin: PluginId::parse(&name(0))?,
        };
        let asked = Instant::now();
        site.host.run(&enable).await?;
        times.push(asked.elapsed());
    }
    site.end().await?;
    let goals = [
        (50, Duration::from_millis(30)),
        (95, Duration::from_millis(80)),
    ];
    let what = ("L3", "jailed spawn to running, the durable change included");
    report.times(what, &goals, &Times::of(times));
    Ok(())
}

/// Calls a linked tool: gate, schema check, audit.
pub(crate) async fn in_process(time: Duration, report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let host = Host::builder("storms", "1.0.0")
        .state_dir(folder.path())
        .tool(Greet)
        .build()?;
    host.start().await;
    let view = host.view(Scope::everywhere());
    let times = calls(&view, "greet", time).await?;
    host.shutdown().await;
    let goals = [(50, Duration::from_micros(20))];
    report.times(
        ("L4", "governed call in the host's process"),
        &goals,
        &times,
    );
    Ok(())
}

/// Calls tools of plugins: one that is written for the wire alone, one with the SDK.
pub(crate) async fn echoes(time: Duration, report: &mut Report) -> Outcome<()> {
    let goals = [
        (50, Duration::from_micros(200)),
        (99, Duration::from_millis(3)),
    ];
    let site = Site::start(1).await?;
    let times = calls(&site.view(), "p0/echo", time).await?;
    site.end().await?;
    report.times(("L4", "echo call to a process"), &goals, &times);
    let (packages, folder) = (TempPackages::new(), tempfile::tempdir()?);
    packages.write("greeter", GREETER);
    packages.write_file(
        "greeter",
        "greeter",
        &std::fs::read(std::env::current_exe()?)?,
    );
    let host = host(folder.path(), &packages, ProcessOptions::new())?;
    let started = host.start().await;
    if started.failures().next().is_some() {
        return Err(format!("the greeter did not start: {started:?}").into());
    }
    let view = host.view(Scope::everywhere());
    let times = calls(&view, "greeter/greet", time).await?;
    host.shutdown().await;
    let what = ("L4", "call to a process that is made with keyway-serve");
    report.times(what, &goals, &times);
    Ok(())
}

/// Calls a tool again and again.
async fn calls(view: &View, tool: &str, time: Duration) -> Outcome<Times> {
    let (mut times, began) = (Vec::new(), Instant::now());
    while began.elapsed() < time {
        let asked = Instant::now();
        view.call(tool, ARGUMENTS).await?;
        times.push(asked.elapsed());
    }
    Ok(Times::of(times))
}
