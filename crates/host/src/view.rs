//! What one caller may see and call: listing and calling use the same filter.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyway_plugin_api::{AgentId, HookPoint, PluginId, ToolDescriptor};
use serde::Serialize;
use serde_json::Value;

use crate::caller::Caller;
use crate::catalog::Operation;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::gate::Holdings;
use crate::hooks::HookBlocked;
use crate::host::HostError;
use crate::invoke::{Call, CallError, Found, Outcome, invoke, is_visible_under, resolve};
use crate::model::{ModelApi, ModelTools};
use crate::progress::{Progress, Watcher};
use crate::rank::Trust;
use crate::registry::{RegistrySnapshot, ToolEntry};
use crate::services::CallServices;

/// Who proposes where a caller stands everywhere.
const ANYBODY: &str = "anybody";

/// A view is what one caller may see and call. It is cheap to keep and to share.
pub struct View {
    engine: Arc<Engine>,
    caller: Caller,
    services: Arc<CallServices>,
    listing: Mutex<Option<(u64, Arc<Listing>)>>,
}

/// The tools of a view at one moment, sorted by name.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Listing {
    /// Changes exactly when something in the list changes.
    pub etag: Digest,
    /// The tools.
    pub tools: Vec<ListedTool>,
}

/// What an agent that stood at one listing needs to know of a later one; names in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ListingChange {
    /// Tools that can be called now and could not before.
    pub added: Vec<String>,
    /// Tools that are called as before and described otherwise.
    pub redefined: Vec<String>,
    /// Tools that cannot be called any more.
    pub removed: Vec<String>,
}

impl ListingChange {
    /// Tells whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.redefined.is_empty() && self.removed.is_empty()
    }
}

impl Listing {
    /// Returns what changed since an earlier listing of the same view (R6).
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> ListingChange {
        let by_name = |listing: &Self| -> BTreeMap<String, Digest> {
            let tools = listing.tools.iter();
            tools
                .map(|tool| (tool.id.clone(), tool.definition))
                .collect()
        };
        let (before, now) = (by_name(earlier), by_name(self));
        let mut change = ListingChange::default();
        for (name, definition) in &now {
            match before.get(name) {
                None => change.added.push(name.clone()),
                Some(old) if old != definition => change.redefined.push(name.clone()),
                Some(_) => {}
            }
        }
        let is_gone = |name: &&String| !now.contains_key(*name);
        change.removed = before.keys().filter(is_gone).cloned().collect();
        change
    }
}

/// One tool of a listing.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListedTool {
    /// The canonical name, which always works.
    pub id: String,
    /// The bare name, where it names just this tool here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// How far the plugin's source is believed.
    pub trust: Trust,
    /// Digest of the definition.
    pub definition: Digest,
    #[serde(skip)]
    tool: Arc<ToolEntry>,
}

impl ListedTool {
    /// Returns the tool's description of itself.
    #[must_use]
    pub fn descriptor(&self) -> &ToolDescriptor {
        self.tool.descriptor()
    }
}

/// The arguments of a call, as JSON.
///
/// ```
/// use keyway_host::view::CallArguments;
/// use serde_json::json;
/// let from_value: CallArguments<'_> = json!({"a": 1}).into();
/// let from_text: CallArguments<'_> = r#"{"a":1}"#.into();
/// assert_eq!(from_value.as_str(), from_text.as_str());
/// ```
#[derive(Debug, Clone)]
pub struct CallArguments<'a>(Cow<'a, str>);

impl CallArguments<'_> {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for CallArguments<'a> {
    fn from(json: &'a str) -> Self {
        Self(Cow::Borrowed(json))
    }
}

impl From<String> for CallArguments<'_> {
    fn from(json: String) -> Self {
        Self(Cow::Owned(json))
    }
}

impl From<Value> for CallArguments<'_> {
    fn from(value: Value) -> Self {
        Self(Cow::Owned(value.to_string()))
    }
}

impl From<&Value> for CallArguments<'_> {
    fn from(value: &Value) -> Self {
        Self(Cow::Owned(value.to_string()))
    }
}

/// What is special about one call.
///
/// ```
/// use std::time::Duration;
/// use keyway_host::view::CallOptions;
/// let options = CallOptions::new()
///     .within(Duration::from_secs(5))
///     .watched(|progress| println!("{} done", progress.done));
/// ```
#[derive(Debug, Default)]
#[must_use = "hand it to `View::call_with`"]
pub struct CallOptions {
    deadline: Option<Duration>,
    watcher: Option<Watcher>,
}

impl CallOptions {
    /// Makes options of a call like any other.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a deadline; the host's limit holds where it is shorter.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets who is told how far the call is. Called on the tool's own task: it must not block.
    pub fn watched(mut self, tell: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Watcher::new(Box::new(tell)));
        self
    }
}

impl View {
    pub(crate) fn new(engine: Arc<Engine>, caller: Caller) -> Self {
        let services = CallServices::for_caller(&engine, caller.clone());
        Self {
            engine,
            caller,
            services,
            listing: Mutex::default(),
        }
    }

    /// Returns whose view it is.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Calls a tool by its canonical name `plugin/tool`, or by its bare name while that names
    /// just one tool here.
    ///
    /// Everything happens inside: gate, hooks, validation, the call, audit.
    ///
    /// # Errors
    /// [`CallError`]; every variant has a stable code and says whose fault it is.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call; the audit trail then says `CANCELLED`.
    pub async fn call(
        &self,
        tool: &str,
        arguments: impl Into<CallArguments<'_>>,
    ) -> Result<Outcome, CallError> {
        self.run(tool, arguments.into(), CallOptions::new()).await
    }

    /// Calls a tool with a deadline shorter than the host's limit.
    ///
    /// # Errors
    /// As [`View::call`].
    pub async fn call_within(
        &self,
        deadline: Duration,
        tool: &str,
        arguments: impl Into<CallArguments<'_>>,
    ) -> Result<Outcome, CallError> {
        let options = CallOptions::new().within(deadline);
        self.run(tool, arguments.into(), options).await
    }

    /// Calls a tool with what is special about this call.
    ///
    /// # Errors
    /// As [`View::call`].
    pub async fn call_with(
        &self,
        options: CallOptions,
        tool: &str,
        arguments: impl Into<CallArguments<'_>>,
    ) -> Result<Outcome, CallError> {
        self.run(tool, arguments.into(), options).await
    }

    async fn run(
        &self,
        tool: &str,
        arguments: CallArguments<'_>,
        options: CallOptions,
    ) -> Result<Outcome, CallError> {
        let Found { tool, held } = match resolve(&self.engine, &self.caller, tool) {
            Ok(found) => found,
            // Boxed, as all that is rare on the path of a call, so that its future stays small.
            Err(error) => Box::pin(self.resolve_later(tool, error)).await?,
        };
        let watched = options.watcher.map(|w| self.services.watched_by(w));
        let call = Call {
            caller: &self.caller,
            services: watched.as_ref().unwrap_or(&self.services),
            tool,
            held: Some(held),
            arguments: arguments.0,
            deadline: options.deadline,
            is_approved: false,
            chain: &[],
        };
        invoke(&self.engine, call).await
    }

    /// Finds a tool that is not there; one whose plugin is just being replaced is waited for.
    async fn resolve_later(&self, name: &str, error: CallError) -> Result<Found, CallError> {
        let mut found = Err(error);
        if let Some((plugin, _)) = name.split_once('/')
            && let Ok(plugin) = PluginId::parse(plugin)
            && self.engine.parking.wait(&plugin).await
        {
            found = resolve(&self.engine, &self.caller, name);
        }
        found.inspect_err(|error| self.engine.record_unresolved(&self.caller, error))
    }

    /// Asks operators for a plugin: where it would come from, and why. Nothing is installed; this
    /// is all that an agent can do about plugins (settlement 24). Gives the proposal's id.
    ///
    /// # Errors
    /// [`HostError::Catalog`] when too many proposals wait, when a text is too long, when it cannot
    /// be kept.
    pub async fn propose(&self, source: &str, why: &str) -> Result<String, HostError> {
        let by = self.caller.scope().last().cloned();
        let by = by.unwrap_or_else(|| AgentId::from_static(ANYBODY));
        let operation = Operation::Propose {
            source: source.to_owned(),
            why: why.to_owned(),
            by: by.clone(),
        };
        let engine = Arc::clone(&self.engine);
        let task = tokio::task::spawn_blocking(move || engine.run_recorded(&operation));
        task.await.map_err(|_| HostError::Stopping)??;
        let state = self.engine.catalog.snapshot();
        let mut proposals = state.keyway.proposals.iter().rev();
        let mine = proposals.find(|(_, p)| p.source == source && p.why == why && p.by == by);
        Ok(mine.map(|(id, _)| id.clone()).unwrap_or_default())
    }

    /// Lists the tools that this caller may call now.
    #[must_use]
    pub fn list(&self) -> Arc<Listing> {
        let changes = *self.engine.changes.borrow();
        let mut cached = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cached {
            Some((at, listing)) if *at == changes => Arc::clone(listing),
            _ => {
                let listing = Arc::new(self.make_listing());
                *cached = Some((changes, Arc::clone(&listing)));
                listing
            }
        }
    }

    /// Returns the tools that this caller may call now, as a model API is offered them.
    #[must_use]
    pub fn tools_for(&self, api: ModelApi) -> ModelTools {
        let listing = self.list();
        let tools = listing.tools.iter();
        ModelTools::of(api, tools.map(|tool| (tool.id.as_str(), tool.descriptor())))
    }

    fn make_listing(&self) -> Listing {
        let snapshot = self.engine.registry.snapshot();
        let held = held(&snapshot);
        let is_visible = |tool: &Arc<ToolEntry>| {
            let holdings = held.get(tool.plugin());
            holdings.is_some_and(|holdings| is_visible_under(holdings, tool, &self.caller))
        };
        let visible = snapshot.tools().filter(|tool| is_visible(tool));
        let tools: Vec<_> = visible
            .map(|tool| listed(&snapshot, tool, is_visible))
            .collect();
        let mut stamp = String::new();
        for tool in &tools {
            stamp.extend([tool.id.as_str(), " ", &tool.definition.to_string(), "\n"]);
        }
        Listing {
            etag: Digest::of(stamp.as_bytes()),
            tools,
        }
    }

    /// Runs the hooks of a point of the agent's own life: sessions, model calls, subagents, the
    /// gateway. Gives the payload back, as the hooks left it.
    ///
    /// The tool points run by themselves, inside [`View::call`].
    ///
    /// # Errors
    /// [`HookBlocked`] when a gate hook stopped it.
    pub async fn fire(&self, point: HookPoint, payload: Value) -> Result<Value, HookBlocked> {
        self.engine
            .fire((point, None), &self.caller, "", payload)
            .await
    }

    /// Says whether a call of a tool would pass, by which rule, and what would change that.
    #[must_use]
    pub fn explain(&self, tool: &str) -> crate::explain::Explanation {
        crate::explain::explain(&self.engine, &self.caller, tool)
    }
}

/// Looks once at what every plugin holds, so that a list shows all of a plugin's tools or none,
/// whatever changes meanwhile.
fn held(snapshot: &RegistrySnapshot) -> BTreeMap<&PluginId, Arc<Holdings>> {
    let mut held = BTreeMap::new();
    for tool in snapshot.tools() {
        held.entry(tool.plugin())
            .or_insert_with(|| tool.holdings().current());
    }
    held
}

fn listed(
    snapshot: &RegistrySnapshot,
    tool: &Arc<ToolEntry>,
    is_visible: impl Fn(&Arc<ToolEntry>) -> bool,
) -> ListedTool {
    let bare = tool.id().tool().as_str();
    let twins = snapshot.shaped_like(bare);
    let is_alone = twins.filter(|twin| is_visible(twin)).take(2).count() == 1;
    ListedTool {
        id: tool.name().to_owned(),
        alias: (is_alone && !tool.is_builtin()).then(|| bare.to_owned()),
        trust: tool.holdings().load().trust(),
        definition: tool.definition(),
        tool: Arc::clone(tool),
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}
