//! What is done to the plugins, in order, and the table that says what came of it.

use std::io::Write;
use std::time::Duration;

use keyway_host::catalog::Operation;
use keyway_host::operator::OperatorId;
use keyway_host::{Host, PluginStatus};
use keyway_plugin_api::PluginId;
use rustix::process::{Pid, Signal, kill_process};

use crate::load::Load;
use crate::site::Site;

/// Anything that ends the story early.
pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;

const PLUGINS: [&str; 3] = ["node-text", "python-notes", "rust-words"];

/// Tells the story.
pub(crate) async fn tell(out: &mut impl Write) -> Result<(), Problem> {
    let site = Site::make()?;
    let host = site.host()?;
    let mut notices = host.notices();
    let report = host.start().await;
    row(out, ["what is done", "to", "what came of it"])?;
    for plugin in PLUGINS {
        let status = report.plugin(plugin).map(|outcome| shown(&outcome.status));
        row(
            out,
            [
                "start",
                plugin,
                &status.unwrap_or_else(|| "absent".to_owned()),
            ],
        )?;
    }
    calls(&host, out).await?;
    kill(&site, &host, out).await?;
    reload(&site, &host, out).await?;
    revoke(&host, out).await?;
    host.shutdown().await;
    let left = std::fs::read_dir(site.store().join("scratch"))?.count();
    row(out, ["shutdown", "all", &format!("{left} processes left")])?;
    writeln!(out, "\nwhat the operator was told:")?;
    while let Ok(notice) = notices.try_recv() {
        let message = keyway_host::text::printable(&notice.message).into_owned();
        writeln!(out, "  {}: {message}", notice.plugin)?;
    }
    Ok(())
}

fn shown(status: &PluginStatus) -> String {
    match status {
        PluginStatus::Running { tools, enforcement } => {
            format!("runs, {enforcement}, {tools} tools")
        }
        PluginStatus::Failed { code, reason, .. } => format!("{code}: {reason}"),
        other => format!("{other:?}"),
    }
}

async fn calls(host: &Host, out: &mut impl Write) -> Result<(), Problem> {
    for (tool, arguments) in [
        ("node-text/count_words", r#"{"text":"one two three"}"#),
        (
            "python-notes/add_note",
            r#"{"name":"milk","text":"buy some"}"#,
        ),
        ("rust-words/reverse", r#"{"text":"stressed"}"#),
    ] {
        let called = host
            .view(keyway_host::scope::Scope::everywhere())
            .call(tool, arguments)
            .await;
        let came = match called {
            Ok(keyway_host::Outcome::Done(output)) => output.to_value().to_string(),
            Ok(waits) => format!("{waits:?}"),
            Err(error) => format!("{}: {error}", error.code()),
        };
        row(out, ["call", tool, &came])?;
    }
    Ok(())
}

fn load(host: &Host) -> Load {
    let view = || host.view(keyway_host::scope::Scope::everywhere());
    Load::on(view, "rust-words/reverse", r#"{"text":"stressed"}"#)
}

/// Kills the Rust plugin twice under load. Its tool is idempotent, so calls are sent again.
async fn kill(site: &Site, host: &Host, out: &mut impl Write) -> Result<(), Problem> {
    let load = load(host);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        if let Some(pid) = program_of(site) {
            kill_process(pid, Signal::KILL)?;
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    row(out, ["kill -9, twice", "rust-words", &load.end().await])
}

async fn reload(site: &Site, host: &Host, out: &mut impl Write) -> Result<(), Problem> {
    let load = load(host);
    let plugin = PluginId::parse("rust-words")?;
    for round in 0..5 {
        site.change("rust-words", &format!("version {round}"))?;
        host.reload(&plugin).await?;
    }
    row(out, ["reload, 5 times", "rust-words", &load.end().await])
}

async fn revoke(host: &Host, out: &mut impl Write) -> Result<(), Problem> {
    let load = load(host);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let operation = Operation::Revoke {
        plugin: PluginId::parse("rust-words")?,
        by: OperatorId::parse("demo")?,
        reason: "the story says so".to_owned(),
    };
    host.run(&operation).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    row(out, ["revoke", "rust-words", &load.end().await])?;
    calls(host, out).await
}

/// Finds the process that runs the Rust plugin's program: the last that was started from the store.
fn program_of(site: &Site) -> Option<Pid> {
    let store = site.store().to_string_lossy().into_owned();
    let mut last = None;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains(&store) && line.contains("bin/words") {
            last = last.max(entry.file_name().to_string_lossy().parse().ok());
        }
    }
    last.and_then(Pid::from_raw)
}

fn row(out: &mut impl Write, [what, to, came]: [&str; 3]) -> Result<(), Problem> {
    Ok(writeln!(out, "{what:<16} {to:<22} {came}")?)
}
