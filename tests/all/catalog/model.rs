//! Random operations against a model that knows the rules and nothing of the code.

use std::collections::{BTreeMap, BTreeSet};

use keyway_host::catalog::{Authority, CatalogState, Operation, decide};
use keyway_host::rank::{Precedence, Trust};
use keyway_plugin_api::Slot;
use serde_json::json;

use super::crash::Dice;
use super::support::{
    Draft, approve, assert_sound, cascading, deny, disable, enable, id, operator, plugin, revoke,
    uninstall,
};

/// One plugin of the model's world; its nature never changes.
#[derive(Debug, Clone)]
struct Nature {
    name: &'static str,
    slot: &'static str,
    rank: Precedence,
    needs: &'static [&'static str],
    asks: bool,
}

const fn nature(
    name: &'static str,
    slot: &'static str,
    rank: Precedence,
    needs: &'static [&'static str],
    asks: bool,
) -> Nature {
    Nature {
        name,
        slot,
        rank,
        needs,
        asks,
    }
}

const WORLD: [Nature; 10] = [
    nature("core-llm", "llm", Precedence::Builtin, &[], false),
    nature("user-llm", "llm", Precedence::User, &[], false),
    nature("rival-llm", "llm", Precedence::User, &[], true),
    nature("local-llm", "llm", Precedence::Workspace, &["base"], true),
    nature("disk", "memory", Precedence::Builtin, &[], true),
    nature("cloud", "memory", Precedence::User, &["net"], false),
    nature("base", "custom", Precedence::User, &[], false),
    nature("net", "custom", Precedence::User, &["base"], true),
    nature(
        "app",
        "custom",
        Precedence::Workspace,
        &["net", "user-llm"],
        false,
    ),
    nature("leaf", "custom", Precedence::User, &["app"], true),
];

impl Nature {
    fn draft(&self) -> Draft {
        let draft = plugin(self.name).slot(self.slot).needs(self.needs);
        let draft = match self.rank {
            Precedence::Workspace => draft.workspace(),
            Precedence::User => draft,
            Precedence::Builtin => draft.builtin(),
        };
        if self.asks {
            draft.asks(json!([{ "kind": "secret", "names": ["TOKEN"] }]))
        } else {
            draft
        }
    }

    fn is_exclusive(&self) -> bool {
        self.slot != "custom"
    }
}

fn nature_of(name: &str) -> &'static Nature {
    WORLD.iter().find(|nature| nature.name == name).unwrap()
}

/// What the model remembers about an installed plugin.
#[derive(Debug, Clone, PartialEq)]
struct Card {
    authority: Authority,
    enabled: bool,
    wants: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    cards: BTreeMap<&'static str, Card>,
    holders: BTreeMap<&'static str, &'static str>,
    revoked: BTreeSet<&'static str>,
}

type Verdict = Result<(), &'static str>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Approve,
    Clear,
    Deny,
    Disable,
    DisableAll,
    Enable,
    Install,
    InstallApproved,
    Revoke,
    Uninstall,
    UninstallAll,
}

const VERBS: [Verb; 11] = [
    Verb::Approve,
    Verb::Clear,
    Verb::Deny,
    Verb::Disable,
    Verb::DisableAll,
    Verb::Enable,
    Verb::Install,
    Verb::InstallApproved,
    Verb::Revoke,
    Verb::Uninstall,
    Verb::UninstallAll,
];

impl Model {
    fn apply(&mut self, verb: Verb, name: &'static str) -> Verdict {
        let untouched = self.clone();
        let verdict = self.try_apply(verb, name);
        if verdict.is_err() {
            *self = untouched;
        }
        verdict
    }

    fn try_apply(&mut self, verb: Verb, name: &'static str) -> Verdict {
        let is_removal = matches!(verb, Verb::Uninstall | Verb::UninstallAll);
        if verb == Verb::Clear {
            return self.clear(name);
        }
        if self.revoked.contains(name) && !is_removal {
            return Err("REVOKED");
        }
        if matches!(verb, Verb::Install | Verb::InstallApproved) {
            return self.install(name, verb == Verb::InstallApproved);
        }
        if !self.cards.contains_key(name) {
            return Err("PLUGIN_NOT_FOUND");
        }
        match verb {
            Verb::Approve => self.approve(name),
            Verb::Deny => self.suspend(name, Authority::Denied),
            Verb::Disable => self.disable(name, false)?,
            Verb::DisableAll => self.disable(name, true)?,
            Verb::Enable => self.enable(name)?,
            Verb::Revoke => {
                self.suspend(name, Authority::Revoked);
                self.card(name).wants = false;
                self.revoked.insert(name);
            }
            Verb::Uninstall => self.uninstall(name, false)?,
            Verb::UninstallAll => self.uninstall(name, true)?,
            Verb::Clear | Verb::Install | Verb::InstallApproved => {}
        }
        Ok(())
    }

    fn card(&mut self, name: &str) -> &mut Card {
        self.cards.get_mut(name).unwrap()
    }

    fn is_enabled(&self, name: &str) -> bool {
        self.cards.get(name).is_some_and(|card| card.enabled)
    }

    /// Enabled plugins that need this one, through however many others.
    fn dependents(&self, name: &str) -> BTreeSet<&'static str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        loop {
            let more: Vec<_> = WORLD
                .iter()
                .filter(|nature| self.is_enabled(nature.name) && !found.contains(nature.name))
                .filter(|nature| nature.needs.iter().any(|n| *n == name || found.contains(n)))
                .map(|nature| nature.name)
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }

    fn install(&mut self, name: &'static str, approved: bool) -> Verdict {
        if self.cards.contains_key(name) {
            return Err("ALREADY_INSTALLED");
        }
        let nature = nature_of(name);
        if nature
            .needs
            .iter()
            .any(|need| !self.cards.contains_key(need))
        {
            return Err("DEPENDENCY_MISSING");
        }
        let authority = if nature.asks && !approved {
            Authority::PendingApproval
        } else {
            Authority::Approved
        };
        let card = Card {
            authority,
            enabled: false,
            wants: true,
        };
        self.cards.insert(name, card);
        if authority == Authority::Approved {
            self.settle(name);
        }
        Ok(())
    }

    fn settle(&mut self, name: &'static str) {
        let _ = self.switch_on(name);
        self.card(name).wants = false;
    }

    fn switch_on(&mut self, name: &'static str) -> Verdict {
        let nature = nature_of(name);
        if nature.needs.iter().any(|need| !self.is_enabled(need)) {
            return Err("DEPENDENCY_MISSING");
        }
        if nature.is_exclusive() {
            if let Some(holder) = self.holders.get(nature.slot).copied() {
                if nature.rank >= nature_of(holder).rank {
                    return Err("SLOT_OCCUPIED");
                }
                if !self.dependents(holder).is_empty() {
                    return Err("HAS_DEPENDENTS");
                }
                self.card(holder).enabled = false;
            }
            self.holders.insert(nature.slot, name);
        }
        self.card(name).enabled = true;
        Ok(())
    }

    fn switch_off(&mut self, name: &str) {
        self.card(name).enabled = false;
        self.holders.retain(|_, holder| *holder != name);
    }

    fn approve(&mut self, name: &'static str) {
        self.card(name).authority = Authority::Approved;
        if !self.is_enabled(name) && self.card(name).wants {
            self.settle(name);
        }
    }

    fn suspend(&mut self, name: &str, authority: Authority) {
        for dependent in self.dependents(name) {
            self.switch_off(dependent);
        }
        let wanted = self.is_enabled(name) || self.card(name).wants;
        self.switch_off(name);
        self.card(name).wants = wanted;
        self.card(name).authority = authority;
    }

    fn enable(&mut self, name: &'static str) -> Verdict {
        match (self.is_enabled(name), self.card(name).authority) {
            (true, _) => Err("ALREADY_ENABLED"),
            (_, Authority::PendingApproval) => Err("APPROVAL_PENDING"),
            (_, Authority::Denied) => Err("CAPABILITY_DENIED"),
            _ => {
                self.switch_on(name)?;
                self.card(name).wants = false;
                Ok(())
            }
        }
    }

    fn disable(&mut self, name: &str, cascade: bool) -> Verdict {
        if !self.is_enabled(name) && !self.card(name).wants {
            return Err("ALREADY_DISABLED");
        }
        let dependents = self.dependents(name);
        if !dependents.is_empty() && !cascade {
            return Err("HAS_DEPENDENTS");
        }
        for dependent in dependents {
            self.switch_off(dependent);
        }
        self.switch_off(name);
        self.card(name).wants = false;
        Ok(())
    }

    fn uninstall(&mut self, name: &str, cascade: bool) -> Verdict {
        let dependents = self.dependents(name);
        if !dependents.is_empty() && !cascade {
            return Err("HAS_DEPENDENTS");
        }
        for leaving in dependents.into_iter().chain([nature_of(name).name]) {
            self.switch_off(leaving);
            self.cards.remove(leaving);
        }
        Ok(())
    }

    fn clear(&mut self, name: &str) -> Verdict {
        if !self.revoked.remove(name) {
            return Err("NOT_REVOKED");
        }
        if let Some(card) = self.cards.get_mut(name) {
            card.authority = Authority::PendingApproval;
        }
        Ok(())
    }
}

fn operation(verb: Verb, nature: &Nature) -> Operation {
    let name = nature.name;
    match verb {
        Verb::Approve => approve(name),
        Verb::Clear => Operation::ClearRevocation {
            plugin: id(name),
            by: operator(),
        },
        Verb::Deny => deny(name, &[]),
        Verb::Disable => disable(name),
        Verb::DisableAll => cascading(disable(name)),
        Verb::Enable => enable(name),
        Verb::Install => nature.draft().install(),
        Verb::InstallApproved => nature.draft().install_approved(),
        Verb::Revoke => revoke(name),
        Verb::Uninstall => uninstall(name),
        Verb::UninstallAll => cascading(uninstall(name)),
    }
}

/// What the model can see of a state.
fn seen(state: &CatalogState) -> Model {
    let cards = state.entries.iter().map(|(id, entry)| {
        let card = Card {
            authority: entry.keyway.authority,
            enabled: entry.enabled,
            wants: entry.keyway.wants_enabled,
        };
        (nature_of(id.as_str()).name, card)
    });
    let holders = state.slot_assignments.iter();
    let revoked = state.keyway.revocations.keys();
    Model {
        cards: cards.collect(),
        holders: holders
            .map(|(slot, id)| (slot.as_str(), nature_of(id.as_str()).name))
            .collect(),
        revoked: revoked.map(|id| nature_of(id.as_str()).name).collect(),
    }
}

/// What must hold of every state, said once more and independently of the model.
#[track_caller]
fn assert_invariants(state: &CatalogState) {
    for slot in Slot::ALL.into_iter().filter(|slot| slot.is_exclusive()) {
        let holds = |entry: &keyway_host::catalog::CatalogEntry| {
            entry.enabled && entry.exclusive_slot() == Some(slot)
        };
        let enabled = state.entries.values().filter(|entry| holds(entry)).count();
        assert!(enabled <= 1, "{slot} has {enabled} holders");
        assert_eq!(enabled == 1, state.occupant(slot).is_some(), "{slot}");
    }
    for (id, entry) in &state.entries {
        for need in entry.requirements().iter().filter(|_| entry.enabled) {
            assert!(
                state
                    .entry(&need.plugin)
                    .is_some_and(|needed| needed.enabled),
                "{id} runs without {need}"
            );
        }
        let is_revoked = state.is_revoked(id);
        assert_eq!(
            is_revoked,
            entry.keyway.authority == Authority::Revoked,
            "{id}"
        );
        assert!(
            !entry.enabled || entry.keyway.authority == Authority::Approved,
            "{id}"
        );
        assert!(
            !is_revoked || entry.keyway.grants.is_empty(),
            "{id} keeps grants"
        );
    }
}

/// Length of the walk; `KEYWAY_MODEL_STEPS` makes it longer (the release gate walks 1,000,000).
fn walk_length() -> usize {
    let wanted = std::env::var("KEYWAY_MODEL_STEPS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(30_000)
}

#[test]
fn s_a7_random_operations_never_leave_the_model() {
    let operations: Vec<Vec<Operation>> = WORLD
        .iter()
        .map(|nature| VERBS.map(|verb| operation(verb, nature)).to_vec())
        .collect();
    let mut dice = Dice::new(0x5EED);
    let (mut state, mut model) = (CatalogState::new(), Model::default());
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for step in 0..walk_length() {
        let (who, what) = (dice.roll(WORLD.len()), dice.roll(VERBS.len()));
        // Endings are rare, so that there is something to end.
        let rare = matches!(VERBS[what], Verb::Revoke | Verb::UninstallAll | Verb::Deny);
        if rare && dice.roll(4) != 0 {
            continue;
        }
        let name = WORLD[who].name;
        let decided = decide(&state, &operations[who][what], i64::try_from(step).unwrap());
        let expected = model.apply(VERBS[what], name);
        let code = decided
            .as_ref()
            .err()
            .map(keyway_host::catalog::CatalogError::code);
        assert_eq!(
            code,
            expected.err(),
            "step {step}: {:?} {name}",
            VERBS[what]
        );
        *outcomes.entry(code.unwrap_or("OK")).or_default() += 1;
        if let Ok(plan) = decided {
            assert_eq!(plan.next().revision(), state.revision() + 1);
            state = plan.next().clone();
            assert_eq!(seen(&state), model, "step {step}: {:?} {name}", VERBS[what]);
            assert_invariants(&state);
            if step % 64 == 0 {
                assert_sound(&state);
            }
        }
    }
    println!("{outcomes:?}");
    for code in [
        "OK",
        "ALREADY_DISABLED",
        "ALREADY_ENABLED",
        "ALREADY_INSTALLED",
        "APPROVAL_PENDING",
        "CAPABILITY_DENIED",
        "DEPENDENCY_MISSING",
        "HAS_DEPENDENTS",
        "NOT_REVOKED",
        "PLUGIN_NOT_FOUND",
        "REVOKED",
        "SLOT_OCCUPIED",
    ] {
        assert!(outcomes.contains_key(code), "the walk never met {code}");
    }
}

/// The control: a model that forgets one rule is found out.
#[test]
fn s_a7_control_a_model_without_one_rule_is_found_out() {
    let mut dice = Dice::new(0x5EED);
    let (mut state, mut model) = (CatalogState::new(), Model::default());
    let found_out = (0..5_000).any(|step| {
        let nature = &WORLD[dice.roll(WORLD.len())];
        let verb = VERBS[dice.roll(VERBS.len())];
        let decided = decide(&state, &operation(verb, nature), step);
        let _ = model.apply(verb, nature.name);
        // The forgotten rule: who is displaced is disabled.
        if let Some(holder) = model.holders.get("llm").copied() {
            for rival in ["core-llm", "user-llm"] {
                if rival != holder && model.cards.contains_key(rival) {
                    model.card(rival).enabled = true;
                }
            }
        }
        if let Ok(plan) = decided {
            state = plan.next().clone();
        }
        seen(&state) != model
    });
    assert!(found_out);
}

#[test]
fn trust_never_shows_in_the_model_because_rank_is_not_trust() {
    let mut state = CatalogState::new();
    for nature in &WORLD {
        let trusted = nature.draft().trusted_as(Trust::Trusted);
        if let Ok(plan) = decide(&state, &trusted.install(), 1) {
            state = plan.next().clone();
        }
    }
    let waiting = |name: &str| state.entry(&id(name)).map(|entry| entry.keyway.authority);
    assert_eq!(waiting("disk"), Some(Authority::PendingApproval));
    assert_eq!(waiting("base"), Some(Authority::Approved));
}
