//! A model that knows the rules and nothing of the code.

use std::collections::{BTreeMap, BTreeSet};

use keyway_host::catalog::Authority;
use keyway_host::rank::Precedence;
use serde_json::json;

use super::support::{Draft, plugin};

/// One plugin of the model's world; its nature never changes.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    pub(super) name: &'static str,
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

pub(super) const WORLD: [Nature; 10] = [
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
    pub(super) fn draft(&self) -> Draft {
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

pub(super) fn nature_of(name: &str) -> &'static Nature {
    WORLD.iter().find(|nature| nature.name == name).unwrap()
}

/// What the model remembers about an installed plugin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Card {
    pub(super) authority: Authority,
    pub(super) enabled: bool,
    pub(super) wants: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Model {
    pub(super) cards: BTreeMap<&'static str, Card>,
    pub(super) holders: BTreeMap<&'static str, &'static str>,
    pub(super) revoked: BTreeSet<&'static str>,
}

type Verdict = Result<(), &'static str>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
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

pub(super) const VERBS: [Verb; 11] = [
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
    pub(super) fn apply(&mut self, verb: Verb, name: &'static str) -> Verdict {
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

    pub(super) fn card(&mut self, name: &str) -> &mut Card {
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
