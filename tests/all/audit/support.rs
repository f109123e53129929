//! Trails to break, and the events in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use keyway_host::audit::{AuditEvent, AuditSink, Head, JsonlAudit, Redactor, Trail};
use keyway_host::clock::ManualClock;
use keyway_host::digest::Digest;
use keyway_host::rank::Trust;
use keyway_plugin_api::{Effect, LogLevel, PluginId};
use tempfile::TempDir;

/// A folder with a trail in it.
pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    /// A trail with `count` calls in it.
    pub(crate) fn with_calls(count: u64) -> Self {
        let scene = Self::new();
        let audit = scene.open();
        for call in 1..=count {
            audit.record(called(call));
        }
        audit.flush().unwrap();
        scene
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[track_caller]
    pub(crate) fn open(&self) -> JsonlAudit {
        self.open_with(Redactor::new())
    }

    #[track_caller]
    pub(crate) fn open_with(&self, redactor: Redactor) -> JsonlAudit {
        let clock = Arc::new(ManualClock::at(1_000));
        JsonlAudit::open(self.path(), clock, redactor).unwrap()
    }

    #[track_caller]
    pub(crate) fn trail(&self) -> Trail {
        Trail::open(self.path()).unwrap()
    }

    #[track_caller]
    pub(crate) fn events(&self) -> Vec<AuditEvent> {
        let trail = self.trail();
        let records = trail.records().unwrap();
        records.map(|record| record.unwrap().event).collect()
    }

    #[track_caller]
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Replaces the file's content, as somebody with an editor would.
    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "an attacker does not use the durable store"
    )]
    pub(crate) fn overwrite(&self, content: impl AsRef<[u8]>) {
        fs::write(self.path(), content).unwrap();
    }

    #[track_caller]
    pub(crate) fn verified_head(&self) -> Head {
        self.trail().verify().unwrap().head
    }
}

/// The end of a call.
pub(crate) fn called(call: u64) -> AuditEvent {
    AuditEvent::ToolCalled {
        call,
        tool: "notes/search".into(),
        plugin: plugin("notes"),
        trust: Trust::Community,
        caller: "acme/support/triage".into(),
        effect: Effect::Read,
        definition: Digest::of(b"notes/search"),
        outcome: "OK".into(),
        duration_us: 12,
    }
}

/// A line of text in the trail.
pub(crate) fn notice(message: &str) -> AuditEvent {
    AuditEvent::Notice {
        level: LogLevel::Info,
        plugin: None,
        message: message.into(),
    }
}

pub(crate) fn plugin(id: &str) -> PluginId {
    PluginId::parse(id).unwrap()
}

/// Says to a child of a test which trail it is to write.
pub(crate) const CHILD: &str = "KEYWAY_TESTS_AUDIT_CHILD";

/// Starts one test of this binary again, as a child that knows the trail's path; the shell runs
/// `setup` before it.
#[track_caller]
pub(crate) fn this_test(name: &str, scene: &Scene, setup: &str) -> Child {
    let itself = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(format!("{setup} exec \"$0\" --exact \"$1\" --nocapture"))
        .arg(itself)
        .arg(name)
        .env(CHILD, scene.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
