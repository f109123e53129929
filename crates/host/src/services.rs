//! The host as a running plugin sees it: every request goes through the gate, whatever the
//! runtime.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use keyway_plugin_api::{
    CallInfo, Denial, EffectReply, EffectRequest, HostServices, ToolError, ToolErrorKind,
};

use crate::audit::AuditEvent;
use crate::caller::{Caller, Origin};
use crate::engine::Engine;
use crate::gate::{EffectAsk, EffectJudgement, EffectPermit};
use crate::gate::{HeaderTemplate, HoldingsCell, HttpAddress, Moment};
use crate::host::layout::RESERVED;
use crate::invoke::{Call, CallError, Found, Outcome, invoke, resolve};
use crate::progress::Watcher;

/// Answers the requests of plugins that run for one caller.
#[derive(Clone)]
pub(crate) struct CallServices {
    /// Weak, because a plugin may keep its context longer than the host lives.
    engine: Weak<Engine>,
    caller: Caller,
    /// Plugins on whose behalf the running one was called; each must hold what is asked for.
    chain: Vec<Arc<HoldingsCell>>,
    /// Tags of the running plugin's grants of which its call has spent a use.
    paid: Vec<String>,
    moment: Moment,
    /// Who is told how far the call is.
    watcher: Option<Arc<Watcher>>,
}

impl CallServices {
    pub(crate) fn for_caller(engine: &Arc<Engine>, caller: Caller) -> Arc<Self> {
        Self::for_plugin(engine, caller, Moment::Call)
    }

    /// Returns what a plugin asks through at a moment.
    pub(crate) fn for_plugin(engine: &Arc<Engine>, caller: Caller, moment: Moment) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::downgrade(engine),
            caller,
            chain: Vec::new(),
            paid: Vec::new(),
            moment,
            watcher: None,
        })
    }

    /// Returns what a call gets whose progress somebody watches.
    pub(crate) fn watched_by(&self, watcher: Watcher) -> Arc<Self> {
        Arc::new(Self {
            watcher: Some(Arc::new(watcher)),
            ..self.clone()
        })
    }

    /// Returns what a call gets that has spent a use of some grants.
    pub(crate) fn having_paid(self: &Arc<Self>, paid: Vec<String>) -> Arc<dyn HostServices> {
        if paid.is_empty() {
            return Arc::<Self>::clone(self);
        }
        Arc::new(Self {
            paid,
            ..Self::clone(self)
        })
    }
}

#[async_trait]
impl HostServices for CallServices {
    async fn perform(
        &self,
        call: &CallInfo,
        request: EffectRequest,
    ) -> Result<EffectReply, ToolError> {
        let Some(engine) = self.engine.upgrade() else {
            return Err(ToolError::new(
                ToolErrorKind::Unavailable,
                "the host has stopped",
            ));
        };
        if matches!(request, EffectRequest::Progress { .. }) {
            if let Some(watcher) = &self.watcher {
                watcher.take(request);
            }
            return Ok(EffectReply::Done);
        }
        refuse_reserved(&request)?;
        let permit = self.pass_gate(&engine, call, &request)?;
        match request {
            EffectRequest::CallTool { tool, arguments } => {
                self.call_tool(&engine, call, &tool, arguments).await
            }
            request => {
                let done = engine.effects.perform(permit, request).await;
                if let Some(denial) = done.as_ref().err().and_then(|e| e.denial.as_ref()) {
                    record_denial(&engine, call, denial);
                }
                done.map(without_reserved)
            }
        }
    }
}

impl CallServices {
    /// Asks the gate for the plugin itself and for everybody it acts on behalf of.
    fn pass_gate(
        &self,
        engine: &Engine,
        call: &CallInfo,
        request: &EffectRequest,
    ) -> Result<EffectPermit, ToolError> {
        let own = engine.cell(&call.plugin).ok_or_else(|| {
            ToolError::new(
                ToolErrorKind::PluginGone,
                format!("{} is gone", call.plugin),
            )
        })?;
        let mut others = Vec::with_capacity(self.chain.len());
        for cell in &self.chain {
            others.push(self.pass(engine, call, cell, (request, &[]))?);
        }
        let permit = self.pass(engine, call, &own, (request, &self.paid))?;
        let permit = others.iter().fold(permit, EffectPermit::narrowed_by);
        for tag in tags_of(request) {
            let (call, plugin) = (call.id, call.plugin.clone());
            engine.audit.record(AuditEvent::EffectPerformed {
                call,
                plugin,
                tag: tag.into(),
            });
        }
        Ok(permit)
    }

    /// Asks the gate for one plugin, and spends the use of a grant that its yes costs.
    fn pass(
        &self,
        engine: &Engine,
        call: &CallInfo,
        cell: &HoldingsCell,
        (request, paid): (&EffectRequest, &[String]),
    ) -> Result<EffectPermit, ToolError> {
        let holdings = cell.current();
        let ask = EffectAsk {
            caller: &self.caller,
            holdings: &holdings,
            request,
            time: &engine.time,
            paid,
            moment: self.moment,
        };
        let judged = match engine.judge_effect(ask) {
            EffectJudgement::Permitted(permit) => {
                let mut tags = permit.spends.iter();
                tags.try_for_each(|tag| engine.spend_use(holdings.plugin(), tag, &self.caller))
                    .map(|()| permit)
                    .map_err(Box::new)
            }
            EffectJudgement::Denied(denial) => Err(denial),
        };
        judged.map_err(|denial| {
            record_denial(engine, call, &denial);
            (*denial).into()
        })
    }

    /// Calls another tool; the callee's effects are held to the caller's grants as well.
    async fn call_tool(
        &self,
        engine: &Arc<Engine>,
        call: &CallInfo,
        tool: &str,
        arguments: String,
    ) -> Result<EffectReply, ToolError> {
        let mut chain = self.chain.clone();
        chain.extend(engine.cell(&call.plugin));
        if chain.len() > engine.limits.call_depth {
            let depth = engine.limits.call_depth;
            return Err(ToolError::new(
                ToolErrorKind::Conflict,
                format!("tools call tools {depth} deep already"),
            ));
        }
        let origin = Origin::Plugin(call.plugin.clone());
        let caller = Caller::new(self.caller.scope().clone(), origin);
        let Found { tool, held } = resolve(engine, &caller, tool).map_err(as_tool_error)?;
        let services = Arc::new(Self {
            engine: Arc::downgrade(engine),
            caller: caller.clone(),
            chain: chain.clone(),
            paid: Vec::new(),
            moment: Moment::Call,
            watcher: None,
        });
        let call = Call {
            caller: &caller,
            services: &services,
            tool,
            held: Some(held),
            arguments: Cow::Owned(arguments),
            deadline: None,
            is_approved: false,
            chain: &chain,
        };
        // Boxed because a call can contain a call.
        match Box::pin(invoke(engine, call)).await {
            Ok(Outcome::Done(output)) => Ok(EffectReply::Output(output.to_value().to_string())),
            Ok(Outcome::NeedsApproval(request)) => Err(ToolError::new(
                ToolErrorKind::Denied,
                format!("an operator has to decide first (approval {})", request.id),
            )),
            Err(error) => Err(as_tool_error(error)),
        }
    }
}

/// Keys of the host's own, such as the version of the state's layout, are out of a plugin's reach.
fn refuse_reserved(request: &EffectRequest) -> Result<(), ToolError> {
    use EffectRequest as R;
    let key = match request {
        R::StateCas { key, .. } | R::StateDelete { key } | R::StateGet { key } => key,
        R::StatePut { key, .. } | R::StateList { prefix: key } => key,
        _ => return Ok(()),
    };
    match key.starts_with(RESERVED) {
        true => Err(ToolError::invalid_arguments("a key begins with no NUL")),
        false => Ok(()),
    }
}

fn without_reserved(mut reply: EffectReply) -> EffectReply {
    if let EffectReply::Names(names) = &mut reply {
        names.retain(|name| !name.starts_with(RESERVED));
    }
    reply
}

fn as_tool_error(error: CallError) -> ToolError {
    match error {
        CallError::Failed(error) => error,
        CallError::Denied(denial) => (*denial).into(),
        CallError::BadArguments { problems } => ToolError::invalid_arguments(problems),
        CallError::UnknownTool { .. } => ToolError::new(ToolErrorKind::NotFound, error.to_string()),
        other => ToolError::new(ToolErrorKind::Unavailable, other.to_string()),
    }
}

fn record_denial(engine: &Engine, call: &CallInfo, denial: &Denial) {
    engine.audit.record(AuditEvent::EffectDenied {
        call: call.id,
        plugin: call.plugin.clone(),
        denial: Box::new(denial.clone()),
    });
}

/// The tags under which an effect is recorded; none for a plugin's own log lines.
fn tags_of(request: &EffectRequest) -> Vec<String> {
    use EffectRequest as R;
    vec![match request {
        R::FsList { path } | R::FsRead { path } | R::FsStat { path } => {
            format!("filesystem:read:{path}")
        }
        R::FsRemove { path } | R::FsWrite { path, .. } => format!("filesystem:write:{path}"),
        R::HttpFetch { url, headers, .. } => return tags_of_fetch(url, headers),
        R::SecretRead { name } => format!("secret:{name}"),
        R::CallTool { tool, .. } => format!("tool:{tool}"),
        R::Log { .. } => return Vec::new(),
        R::StateCas { .. }
        | R::StateDelete { .. }
        | R::StateGet { .. }
        | R::StateList { .. }
        | R::StatePut { .. } => "state".to_owned(),
        _ => "unknown".to_owned(),
    }]
}

/// The host and the secrets of a request, and nothing else of its address.
fn tags_of_fetch(url: &str, headers: &[(String, String)]) -> Vec<String> {
    let host = HttpAddress::parse(url).map(|address| format!("network:{}", address.host()));
    let templates = headers
        .iter()
        .filter_map(|(_, v)| HeaderTemplate::parse(v).ok());
    let secrets: BTreeSet<String> = templates
        .flat_map(|t| {
            t.secrets()
                .map(|name| format!("secret:{name}"))
                .collect::<Vec<_>>()
        })
        .collect();
    host.into_iter().chain(secrets).collect()
}
