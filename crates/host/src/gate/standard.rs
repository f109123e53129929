//! The gate that ships: declared ∧ granted ∧ unexpired ∧ in scope ∧ digest matches.

use std::sync::atomic::Ordering;

use keyway_plugin_api::{Capability, Denial, DenialReason, Need};

use super::wanted::Covered;
use super::{
    Ask, CapabilityGate, EffectAsk, EffectVerdict, Holdings, Moment, Policy, PolicyVerdict,
};
use super::{Standing, Verdict};
use crate::caller::Caller;
use crate::catalog::Grant;

/// The default gate: an operator's grants, narrowed by a policy.
///
/// Decides by these rules, in this order: the plugin runs and is not revoked; an optional tool is
/// allowed by a rule; every need of the tool is declared, granted, unexpired, in scope and for the
/// running digest (settlement 12); the policy allows the tool's effect.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandardGate {
    policy: Policy,
}

impl StandardGate {
    /// Makes the gate with a policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }
}

impl CapabilityGate for StandardGate {
    fn decide(&self, ask: Ask<'_>) -> Verdict {
        // A yes that depends on nothing but the holdings is remembered beside the tool, so the
        // common call costs one comparison.
        let serial = ask.holdings().serial();
        if ask.tool().certain().load(Ordering::Relaxed) == serial {
            return ask.permit();
        }
        match self.judge(&ask) {
            Ok(found) if !found.spends.is_empty() => ask.permit_spending(found.spends),
            Ok(found) => {
                if found.is_certain {
                    ask.tool().certain().store(serial, Ordering::Relaxed);
                }
                ask.permit()
            }
            Err(Refusal::Denied(denial)) => ask.deny(*denial),
            Err(Refusal::Asks) => ask.ask_operator(),
        }
    }

    fn decide_effect(&self, ask: EffectAsk<'_>) -> EffectVerdict {
        if let Err(denial) = check_moment(&ask) {
            return ask.deny(denial);
        }
        match Covered::find(&ask) {
            Ok(covered) => ask.permit_spending(covered.within, covered.spends),
            Err(denial) => ask.deny(denial),
        }
    }
}

enum Refusal {
    Denied(Box<Denial>),
    Asks,
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self::Denied(Box::new(denial))
    }
}

struct Found {
    /// The answer holds for every caller in the tool's scope until the holdings changes.
    is_certain: bool,
    /// The grants of which this call spends a use.
    spends: Vec<String>,
}

impl StandardGate {
    fn judge(&self, ask: &Ask<'_>) -> Result<Found, Refusal> {
        let (tool, holdings) = (ask.tool(), ask.holdings());
        check_standing(holdings, tool.name())?;
        if tool.is_optional() && !holdings.allows_optional(tool, ask.caller()) {
            return Err(not_allowed(tool.name()).into());
        }
        let mut found = Found {
            is_certain: !tool.is_optional(),
            spends: Vec::new(),
        };
        if !holdings.is_builtin() {
            for need in &tool.descriptor().needs {
                let grant = find_grant(need, ask)?;
                found.is_certain &= is_plain(grant);
                let counted = tag_of_counted(grant);
                found
                    .spends
                    .extend(counted.filter(|tag| !found.spends.contains(tag)));
            }
        }
        self.apply_policy(ask, &mut found)?;
        Ok(found)
    }

    fn apply_policy(&self, ask: &Ask<'_>, found: &mut Found) -> Result<(), Refusal> {
        let effect = ask.tool().descriptor().effect;
        match self.policy.verdict(effect, ask.caller().origin()) {
            PolicyVerdict::Allow => {
                let for_models = self.policy.verdict(effect, &crate::caller::Origin::Model);
                found.is_certain &= for_models == PolicyVerdict::Allow;
                Ok(())
            }
            PolicyVerdict::Ask if ask.is_approved() => {
                found.is_certain = false;
                Ok(())
            }
            PolicyVerdict::Ask => Err(Refusal::Asks),
            PolicyVerdict::Forbid => {
                let asked = format!("effect:{effect:?}").to_lowercase();
                Err(Denial::new(DenialReason::Forbidden, ask.tool().name(), asked).into())
            }
        }
    }
}

/// Returns the tag under which a use of a grant is spent, where its uses are counted.
pub(super) fn tag_of_counted(grant: &Grant) -> Option<String> {
    grant.uses_left?;
    grant.capability.tags().into_iter().next()
}

/// Tells whether a grant holds for everybody and for ever.
fn is_plain(grant: &Grant) -> bool {
    grant.expires_at_ms.is_none() && grant.uses_left.is_none() && grant.scope.is_everywhere()
}

/// A plugin that is being started does not run yet; what it is handed has to be granted all the
/// same.
fn check_moment(ask: &EffectAsk<'_>) -> Result<(), Denial> {
    let (holdings, subject) = (ask.holdings(), ask.holdings().plugin().as_str());
    match (ask.moment(), holdings.standing()) {
        (Moment::Start, Standing::Running | Standing::Stopped | Standing::Down) => Ok(()),
        _ => check_standing(holdings, subject),
    }
}

fn check_standing(holdings: &Holdings, subject: &str) -> Result<(), Denial> {
    let plugin = holdings.plugin();
    match holdings.standing() {
        Standing::Running => Ok(()),
        Standing::Down | Standing::Stopped => {
            Err(Denial::new(DenialReason::NotRunning, subject, "a call")
                .with_command(format!("keyway plugin info {plugin}")))
        }
        Standing::Revoked => Err(Denial::new(DenialReason::Revoked, subject, "a call")),
    }
}

fn not_allowed(tool: &str) -> Denial {
    Denial::new(DenialReason::NotAllowed, tool, tool)
        .with_command(format!("keyway plugin allow {tool}"))
}

fn find_grant<'a>(need: &Need, ask: &Ask<'a>) -> Result<&'a Grant, Denial> {
    let holdings = ask.holdings();
    let satisfies = |c: &Capability| c.satisfies(need);
    let is_live = |grant: &Grant| is_live(grant, holdings, ask.caller(), ask.now_ms(), false);
    find_live(holdings, satisfies, is_live).map_err(|reason| {
        let tag = declared_tag(holdings, satisfies).unwrap_or_else(|| need.to_string());
        denial(holdings, ask.tool().name(), reason, tag, family_of(need))
    })
}

fn family_of(need: &Need) -> &'static str {
    match need {
        Need::FilesystemRead | Need::FilesystemWrite => "filesystem",
        Need::Network { .. } => "network",
        Need::Secret { .. } => "secret",
        Need::State => "state",
        _ => "tool",
    }
}

/// The tag of the declared request that would answer, so that a denial names what to grant.
pub(super) fn declared_tag(
    holdings: &Holdings,
    fits: impl Fn(&Capability) -> bool,
) -> Option<String> {
    let atoms = holdings
        .requests()
        .iter()
        .flat_map(|r| r.capability.atoms());
    atoms
        .into_iter()
        .find(fits)
        .and_then(|atom| atom.tags().into_iter().next())
}

/// Finds a grant that fits and is live, or the reason why none is; the nearest miss wins.
pub(super) fn find_live(
    holdings: &Holdings,
    fits: impl Fn(&Capability) -> bool,
    is_live: impl Fn(&Grant) -> Result<(), DenialReason>,
) -> Result<&Grant, DenialReason> {
    if !holdings
        .requests()
        .iter()
        .any(|request| fits(&request.capability))
    {
        return Err(DenialReason::NotDeclared);
    }
    let mut nearest = DenialReason::NotGranted;
    for grant in holdings.grants().iter().filter(|g| fits(&g.capability)) {
        match is_live(grant) {
            Ok(()) => return Ok(grant),
            Err(reason) => nearest = reason,
        }
    }
    Err(nearest)
}

pub(super) fn is_live(
    grant: &Grant,
    holdings: &Holdings,
    caller: &Caller,
    now_ms: i64,
    is_paid: bool,
) -> Result<(), DenialReason> {
    if grant
        .digest
        .is_some_and(|digest| digest != holdings.definition())
    {
        return Err(DenialReason::DefinitionChanged);
    }
    if grant.expires_at_ms.is_some_and(|end| now_ms >= end) {
        return Err(DenialReason::Expired);
    }
    if grant.uses_left == Some(0) && !is_paid {
        return Err(DenialReason::UsesExhausted);
    }
    if !grant.scope.contains(caller.scope()) {
        return Err(DenialReason::OutsideScope);
    }
    Ok(())
}

pub(super) fn denial(
    holdings: &Holdings,
    subject: &str,
    reason: DenialReason,
    tag: String,
    family: &str,
) -> Denial {
    let command = match reason {
        // A grant for outside calls needs a manifest that asks for it.
        DenialReason::CallEnded | DenialReason::NotDeclared => None,
        _ => Some(format!(
            "keyway plugin approve {} --grant {tag}",
            holdings.plugin()
        )),
    };
    let denial = Denial::new(reason, subject, tag).with_granted(holdings.granted_tags(family));
    match command {
        Some(command) => denial.with_command(command),
        None => denial,
    }
}
