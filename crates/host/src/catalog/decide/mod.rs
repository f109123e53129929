//! Decisions: a state and an operation in, a plan or a refusal out.

mod answer;
mod approve;
mod configure;
mod deny;
mod draft;
mod install;
mod remove;
mod rollback;
mod rule;
mod switch;
mod update;

use self::draft::Draft;
use super::error::CatalogError;
use super::operation::Operation;
use super::plan::Plan;
use super::state::CatalogState;

/// Decides what an operation would change. Pure: the same input gives the same plan, and
/// nothing happens.
///
/// ```
/// use keyway_host::catalog::{CatalogState, Operation, decide};
/// let operation = Operation::Enable { plugin: "ghost".parse()? };
/// let refused = decide(&CatalogState::new(), &operation, 0).unwrap_err();
/// assert_eq!(refused.code(), "PLUGIN_NOT_FOUND");
/// # Ok::<(), keyway_plugin_api::NameError>(())
/// ```
///
/// # Errors
/// Any [`CatalogError`] but `Conflict` and `Store`.
pub fn decide(
    state: &CatalogState,
    operation: &Operation,
    now_ms: i64,
) -> Result<Plan, CatalogError> {
    let mut draft = Draft::new(state, now_ms);
    let message = carry_out(&mut draft, operation)?;
    Ok(draft.into_plan(operation, message))
}

fn carry_out(draft: &mut Draft<'_>, operation: &Operation) -> Result<String, CatalogError> {
    match operation {
        Operation::AnswerCall { id, answer } => answer::answer(draft, id, answer),
        Operation::Approve { plugin, approval } => approve::approve(draft, plugin, approval),
        Operation::AskCall { question } => answer::ask(draft, question),
        Operation::ClearRevocation { plugin, by } => deny::clear_revocation(draft, plugin, by),
        Operation::Configure {
            plugin, settings, ..
        } => configure::configure(draft, plugin, settings),
        Operation::Deny {
            plugin,
            by,
            reason,
            tags,
        } => deny::deny(draft, plugin, &deny::No::new(by, reason.as_deref()), tags),
        Operation::Disable { plugin, cascade } => switch::disable(draft, plugin, *cascade),
        Operation::DropProposal { id, .. } => rule::drop_proposal(draft, id),
        Operation::Enable { plugin } => switch::enable(draft, plugin),
        Operation::ForgetToolRule { target, scope, .. } => rule::forget(draft, target, scope),
        Operation::GrantOne { plugin, grant } => approve::grant_one(draft, plugin, grant),
        Operation::Install { candidate } => install::install(draft, candidate),
        Operation::PinTools {
            plugin,
            pins,
            changes,
        } => update::pin_tools(draft, plugin, pins, changes),
        Operation::Propose { source, why, by } => rule::propose(draft, source, why, by),
        Operation::Reload { plugin, candidate } => update::reload(draft, plugin, candidate),
        Operation::Revoke { plugin, by, reason } => deny::revoke(draft, plugin, by, reason),
        Operation::RevokeGrant { plugin, tag, by } => deny::revoke_grant(draft, plugin, tag, by),
        Operation::RollBack { plugin, to, reason } => {
            rollback::roll_back(draft, plugin, to, reason)
        }
        Operation::SetScope { plugin, scope, .. } => rule::set_scope(draft, plugin, scope),
        Operation::SetToolRule {
            target,
            allow,
            scope,
            by,
        } => rule::set(draft, target, *allow, scope, by),
        Operation::SpendCall { id } => answer::spend(draft, id),
        Operation::SpendGrant {
            plugin,
            tag,
            caller,
        } => answer::spend_grant(draft, plugin, tag, caller),
        Operation::Sweep => Ok(answer::sweep(draft)),
        Operation::Uninstall {
            plugin,
            cascade,
            state,
        } => remove::uninstall(draft, plugin, *cascade, *state),
        Operation::Update { plugin, candidate } => update::update(draft, plugin, candidate),
    }
}
