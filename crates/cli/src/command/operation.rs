//! From arguments to the operation they stand for. Nothing is carried out here.

use keyway_host::catalog::{Approval, CatalogEntry, Operation, RuleTarget, StateDecision};
use keyway_host::scope::Scope;
use keyway_plugin_api::{AgentId, NameError, PluginId, ToolId};

use crate::args::{
    AllowArgs, ApproveArgs, DenyArgs, ProposeArgs, RevokeArgs, ScopeArgs, UninstallArgs,
};
use crate::failure::Failure;
use crate::session::Session;

/// Prefix of a group in `allow` and `disallow`.
const GROUP: &str = "group:";

pub(super) fn plugin(name: &str) -> Result<PluginId, Failure> {
    let parsed = PluginId::parse(name);
    parsed.map_err(|e| match name.contains('/') {
        true => Failure::from(e).hint("give the plugin's name, not a path: keyway plugin list"),
        false => Failure::from(e).hint("keyway plugin list"),
    })
}

pub(super) fn scope(text: &str) -> Result<Scope, Failure> {
    let parsed = text.parse::<Scope>();
    parsed.map_err(|e| Failure::from(e).hint("write `*`, `org`, `org/team` or `org/team/agent`"))
}

pub(super) fn approve(session: &Session, args: &ApproveArgs) -> Result<Operation, Failure> {
    let plugin = plugin(&args.name)?;
    let entry = session.entry(&plugin)?;
    let mut approval = approval(session, &args.grant, args.all);
    approval.scope = args.scope.as_deref().map(scope).transpose()?;
    approval.expires_at_ms = args.expires_in.map(|time| session.now_ms() + time.as_ms());
    approval.uses = args.uses;
    approval.digest = looked_at(&entry);
    Ok(Operation::Approve { plugin, approval })
}

/// Makes an approval of what is required and of the optional requests named.
pub(super) fn approval(session: &Session, tags: &[String], all: bool) -> Approval {
    let approval = Approval::by(session.operator().clone());
    match (all, tags) {
        (true, _) => approval.with_all(),
        (false, []) => approval,
        (false, tags) => approval.with_tags(tags.to_vec()),
    }
}

/// Returns the digest of what an approval would let run: the approval holds for nothing else.
fn looked_at(entry: &CatalogEntry) -> Option<keyway_host::digest::Digest> {
    let update = entry.keyway.pending_update.as_ref();
    let declared = update.map_or(&entry.keyway.declared, |update| &update.candidate.declared);
    declared.digest
}

pub(super) fn deny(session: &Session, args: DenyArgs) -> Result<Operation, Failure> {
    Ok(Operation::Deny {
        plugin: plugin(&args.name)?,
        by: session.operator().clone(),
        reason: args.reason,
        tags: args.capability.into_iter().collect(),
    })
}

pub(super) fn revoke(session: &Session, args: RevokeArgs) -> Result<Operation, Failure> {
    Ok(Operation::Revoke {
        plugin: plugin(&args.name)?,
        by: session.operator().clone(),
        reason: args.reason,
    })
}

pub(super) fn ungrant(session: &Session, name: &str, tag: String) -> Result<Operation, Failure> {
    Ok(Operation::RevokeGrant {
        plugin: plugin(name)?,
        tag,
        by: session.operator().clone(),
    })
}

pub(super) fn clear_revocation(session: &Session, name: &str) -> Result<Operation, Failure> {
    Ok(Operation::ClearRevocation {
        plugin: plugin(name)?,
        by: session.operator().clone(),
    })
}

pub(super) fn set_scope(session: &Session, args: &ScopeArgs) -> Result<Operation, Failure> {
    Ok(Operation::SetScope {
        plugin: plugin(&args.name)?,
        scope: scope(&args.scope)?,
        by: session.operator().clone(),
    })
}

pub(super) fn rule(session: &Session, args: &AllowArgs, allow: bool) -> Result<Operation, Failure> {
    Ok(Operation::SetToolRule {
        target: target(&args.target)?,
        allow,
        scope: args
            .scope
            .as_deref()
            .map_or_else(|| Ok(Scope::everywhere()), scope)?,
        by: session.operator().clone(),
    })
}

pub(super) fn forget(session: &Session, args: &AllowArgs) -> Result<Operation, Failure> {
    Ok(Operation::ForgetToolRule {
        target: target(&args.target)?,
        scope: args
            .scope
            .as_deref()
            .map_or_else(|| Ok(Scope::everywhere()), scope)?,
        by: session.operator().clone(),
    })
}

fn target(text: &str) -> Result<RuleTarget, Failure> {
    if let Some(group) = text.strip_prefix(GROUP) {
        return Ok(RuleTarget::Group(group.to_owned()));
    }
    let parsed: Result<RuleTarget, NameError> = if text.contains('/') {
        text.parse::<ToolId>().map(RuleTarget::Tool)
    } else {
        PluginId::parse(text).map(RuleTarget::Plugin)
    };
    parsed.map_err(|e| Failure::from(e).hint("write plugin/tool, a plugin, or group:NAME"))
}

pub(super) fn propose(session: &Session, args: ProposeArgs) -> Result<Operation, Failure> {
    Ok(Operation::Propose {
        source: args.source,
        why: args.why,
        by: AgentId::parse(session.operator().as_str())?,
    })
}

pub(super) fn drop_proposal(session: &Session, id: String) -> Operation {
    let by = session.operator().clone();
    Operation::DropProposal { id, by }
}

pub(super) fn uninstall(args: &UninstallArgs) -> Result<Operation, Failure> {
    let state = match args {
        UninstallArgs {
            export_state: Some(_),
            ..
        } => Some(StateDecision::Export),
        UninstallArgs {
            discard_state: true,
            ..
        } => Some(StateDecision::Discard),
        UninstallArgs {
            keep_state: true, ..
        } => Some(StateDecision::Keep),
        _ => None,
    };
    Ok(Operation::Uninstall {
        plugin: plugin(&args.name)?,
        cascade: args.cascade,
        state,
    })
}
