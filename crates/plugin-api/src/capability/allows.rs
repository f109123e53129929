//! What a capability allows: the questions the gate asks, one per kind of effect.
//!
//! Every answer is `false` for a malformed question and for a capability of another family.

use std::collections::BTreeSet;

use super::item::{canonical_host, canonical_path};
use super::{Capability, ItemKind, SurfaceVerb, is_reserved_env};
use crate::{Need, PluginId, ToolName};

impl Capability {
    /// Tells whether requests of a method to a host are allowed.
    ///
    /// The host is a bare name as it stands in a URL; case and one trailing dot are ignored.
    /// `*.example.com` allows `a.example.com` and `a.b.example.com`, never `example.com`.
    #[must_use]
    pub fn allows_host(&self, host: &str, method: &str) -> bool {
        let Self::Network { methods, .. } = self else {
            return false;
        };
        let same = |allowed: &String| allowed.eq_ignore_ascii_case(method);
        let method_allowed = methods.as_ref().is_none_or(|m| m.iter().any(same));
        method_allowed && ItemKind::Method.canonical(method).is_ok() && self.reaches(host)
    }

    /// Tells whether a path may be read: it is a granted path or lies below one.
    ///
    /// The comparison is lexical and by whole components; a path with `..` is never allowed.
    /// Links are the business of whoever opens the file.
    #[must_use]
    pub fn allows_read(&self, path: &str) -> bool {
        matches!(self, Self::Filesystem { read, .. } if contains_path(read, path))
    }

    /// Tells whether a path may be written: it is a granted path or lies below one.
    ///
    /// Compares like [`Capability::allows_read`]; the right to write is not the right to read.
    #[must_use]
    pub fn allows_write(&self, path: &str) -> bool {
        matches!(self, Self::Filesystem { write, .. } if contains_path(write, path))
    }

    /// Tells whether a secret may be read. Reserved names never may.
    #[must_use]
    pub fn allows_secret(&self, name: &str) -> bool {
        matches!(self, Self::Secret { names } if names.contains(name)) && !is_reserved_env(name)
    }

    /// Tells whether a tool of a plugin may be called.
    #[must_use]
    pub fn allows_tool(&self, plugin: &str, tool: &str) -> bool {
        let Self::Tool { tools } = self else {
            return false;
        };
        let names = |pattern: &String| {
            let parts = pattern.split_once('/');
            parts.is_some_and(|(p, t)| p == plugin && (t == tool || t == "*"))
        };
        let is_tool = PluginId::parse(plugin).is_ok() && ToolName::parse(tool).is_ok();
        is_tool && tools.iter().any(names)
    }

    /// Tells whether a program may be run.
    #[must_use]
    pub fn allows_program(&self, program: &str) -> bool {
        matches!(self, Self::Process { programs } if programs.contains(program))
            && ItemKind::Program.canonical(program).is_ok()
    }

    /// Tells whether a model provider may be asked.
    #[must_use]
    pub fn allows_provider(&self, provider: &str) -> bool {
        matches!(self, Self::Model { providers } if providers.contains(provider))
            && ItemKind::Provider.canonical(provider).is_ok()
    }

    /// Tells whether a verb may be used on a surface.
    #[must_use]
    pub fn allows_verb(&self, surface: &str, verb: SurfaceVerb) -> bool {
        matches!(self, Self::Surface { surface: s, verbs } if s == surface && verbs.contains(&verb))
            && ItemKind::Surface.canonical(surface).is_ok()
    }

    /// Tells whether a tool's need is met by this capability alone.
    ///
    /// Files are met by any path, state by any quota, tools by any tool; a network need is met
    /// when each of its hosts can be reached with some method. For several capabilities
    /// together use [`Need::is_met_by`].
    #[must_use]
    pub fn satisfies(&self, need: &Need) -> bool {
        need.is_met_by([self])
    }

    fn reaches(&self, host: &str) -> bool {
        let Self::Network { hosts, methods } = self else {
            return false;
        };
        let Ok(host) = canonical_host(host) else {
            return false;
        };
        let matches = |pattern: &String| match ItemKind::Host.canonical(pattern) {
            Ok(pattern) => ItemKind::Host.covers(&pattern, &host),
            Err(_) => false,
        };
        methods.as_ref().is_none_or(|m| !m.is_empty()) && hosts.iter().any(matches)
    }
}

impl Need {
    /// Tells whether these capabilities together meet the need.
    ///
    /// ```
    /// use keyway_plugin_api::{Capability, Need};
    /// let held = [Capability::parse_tag("filesystem:read:./repo")?];
    /// assert!(Need::FilesystemRead.is_met_by(&held));
    /// assert!(!Need::FilesystemWrite.is_met_by(&held));
    /// # Ok::<(), keyway_plugin_api::TagError>(())
    /// ```
    #[must_use]
    pub fn is_met_by<'a>(&self, held: impl IntoIterator<Item = &'a Capability>) -> bool {
        let mut held = held.into_iter().filter(|c| !c.is_empty());
        match self {
            Self::FilesystemRead => held.any(|c| grants_path(c, false)),
            Self::FilesystemWrite => held.any(|c| grants_path(c, true)),
            Self::Network { hosts } => {
                let held: Vec<_> = held.collect();
                let reached = |host: &String| held.iter().any(|c| c.reaches(host));
                !hosts.is_empty() && hosts.iter().all(reached)
            }
            Self::Secret { name } => held.any(|c| c.allows_secret(name)),
            Self::State => held.any(|c| matches!(c, Capability::State { .. })),
            Self::Tools => held.any(|c| matches!(c, Capability::Tool { .. })),
        }
    }
}

fn grants_path(capability: &Capability, to_write: bool) -> bool {
    match capability.canonical() {
        Capability::Filesystem { write, .. } if to_write => !write.is_empty(),
        Capability::Filesystem { read, .. } => !to_write && !read.is_empty(),
        _ => false,
    }
}

fn contains_path(granted: &BTreeSet<String>, path: &str) -> bool {
    let Ok(path) = canonical_path(path) else {
        return false;
    };
    let contains = |root: &String| match canonical_path(root) {
        Ok(root) => ItemKind::Path.covers(&root, &path),
        Err(_) => false,
    };
    granted.iter().any(contains)
}
