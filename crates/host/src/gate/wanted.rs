//! What an effect wants, in terms of capabilities, and which grants cover it.

use keyway_plugin_api::{Capability, Denial, DenialReason, EffectRequest};

use super::standard::{declared_tag, denial, find_live, is_live, tag_of_counted};
use super::{EffectAsk, HeaderTemplate, Holdings, HttpAddress, Moment};
use crate::catalog::Grant;

/// The grants that cover an effect.
pub(super) struct Covered {
    /// What the effect has to stay within.
    pub(super) within: Vec<Capability>,
    /// The grants of which it spends a use.
    pub(super) spends: Vec<String>,
}

impl Covered {
    /// Finds a live grant for everything that an effect wants.
    pub(super) fn find(ask: &EffectAsk<'_>) -> Result<Self, Denial> {
        let mut covered = Self {
            within: Vec::new(),
            spends: Vec::new(),
        };
        let wanted = Wanted::all(ask.request()).map_err(|what| malformed(ask, &what))?;
        for wanted in wanted {
            let grant = wanted.grant(ask)?;
            let counted = tag_of_counted(grant).filter(|tag| !ask.has_paid(tag));
            covered.spend(counted);
            match wanted {
                Wanted::Network { .. } => covered.within.extend(hosts(ask, grant)),
                _ => covered.within.push(grant.capability.clone()),
            }
        }
        Ok(covered)
    }

    fn spend(&mut self, counted: Option<String>) {
        let new = counted.filter(|tag| !self.spends.contains(tag));
        self.spends.extend(new);
    }
}

/// The hosts that one request may end at: a redirect can lead from one granted host to another.
///
/// Only what is declared as well; and what costs a use of its own only where that is paid.
fn hosts(ask: &EffectAsk<'_>, first: &Grant) -> Vec<Capability> {
    let is_free = |grant: &&Grant| {
        let unpaid = tag_of_counted(grant).is_some_and(|tag| !ask.has_paid(&tag));
        std::ptr::eq(*grant, first) || (!unpaid && is_live_for(grant, ask).is_ok())
    };
    let network = |capability: &&Capability| capability.family() == "network";
    let holdings = ask.holdings();
    let grants = holdings.grants().iter().filter(is_free);
    let granted: Vec<_> = grants.map(|g| &g.capability).filter(network).collect();
    let declared = holdings.requests().iter().map(|r| &r.capability);
    let pairs = declared
        .filter(network)
        .flat_map(|declared| granted.iter().filter_map(|g| g.intersect(declared)));
    pairs.collect()
}

fn is_live_for(grant: &Grant, ask: &EffectAsk<'_>) -> Result<(), DenialReason> {
    let is_paid = tag_of_counted(grant).is_some_and(|tag| ask.has_paid(&tag));
    if ask.moment() == Moment::Background && !grant.background {
        return Err(DenialReason::CallEnded);
    }
    is_live(grant, ask.holdings(), ask.caller(), ask.now_ms(), is_paid)
}

/// Nothing that could be granted would make it well-formed.
fn malformed(ask: &EffectAsk<'_>, what: &str) -> Denial {
    Denial::new(
        DenialReason::Forbidden,
        ask.holdings().plugin().as_str(),
        what,
    )
}

/// What an effect request wants, in terms of capabilities.
enum Wanted<'a> {
    Network {
        address: HttpAddress,
        method: String,
    },
    Path {
        path: &'a str,
        write: bool,
    },
    Secret(&'a str),
    State,
    Tool(&'a str),
    /// A request of a newer plugin API, which no grant of today covers.
    Unknown,
}

impl<'a> Wanted<'a> {
    /// Reads a request; nothing for what needs no grant (a plugin's own log).
    ///
    /// # Errors
    /// What is malformed about it.
    fn all(request: &'a EffectRequest) -> Result<Vec<Self>, String> {
        use EffectRequest as R;
        Ok(vec![match request {
            R::FsList { path } | R::FsRead { path } | R::FsStat { path } => {
                Self::Path { path, write: false }
            }
            R::FsRemove { path } | R::FsWrite { path, .. } => Self::Path { path, write: true },
            R::HttpFetch {
                method,
                url,
                headers,
                ..
            } => return Self::fetch(method, url, headers),
            R::SecretRead { name } => Self::Secret(name),
            R::CallTool { tool, .. } => Self::Tool(tool),
            R::Log { .. } => return Ok(Vec::new()),
            R::StateCas { .. }
            | R::StateDelete { .. }
            | R::StateGet { .. }
            | R::StateList { .. }
            | R::StatePut { .. } => Self::State,
            _ => Self::Unknown,
        }])
    }

    /// A request goes to a host, with the secrets that its headers name.
    fn fetch(
        method: &str,
        url: &str,
        headers: &'a [(String, String)],
    ) -> Result<Vec<Self>, String> {
        let address = HttpAddress::parse(url).map_err(|e| e.to_string())?;
        if !is_method(method) {
            return Err("a request with a malformed method, or one that opens tunnels".to_owned());
        }
        let method = method.to_ascii_uppercase();
        let mut wanted = vec![Self::Network { address, method }];
        for (_, value) in headers {
            let template = HeaderTemplate::parse(value).map_err(|e| e.to_string())?;
            wanted.extend(template.secrets().map(Self::Secret));
        }
        Ok(wanted)
    }

    fn grant<'h>(&self, ask: &EffectAsk<'h>) -> Result<&'h Grant, Denial> {
        let holdings = ask.holdings();
        find_live(holdings, |c| self.fits(c), |grant| is_live_for(grant, ask))
            .map_err(|why| self.refuse(holdings, why))
    }

    fn fits(&self, capability: &Capability) -> bool {
        match self {
            Self::Network { address, method } => capability.allows_host(address.host(), method),
            Self::Path { path, write: false } => capability.allows_read(path),
            Self::Path { path, write: true } => capability.allows_write(path),
            Self::Secret(name) => capability.allows_secret(name),
            Self::State => matches!(capability, Capability::State { .. }),
            Self::Tool(name) => name
                .split_once('/')
                .is_some_and(|(plugin, tool)| capability.allows_tool(plugin, tool)),
            Self::Unknown => false,
        }
    }

    fn refuse(&self, holdings: &Holdings, reason: DenialReason) -> Denial {
        let (family, asked) = match self {
            Self::Network { address, method } => {
                ("network", format!("network:{}[{method}]", address.host()))
            }
            Self::Path { path, write: false } => ("filesystem", format!("filesystem:read:{path}")),
            Self::Path { path, write: true } => ("filesystem", format!("filesystem:write:{path}")),
            Self::Secret(name) => ("secret", format!("secret:{name}")),
            Self::State => ("state", "state".to_owned()),
            Self::Tool(name) => ("tool", format!("tool:{name}")),
            Self::Unknown => ("unknown", "an unknown effect".to_owned()),
        };
        let holds_family = holdings
            .grants()
            .iter()
            .any(|g| g.capability.family() == family);
        let reason = match reason {
            DenialReason::NotDeclared if holds_family => DenialReason::OutsideConstraint,
            other => other,
        };
        let subject = holdings.plugin().as_str();
        if matches!(
            reason,
            DenialReason::OutsideConstraint | DenialReason::NotDeclared
        ) {
            return Denial::new(reason, subject, asked).with_granted(holdings.granted_tags(family));
        }
        let tag = declared_tag(holdings, |c| self.fits(c)).unwrap_or_else(|| asked.clone());
        denial(holdings, subject, reason, tag, family)
    }
}

/// Tells whether a method asks a server for something; one that turns the connection into a tunnel,
/// or asks for the request back with the secrets in it, does not.
fn is_method(method: &str) -> bool {
    let is_word =
        (1..=32).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_alphabetic());
    is_word
        && !["CONNECT", "TRACE", "TRACK"]
            .iter()
            .any(|no| method.eq_ignore_ascii_case(no))
}
