//! The question about one call, and the permit that answers it.

use keyway_plugin_api::Denial;

use super::Holdings;
use crate::caller::Caller;
use crate::digest::Digest;
use crate::registry::ToolEntry;
use crate::time::HostTime;

/// Number of an ask, unique while the host runs; ties a permit to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AskNumber(pub(crate) u64);

/// An ask is the question whether one call may take place. Only the host makes one.
#[derive(Debug)]
pub struct Ask<'a> {
    pub(crate) number: AskNumber,
    pub(crate) caller: &'a Caller,
    pub(crate) tool: &'a ToolEntry,
    pub(crate) holdings: &'a Holdings,
    pub(crate) time: &'a HostTime,
    pub(crate) is_approved: bool,
}

impl<'a> Ask<'a> {
    /// Returns who calls.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Returns the tool that is to be called.
    #[must_use]
    pub fn tool(&self) -> &'a ToolEntry {
        self.tool
    }

    /// Returns what the plugin behind the tool holds now.
    #[must_use]
    pub fn holdings(&self) -> &'a Holdings {
        self.holdings
    }

    /// Returns the time in Unix milliseconds; it never runs backwards. Reads the clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.time.now_ms()
    }

    /// Tells whether an operator has approved exactly this call.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.is_approved
    }

    /// Answers yes.
    pub fn permit(self) -> Verdict {
        Verdict(Judgement::Permitted(Permit {
            number: self.number,
            definition: self.tool.definition(),
            spends: Vec::new(),
        }))
    }

    /// Answers yes, spending one use of each grant with one of these tags.
    pub fn permit_spending(self, tags: Vec<String>) -> Verdict {
        Verdict(Judgement::Permitted(Permit {
            number: self.number,
            definition: self.tool.definition(),
            spends: tags,
        }))
    }

    /// Answers no.
    pub fn deny(self, denial: Denial) -> Verdict {
        Verdict(Judgement::Denied(Box::new(denial)))
    }

    /// Answers that an operator decides on this call.
    pub fn ask_operator(self) -> Verdict {
        Verdict(Judgement::NeedsApproval)
    }
}

/// A gate's answer; made from an [`Ask`] and from nothing else.
#[derive(Debug)]
#[must_use]
pub struct Verdict(pub(crate) Judgement);

#[derive(Debug)]
pub(crate) enum Judgement {
    Permitted(Permit),
    Denied(Box<Denial>),
    NeedsApproval,
}

impl Verdict {
    /// Returns the denial, where the answer is no.
    #[must_use]
    pub fn denial(&self) -> Option<&Denial> {
        match &self.0 {
            Judgement::Denied(denial) => Some(denial),
            _ => None,
        }
    }

    /// Tells whether the answer is yes.
    #[must_use]
    pub fn is_permitted(&self) -> bool {
        matches!(self.0, Judgement::Permitted(_))
    }
}

/// A permit is the gate's yes to one call. It has no public constructor, is not `Clone`, and the
/// call spends it.
///
/// Nobody can make one:
///
/// ```compile_fail,E0451
/// fn forged() -> keyway_host::gate::Permit {
///     keyway_host::gate::Permit { spends: None, ..unreachable!() }
/// }
/// ```
///
/// Nobody can use one twice, or answer one question twice:
///
/// ```compile_fail,E0277
/// fn is_clone<T: Clone>() {}
/// is_clone::<keyway_host::gate::Permit>();
/// ```
///
/// ```compile_fail,E0277
/// fn is_clone<T: Clone>() {}
/// is_clone::<keyway_host::gate::Verdict>();
/// ```
///
/// ```compile_fail,E0382
/// fn twice(ask: keyway_host::gate::Ask<'_>) {
///     let _yes = ask.permit();
///     let _again = ask.permit();
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Permit {
    pub(crate) number: AskNumber,
    pub(crate) definition: Digest,
    pub(crate) spends: Vec<String>,
}
