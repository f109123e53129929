//! An operator that follows a script.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyway_host::approval::{ApprovalRequest, ApprovalSubject, Approver, Decision};
use keyway_plugin_api::async_trait;

/// Decides as its script says and remembers what it was asked.
///
/// A request is decided by the first that has an answer: the queue of [`then`](Self::then), the
/// rule of [`by`](Self::by), the default. An approval of a plugin also grants the optional
/// requests named with [`granting`](Self::granting), as far as the plugin asks for them.
///
/// ```
/// use keyway_host::approval::Decision;
/// use keyway_test_support::ScriptedApprover;
/// let no = Decision::Deny { reason: "not on a Friday".into() };
/// let approver = ScriptedApprover::approving().then(no);
/// assert!(approver.requests().is_empty());
/// ```
pub struct ScriptedApprover {
    queue: Mutex<VecDeque<Decision>>,
    rule: Option<Box<Rule>>,
    default: Decision,
    optional: Vec<String>,
    seen: Mutex<Vec<ApprovalRequest>>,
}

type Rule = dyn Fn(&ApprovalRequest) -> Option<Decision> + Send + Sync;

impl ScriptedApprover {
    /// Makes an approver that says yes to every plugin and to every call.
    #[must_use]
    pub fn approving() -> Self {
        Self::answering(Decision::approve())
    }

    /// Makes an approver that leaves every request for later.
    #[must_use]
    pub fn later() -> Self {
        Self::answering(Decision::Later)
    }

    /// Makes an approver that says the same to everything.
    #[must_use]
    pub fn answering(default: Decision) -> Self {
        Self {
            queue: Mutex::default(),
            rule: None,
            default,
            optional: Vec::new(),
            seen: Mutex::default(),
        }
    }

    /// Makes an approver that says yes to every plugin and `decision` to every call.
    #[must_use]
    pub fn for_calls(decision: Decision) -> Self {
        Self::approving().by(move |request| match request.subject {
            ApprovalSubject::Call { .. } => Some(decision.clone()),
            _ => None,
        })
    }

    /// Adds a decision to the queue.
    #[must_use]
    pub fn then(self, decision: Decision) -> Self {
        self.push(decision);
        self
    }

    /// Sets a rule; where it gives nothing, the default decides.
    #[must_use]
    pub fn by(
        mut self,
        rule: impl Fn(&ApprovalRequest) -> Option<Decision> + Send + Sync + 'static,
    ) -> Self {
        self.rule = Some(Box::new(rule));
        self
    }

    /// Grants these optional requests to every plugin that asks for them.
    #[must_use]
    pub fn granting<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.optional.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Adds a decision to the queue while the host runs.
    pub fn push(&self, decision: Decision) {
        lock(&self.queue).push_back(decision);
    }

    /// Returns every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<ApprovalRequest> {
        lock(&self.seen).clone()
    }

    fn decide(&self, request: &ApprovalRequest) -> Decision {
        let next = lock(&self.queue).pop_front();
        let decision = next
            .or_else(|| self.rule.as_ref().and_then(|rule| rule(request)))
            .unwrap_or_else(|| self.default.clone());
        match (decision, &request.subject) {
            (Decision::Approve { mut optional }, ApprovalSubject::Plugin { requests, .. }) => {
                let asked: Vec<_> = requests.iter().flat_map(|r| r.capability.tags()).collect();
                let named = self.optional.iter().filter(|tag| asked.contains(tag));
                optional.extend(named.cloned());
                Decision::Approve { optional }
            }
            (decision, _) => decision,
        }
    }
}

#[async_trait]
impl Approver for ScriptedApprover {
    async fn review(&self, request: &ApprovalRequest) -> Decision {
        lock(&self.seen).push(request.clone());
        self.decide(request)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for ScriptedApprover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedApprover")
            .field("default", &self.default)
            .field("seen", &lock(&self.seen).len())
            .finish_non_exhaustive()
    }
}
