//! A plugin that does what its test tells it to.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keyway_plugin_api::{
    Arguments, CallCx, Effect, Hook, HookAuthority, HookPoint, Plugin, Register, RegisterError,
    StartFailure, Tool, ToolDescriptor, ToolError, ToolName, ToolOutput, async_trait,
};
use serde_json::{Value, json};

/// What a plugin does at a stage of its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Act {
    #[default]
    Works,
    Fails,
    Hangs,
    Panics,
}

/// A plugin in the making: what tests vary, and nothing else. Clones are the same plugin.
#[derive(Clone)]
pub(super) struct Guest {
    name: String,
    version: String,
    extension: Value,
    top: serde_json::Map<String, Value>,
    tools: Vec<Arc<Answering>>,
    hooks: Vec<(HookPoint, HookAuthority, Arc<dyn Hook>)>,
    seen: Arc<Seen>,
    starts: Option<Names>,
    stops: Option<Names>,
    only_declared: bool,
}

/// Names in the order in which something happened to them.
pub(super) type Names = Arc<Mutex<Vec<String>>>;

/// What a guest did, and what it is to do next.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) registers: AtomicUsize,
    pub(super) starts: AtomicUsize,
    pub(super) stops: AtomicUsize,
    on_register: Mutex<Act>,
    on_start: Mutex<Act>,
}

impl Seen {
    pub(super) fn register_next(&self, act: Act) {
        *self.on_register.lock().unwrap() = act;
    }

    pub(super) fn start_next(&self, act: Act) {
        *self.on_start.lock().unwrap() = act;
    }

    /// How often it was started and stopped so far.
    pub(super) fn starts_and_stops(&self) -> (usize, usize) {
        let (starts, stops) = (&self.starts, &self.stops);
        (starts.load(Ordering::SeqCst), stops.load(Ordering::SeqCst))
    }
}

/// A linked plugin without tools that asks for nothing.
pub(super) fn guest(name: &str) -> Guest {
    Guest {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        extension: json!({
            "schemaVersion": 1,
            "api": ">=0.1, <0.2",
            "runtime": { "kind": "linked" },
            "contributes": { "tools": [], "hooks": [] },
        }),
        top: serde_json::Map::new(),
        tools: Vec::new(),
        hooks: Vec::new(),
        seen: Arc::default(),
        starts: None,
        stops: None,
        only_declared: false,
    }
}

impl Guest {
    /// Adds a reading tool that answers with the plugin's name and its own.
    pub(super) fn tool(self, name: &str) -> Self {
        let answer = format!("{} {name}", self.name);
        self.tool_saying(name, &answer)
    }

    pub(super) fn tool_saying(self, name: &str, answer: &str) -> Self {
        self.with_tool(answering(name, Effect::Read, answer), json!(name))
    }

    pub(super) fn effect_tool(self, name: &str, effect: Effect) -> Self {
        let answer = format!("{} {name}", self.name);
        self.with_tool(answering(name, effect, &answer), json!(name))
    }

    pub(super) fn optional_tool(self, name: &str) -> Self {
        let answer = format!("{} {name}", self.name);
        let declared = json!({ "name": name, "optional": true });
        self.with_tool(answering(name, Effect::Read, &answer), declared)
    }

    /// Adds a tool whose description of itself is made by the test.
    pub(super) fn described_tool(self, descriptor: ToolDescriptor) -> Self {
        let declared = json!(descriptor.name);
        let answer = format!("{} {}", self.name, descriptor.name);
        let calls = AtomicUsize::new(0);
        self.with_tool(
            Answering {
                descriptor,
                answer,
                calls,
            },
            declared,
        )
    }

    fn with_tool(mut self, tool: Answering, declared: Value) -> Self {
        self.tools.push(Arc::new(tool));
        let tools = self.extension["contributes"]["tools"].as_array_mut();
        tools.unwrap().push(declared);
        self
    }

    /// Registers a tool that the manifest does not declare.
    pub(super) fn undeclared_tool(mut self, name: &str) -> Self {
        let tool = answering(name, Effect::Read, "undeclared");
        self.tools.push(Arc::new(tool));
        self
    }

    /// Declares a tool and does not register it.
    pub(super) fn missing_tool(mut self, name: &str) -> Self {
        let tools = self.extension["contributes"]["tools"].as_array_mut();
        tools.unwrap().push(json!(name));
        self
    }

    pub(super) fn hook(
        mut self,
        point: HookPoint,
        authority: HookAuthority,
        hook: impl Hook,
    ) -> Self {
        let declared = self.extension["contributes"]["hooks"]
            .as_array_mut()
            .unwrap();
        if !declared.contains(&json!(point)) {
            declared.push(json!(point));
        }
        self.hooks.push((point, authority, Arc::new(hook)));
        self
    }

    pub(super) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    pub(super) fn slot(self, slot: &str) -> Self {
        self.with("slot", json!(slot))
    }

    pub(super) fn asks(self, capabilities: Value) -> Self {
        self.with("capabilities", capabilities)
    }

    /// Makes it a package of the kind that a process runtime takes.
    pub(super) fn process(self) -> Self {
        self.with(
            "runtime",
            json!({ "kind": "process", "command": "./bin/guest" }),
        )
    }

    pub(super) fn with(mut self, field: &str, value: Value) -> Self {
        self.extension[field] = value;
        self
    }

    /// Sets a field of the manifest outside keyway's own.
    pub(super) fn top(mut self, field: &str, value: Value) -> Self {
        self.top.insert(field.to_owned(), value);
        self
    }

    pub(super) fn on_register(self, act: Act) -> Self {
        self.seen.register_next(act);
        self
    }

    pub(super) fn on_start(self, act: Act) -> Self {
        self.seen.start_next(act);
        self
    }

    /// Registers of its tools what the approved manifest declares, and no more.
    pub(super) fn only_declared(mut self) -> Self {
        self.only_declared = true;
        self
    }

    /// Notes its name when it is started.
    pub(super) fn noting_starts(mut self, names: &Names) -> Self {
        self.starts = Some(Arc::clone(names));
        self
    }

    /// Notes its name when it is stopped.
    pub(super) fn noting_stops(mut self, names: &Names) -> Self {
        self.stops = Some(Arc::clone(names));
        self
    }

    fn note(&self, names: Option<&Names>) {
        if let Some(names) = names {
            names.lock().unwrap().push(self.name.clone());
        }
    }

    pub(super) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    /// How often a tool ran.
    #[track_caller]
    pub(super) fn calls(&self, tool: &str) -> usize {
        let of_name = |t: &&Arc<Answering>| t.descriptor.name.as_str() == tool;
        let tool = self.tools.iter().find(of_name).unwrap();
        tool.calls.load(Ordering::SeqCst)
    }

    pub(super) fn text(&self) -> String {
        let mut document = json!({
            "$schema": "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json",
            "name": self.name,
            "version": self.version,
            "extensions": { "dev.keyway": self.extension },
        });
        for (field, value) in &self.top {
            document[field] = value.clone();
        }
        document.to_string()
    }
}

fn do_as_told(stage: &Mutex<Act>, of: &str) -> Result<bool, String> {
    let act = *stage.lock().unwrap_or_else(PoisonError::into_inner);
    match act {
        Act::Works => Ok(false),
        Act::Fails => Err(format!("{of} was told to fail")),
        Act::Hangs => Ok(true),
        Act::Panics => panic!("{of} was told to panic"),
    }
}

#[async_trait]
impl Plugin for Guest {
    fn manifest(&self) -> Cow<'static, str> {
        self.text().into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        self.seen.registers.fetch_add(1, Ordering::SeqCst);
        for tool in &self.tools {
            if self.only_declared && !ctx.manifest().declares_tool(&tool.descriptor.name) {
                continue;
            }
            ctx.tools([Arc::clone(tool) as Arc<dyn Tool>])?;
        }
        for (point, authority, hook) in &self.hooks {
            ctx.hook(*point, *authority, Shared(Arc::clone(hook)))?;
        }
        // Told to, it fails with everything registered already.
        match do_as_told(&self.seen.on_register, "register") {
            Ok(false) => Ok(()),
            Ok(true) => loop {
                std::thread::park();
            },
            Err(text) => Err(RegisterError::Failed(text)),
        }
    }

    async fn start(&self) -> Result<(), StartFailure> {
        self.seen.starts.fetch_add(1, Ordering::SeqCst);
        self.note(self.starts.as_ref());
        match do_as_told(&self.seen.on_start, "start") {
            Ok(false) => Ok(()),
            Ok(true) => std::future::pending().await,
            Err(text) => Err(StartFailure(text)),
        }
    }

    async fn stop(&self) {
        self.seen.stops.fetch_add(1, Ordering::SeqCst);
        self.note(self.stops.as_ref());
    }
}

struct Shared(Arc<dyn Hook>);

#[async_trait]
impl Hook for Shared {
    async fn run(&self, event: &keyway_plugin_api::HookEvent) -> keyway_plugin_api::HookVerdict {
        self.0.run(event).await
    }
}

/// A tool that gives one answer and counts.
struct Answering {
    descriptor: ToolDescriptor,
    answer: String,
    calls: AtomicUsize,
}

#[async_trait]
impl Tool for Answering {
    fn descriptor(&self) -> &ToolDescriptor {
        &self.descriptor
    }

    async fn call(&self, arguments: Arguments<'_>, _: &CallCx) -> Result<ToolOutput, ToolError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match arguments.as_str() {
            "{}" => Ok(ToolOutput::text(&*self.answer)),
            other => Ok(ToolOutput::text(format!("{} {other}", self.answer))),
        }
    }
}

fn answering(name: &str, effect: Effect, answer: &str) -> Answering {
    Answering {
        descriptor: descriptor(name, effect, "Answers always the same."),
        answer: answer.to_owned(),
        calls: AtomicUsize::new(0),
    }
}

/// A description of a tool that takes any object.
pub(super) fn descriptor(name: &str, effect: Effect, text: &str) -> ToolDescriptor {
    let name = ToolName::parse(name).unwrap();
    ToolDescriptor::new(name, text, effect, json!({ "type": "object" }))
}
