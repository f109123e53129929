//! Random walks through operations, beside the model.

use std::collections::BTreeMap;

use keyway_host::catalog::{Authority, CatalogState, Operation, decide};
use keyway_host::rank::Trust;
use keyway_plugin_api::Slot;

use super::crash::Dice;
use super::model::{Card, Model, Nature, VERBS, Verb, WORLD, nature_of};
use super::support::{
    approve, assert_sound, cascading, deny, disable, enable, id, operator, revoke, uninstall,
};

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
    wanted.and_then(|text| text.parse().ok()).unwrap_or(100_000)
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
