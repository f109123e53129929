//! Words from a closed list.

use serde_json::Value;

use super::report::{At, Report, nearest, shown};
use super::types::RuntimeKind;
use crate::{Capability, HookPoint, Risk, Slot, SurfaceVerb};

/// A closed list of words, and what each of them means.
pub(super) struct Choice<T: 'static> {
    what: &'static str,
    code: &'static str,
    all: &'static [T],
    name: fn(T) -> &'static str,
}

pub(super) const CAPABILITY: Choice<&'static str> = Choice {
    what: "capability",
    code: "UNKNOWN_CAPABILITY",
    all: &Capability::FAMILIES,
    name: |family| family,
};

pub(super) const HOOK: Choice<HookPoint> = Choice {
    what: "hook",
    code: "UNKNOWN_HOOK",
    all: &HookPoint::ALL,
    name: HookPoint::as_str,
};

pub(super) const RISK: Choice<Risk> = Choice {
    what: "risk",
    code: "UNKNOWN_RISK",
    all: &Risk::ALL,
    name: Risk::as_str,
};

pub(super) const RUNTIME: Choice<RuntimeKind> = Choice {
    what: "runtime",
    code: "UNKNOWN_RUNTIME",
    all: &RuntimeKind::ALL,
    name: RuntimeKind::as_str,
};

pub(super) const SLOT: Choice<Slot> = Choice {
    what: "slot",
    code: "UNKNOWN_SLOT",
    all: &Slot::ALL,
    name: Slot::as_str,
};

pub(super) const VERB: Choice<SurfaceVerb> = Choice {
    what: "verb",
    code: "UNKNOWN_VERB",
    all: &SurfaceVerb::ALL,
    name: SurfaceVerb::as_str,
};

impl<T: Copy> Choice<T> {
    /// Reads a value that must be one of the words.
    pub(super) fn read(&self, value: &Value, at: At<'_>, report: &mut Report) -> Option<T> {
        let text = report.text(at, value)?;
        self.pick(text, at, report)
    }

    /// Finds the word, or reports it and lists the ones there are.
    pub(super) fn pick(&self, text: &str, at: At<'_>, report: &mut Report) -> Option<T> {
        let found = self.all.iter().find(|one| (self.name)(**one) == text);
        if found.is_none() {
            let hint = match nearest(text, &self.names()) {
                Some(near) => format!("did you mean `{near}`? {}", self.list()),
                None => self.list(),
            };
            let message = format!("unknown {} `{}`", self.what, shown(text));
            report.problem_with_hint(at, self.code, message, hint);
        }
        found.copied()
    }

    /// Lists the words, as a hint.
    pub(super) fn list(&self) -> String {
        format!("choose from {}", self.names().join(", "))
    }

    fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(|one| (self.name)(*one)).collect()
    }
}
