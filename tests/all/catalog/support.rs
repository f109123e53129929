//! A desk to decide at: the only code here that touches the API.

use keyway_host::catalog::{
    Approval, Authority, Candidate, CatalogEntry, CatalogError, CatalogState, Operation, Plan,
    decide,
};
use keyway_host::digest::Digest;
use keyway_host::operator::OperatorId;
use keyway_host::rank::{Precedence, Trust};
use keyway_plugin_api::{Manifest, PluginId, Slot};
use serde_json::{Value, json};

pub(crate) fn id(name: &str) -> PluginId {
    PluginId::parse(name).unwrap()
}

/// A folder for tests that write thousands of files: in memory where there is such a place.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub(crate) fn operator() -> OperatorId {
    OperatorId::parse("olga").unwrap()
}

/// A plugin in the making: what the tests vary, and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    name: String,
    version: String,
    extension: Value,
    precedence: Precedence,
    trust: Trust,
}

/// A plugin with nothing to run and nothing requested.
pub(crate) fn plugin(name: &str) -> Draft {
    Draft {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        extension: json!({ "schemaVersion": 1, "api": ">=0.1, <0.2" }),
        precedence: Precedence::User,
        trust: Trust::Community,
    }
}

impl Draft {
    pub(crate) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    pub(crate) fn slot(self, slot: &str) -> Self {
        self.with("slot", json!(slot))
    }

    pub(crate) fn needs(self, dependencies: &[&str]) -> Self {
        self.with("dependencies", json!(dependencies))
    }

    pub(crate) fn asks(self, capabilities: Value) -> Self {
        self.with("capabilities", capabilities)
    }

    pub(crate) fn tools(self, tools: &[&str]) -> Self {
        self.with("contributes", json!({ "tools": tools })).runs()
    }

    pub(crate) fn runs(self) -> Self {
        let command = format!("./bin/{}", self.name);
        self.with("runtime", json!({ "kind": "process", "command": command }))
    }

    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.extension[field] = value;
        self
    }

    pub(crate) fn workspace(mut self) -> Self {
        self.precedence = Precedence::Workspace;
        self
    }

    pub(crate) fn builtin(mut self) -> Self {
        self.precedence = Precedence::Builtin;
        self
    }

    pub(crate) fn trusted_as(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    #[track_caller]
    pub(crate) fn candidate(&self) -> Candidate {
        let document = json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": self.name,
            "version": self.version,
            "extensions": { "dev.keyway": self.extension },
        });
        let bytes = document.to_string().into_bytes();
        let (manifest, _) = Manifest::parse(&bytes).unwrap();
        Candidate::new(&manifest, Digest::of(&bytes))
            .with_precedence(self.precedence)
            .with_trust(self.trust)
            .with_source_path(format!("plugins/{}", self.name))
    }

    pub(crate) fn install(&self) -> Operation {
        Operation::Install {
            candidate: Box::new(self.candidate()),
        }
    }

    pub(crate) fn install_approved(&self) -> Operation {
        Operation::Install {
            candidate: Box::new(self.candidate().with_approval(Approval::by(operator()))),
        }
    }

    pub(crate) fn reload(&self) -> Operation {
        Operation::Reload {
            plugin: id(&self.name),
            candidate: Box::new(self.candidate()),
        }
    }
}

pub(crate) fn enable(name: &str) -> Operation {
    Operation::Enable { plugin: id(name) }
}

pub(crate) fn disable(name: &str) -> Operation {
    Operation::Disable {
        plugin: id(name),
        cascade: false,
    }
}

pub(crate) fn uninstall(name: &str) -> Operation {
    Operation::Uninstall {
        plugin: id(name),
        cascade: false,
        state: None,
    }
}

pub(crate) fn cascading(operation: Operation) -> Operation {
    match operation {
        Operation::Disable { plugin, .. } => Operation::Disable {
            plugin,
            cascade: true,
        },
        Operation::Uninstall { plugin, state, .. } => Operation::Uninstall {
            plugin,
            cascade: true,
            state,
        },
        other => panic!("{:?} does not cascade", other.kind()),
    }
}

pub(crate) fn approve(name: &str) -> Operation {
    approve_with(name, Approval::by(operator()))
}

pub(crate) fn approve_with(name: &str, approval: Approval) -> Operation {
    Operation::Approve {
        plugin: id(name),
        approval,
    }
}

pub(crate) fn deny(name: &str, tags: &[&str]) -> Operation {
    Operation::Deny {
        plugin: id(name),
        by: operator(),
        reason: Some("not today".to_owned()),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

pub(crate) fn revoke(name: &str) -> Operation {
    Operation::Revoke {
        plugin: id(name),
        by: operator(),
        reason: "it lied".to_owned(),
    }
}

/// A catalog and a clock; each operation advances both.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) state: CatalogState,
    pub(crate) now_ms: i64,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            state: CatalogState::new(),
            now_ms: 1_000,
        }
    }

    #[track_caller]
    pub(crate) fn with(plugins: &[Draft]) -> Self {
        let mut desk = Self::new();
        for plugin in plugins {
            desk.run(&plugin.install_approved());
        }
        desk
    }

    #[track_caller]
    pub(crate) fn run(&mut self, operation: &Operation) -> Plan {
        self.now_ms += 1;
        let plan = match decide(&self.state, operation, self.now_ms) {
            Ok(plan) => plan,
            Err(error) => panic!("{operation:?}: {error}"),
        };
        self.state = plan.next().clone();
        assert_sound(&self.state);
        plan
    }

    /// Runs what must be refused, and returns why.
    #[track_caller]
    pub(crate) fn refused(&mut self, operation: &Operation) -> CatalogError {
        self.now_ms += 1;
        match decide(&self.state, operation, self.now_ms) {
            Ok(plan) => panic!("{operation:?} was not refused: {}", plan.result().message),
            Err(error) => error,
        }
    }

    #[track_caller]
    pub(crate) fn entry(&self, name: &str) -> &CatalogEntry {
        self.state.entry(&id(name)).unwrap()
    }

    #[track_caller]
    pub(crate) fn is_enabled(&self, name: &str) -> bool {
        self.entry(name).enabled
    }

    #[track_caller]
    pub(crate) fn authority(&self, name: &str) -> Authority {
        self.entry(name).keyway.authority
    }

    pub(crate) fn holder(&self, slot: Slot) -> Option<&str> {
        self.state.occupant(slot).map(PluginId::as_str)
    }

    /// The tags of what a plugin was granted, sorted.
    #[track_caller]
    pub(crate) fn granted(&self, name: &str) -> Vec<String> {
        let grants = self.entry(name).keyway.grants.iter();
        let mut tags: Vec<_> = grants.flat_map(|grant| grant.capability.tags()).collect();
        tags.sort();
        tags
    }
}

/// What holds of every state that operations make: loading it would mend nothing, and the text
/// it is written as is the state.
#[track_caller]
pub(crate) fn assert_sound(state: &CatalogState) {
    let mut copy = state.clone();
    assert_eq!(
        copy.repair(),
        [],
        "an operation made a state that needs repair"
    );
    let text = state.to_json().unwrap();
    let again: CatalogState = serde_json::from_str(&text).unwrap();
    assert_eq!(&again, state, "the text is not the state");
}
