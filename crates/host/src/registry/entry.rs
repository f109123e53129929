//! One tool that may be named now, with everything a call needs close at hand.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use keyway_plugin_api::{PluginId, Tool, ToolDescriptor, ToolId};

use crate::digest::Digest;
use crate::gate::HoldingsCell;
use crate::rank::Trust;
use crate::registry::{Described, InFlight, Quarantined};
use crate::schema::{LazyValidator, ValidatorCache};

/// What every tool of one plugin shares.
#[derive(Debug, Clone)]
pub struct Owner {
    pub(crate) holdings: Arc<HoldingsCell>,
    pub(crate) in_flight: Arc<InFlight>,
}

impl Owner {
    pub(crate) fn new(holdings: Arc<HoldingsCell>) -> Self {
        Self {
            holdings,
            in_flight: Arc::default(),
        }
    }
}

/// An entry is one tool of the registry. It can be looked at by anybody and run by nobody but the
/// host's one path of a call.
pub struct ToolEntry {
    id: ToolId,
    name: Arc<str>,
    is_optional: bool,
    is_builtin: bool,
    descriptor: Arc<ToolDescriptor>,
    definition: Digest,
    pub(crate) tool: Arc<dyn Tool>,
    pub(crate) owner: Owner,
    groups: BTreeSet<String>,
    arguments: OnceLock<Arc<LazyValidator>>,
    result: OnceLock<Arc<LazyValidator>>,
    certain: AtomicU64,
}

impl ToolEntry {
    /// Makes the entry of a tool whose description passed its check.
    ///
    /// # Errors
    /// [`Quarantined`] with the reason; the plugin's other tools are not affected (R11).
    pub(crate) fn admit(
        plugin: &PluginId,
        described: &Described,
        is_optional: bool,
        owner: Owner,
    ) -> Result<Self, Quarantined> {
        let descriptor = Arc::clone(&described.descriptor);
        let id = ToolId::new(plugin.clone(), descriptor.name.clone());
        if let Some(problem) = &described.problem {
            let (tool, reason) = (id, problem.to_string());
            return Err(Quarantined { tool, reason });
        }
        let groups = groups_of(&descriptor, owner.holdings.load().trust());
        let is_builtin = owner.holdings.load().is_builtin();
        let name: Arc<str> = if is_builtin {
            id.tool().as_str().into()
        } else {
            id.to_string().into()
        };
        Ok(Self {
            id,
            name,
            is_optional,
            is_builtin,
            descriptor,
            definition: described.definition,
            tool: Arc::clone(&described.tool),
            owner,
            groups,
            arguments: OnceLock::new(),
            result: OnceLock::new(),
            certain: AtomicU64::new(0),
        })
    }

    /// Returns the tool's id.
    #[must_use]
    pub fn id(&self) -> &ToolId {
        &self.id
    }

    /// Returns the canonical name: `plugin/tool`, or the bare name of a built-in.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the plugin that owns the tool.
    #[must_use]
    pub fn plugin(&self) -> &PluginId {
        self.id.plugin()
    }

    /// Returns the description as it was when the tool was admitted.
    #[must_use]
    pub fn descriptor(&self) -> &ToolDescriptor {
        &self.descriptor
    }

    /// Returns the digest of that description.
    #[must_use]
    pub fn definition(&self) -> Digest {
        self.definition
    }

    /// Tells whether the tool stays hidden until a rule allows it.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// Tells whether the tool is the host's own.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.is_builtin
    }

    /// Returns the cell with what the plugin holds.
    #[must_use]
    pub fn holdings(&self) -> &Arc<HoldingsCell> {
        &self.owner.holdings
    }

    /// The serial of the holdings under which a yes is known to depend on nothing else.
    pub(crate) fn certain(&self) -> &AtomicU64 {
        &self.certain
    }

    /// Returns the groups that a rule may name: the tool's effect, its plugin's trust, `plugins`.
    #[must_use]
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Returns the validator of the arguments; equal schemas share one.
    pub(crate) fn validator(&self, cache: &ValidatorCache) -> &Arc<LazyValidator> {
        self.arguments
            .get_or_init(|| cache.intern(&self.descriptor.input_schema))
    }

    /// Returns the validator of the result, where the tool promises a schema that its types do
    /// not already guarantee.
    pub(crate) fn result_validator(&self, cache: &ValidatorCache) -> Option<&Arc<LazyValidator>> {
        let schema = self
            .descriptor
            .output_schema
            .as_ref()
            .filter(|_| !self.descriptor.typed)?;
        Some(self.result.get_or_init(|| cache.intern(schema)))
    }
}

fn groups_of(descriptor: &ToolDescriptor, trust: Trust) -> BTreeSet<String> {
    let effect = format!("{:?}", descriptor.effect).to_lowercase();
    BTreeSet::from([effect, trust.to_string(), "plugins".to_owned()])
}

impl fmt::Debug for ToolEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolEntry")
            .field("name", &self.name)
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}
