//! How capabilities compare: covering, meeting, taking apart. Everything here works on canonical
//! forms, in which a malformed item is gone and so means nothing.

use std::collections::BTreeSet;

use super::{Capability, ItemKind};

impl Capability {
    /// Returns the canonical form: hosts and methods without case, paths without empty and `.`
    /// components, malformed items left out.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::Filesystem { read, write } => Self::Filesystem {
                read: ItemKind::Path.canonical_set(read),
                write: ItemKind::Path.canonical_set(write),
            },
            Self::Model { providers } => Self::Model {
                providers: ItemKind::Provider.canonical_set(providers),
            },
            Self::Network { hosts, methods } => Self::Network {
                hosts: ItemKind::Host.canonical_set(hosts),
                methods: methods.as_ref().map(|m| ItemKind::Method.canonical_set(m)),
            },
            Self::Process { programs } => Self::Process {
                programs: ItemKind::Program.canonical_set(programs),
            },
            Self::Secret { names } => Self::Secret {
                names: ItemKind::Secret.canonical_set(names),
            },
            Self::State { quota_bytes } => Self::State {
                quota_bytes: *quota_bytes,
            },
            Self::Surface { surface, verbs } => Self::Surface {
                surface: surface.clone(),
                verbs: match ItemKind::Surface.canonical(surface) {
                    Ok(_) => verbs.clone(),
                    Err(_) => BTreeSet::new(),
                },
            },
            Self::Tool { tools } => Self::Tool {
                tools: ItemKind::Tool.canonical_set(tools),
            },
        }
    }

    /// Tells whether the capability allows nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.canonical().allows_nothing()
    }

    /// Tells whether everything that `other` allows is allowed by this one too.
    ///
    /// Reflexive and transitive. A capability that allows nothing is covered by any of its
    /// family; capabilities of different families never cover each other.
    ///
    /// ```
    /// use keyway_plugin_api::Capability;
    /// let wide = Capability::parse_tag("network:*.github.com")?;
    /// let narrow = Capability::parse_tag("network:api.github.com[GET]")?;
    /// assert!(wide.covers(&narrow) && !narrow.covers(&wide));
    /// # Ok::<(), keyway_plugin_api::TagError>(())
    /// ```
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let (wide, narrow) = (self.canonical(), other.canonical());
        if narrow.allows_nothing() {
            return wide.family() == narrow.family();
        }
        wide.covers_canonical(&narrow)
    }

    /// Tells whether these capabilities together allow everything that this one allows.
    #[must_use]
    pub fn is_covered_by<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> bool {
        let others: Vec<Self> = others.into_iter().map(Self::canonical).collect();
        let mut parts = self.canonical().parts().into_iter();
        parts.all(|part| others.iter().any(|other| other.covers_canonical(&part)))
    }

    /// Returns what both allow, in canonical form; `None` when that is nothing.
    ///
    /// ```
    /// use keyway_plugin_api::Capability;
    /// let granted = Capability::parse_tag("filesystem:read:./repo")?;
    /// let wanted = Capability::parse_tag("filesystem:read:.")?;
    /// assert_eq!(wanted.intersect(&granted), Some(granted));
    /// # Ok::<(), keyway_plugin_api::TagError>(())
    /// ```
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let met = self.canonical().meet_canonical(&other.canonical())?;
        (!met.allows_nothing()).then_some(met)
    }

    /// Takes the capability apart into capabilities of one item each, sorted by tag.
    ///
    /// The methods of a network capability stay together with each host.
    #[must_use]
    pub fn atoms(&self) -> Vec<Self> {
        let one = |item: &String| BTreeSet::from([item.clone()]);
        let none = BTreeSet::new;
        match self.canonical() {
            canonical if canonical.allows_nothing() => Vec::new(),
            Self::Filesystem { read, write } => {
                let read = read.iter().map(|path| (one(path), none()));
                let write = write.iter().map(|path| (none(), one(path)));
                let both = read.chain(write);
                both.map(|(read, write)| Self::Filesystem { read, write })
                    .collect()
            }
            Self::Model { providers } => {
                let one_each = providers.iter().map(one);
                one_each
                    .map(|providers| Self::Model { providers })
                    .collect()
            }
            Self::Network { hosts, methods } => hosts
                .iter()
                .map(|host| Self::Network {
                    hosts: one(host),
                    methods: methods.clone(),
                })
                .collect(),
            Self::Process { programs } => {
                let one_each = programs.iter().map(one);
                one_each
                    .map(|programs| Self::Process { programs })
                    .collect()
            }
            Self::Secret { names } => {
                let one_each = names.iter().map(one);
                one_each.map(|names| Self::Secret { names }).collect()
            }
            state @ Self::State { .. } => vec![state],
            Self::Surface { surface, verbs } => verbs
                .into_iter()
                .map(|verb| Self::Surface {
                    surface: surface.clone(),
                    verbs: BTreeSet::from([verb]),
                })
                .collect(),
            Self::Tool { tools } => {
                let one_each = tools.iter().map(one);
                one_each.map(|tools| Self::Tool { tools }).collect()
            }
        }
    }

    /// Like [`Capability::atoms`], with one method each where methods are listed.
    fn parts(&self) -> Vec<Self> {
        let atoms = self.atoms().into_iter();
        atoms.flat_map(Self::split_methods).collect()
    }

    fn split_methods(self) -> Vec<Self> {
        match self {
            Self::Network {
                hosts,
                methods: Some(methods),
            } => methods
                .into_iter()
                .map(|method| Self::Network {
                    hosts: hosts.clone(),
                    methods: Some(BTreeSet::from([method])),
                })
                .collect(),
            other => vec![other],
        }
    }

    fn allows_nothing(&self) -> bool {
        match self {
            Self::Filesystem { read, write } => read.is_empty() && write.is_empty(),
            Self::Model { providers: items }
            | Self::Process { programs: items }
            | Self::Secret { names: items }
            | Self::Tool { tools: items } => items.is_empty(),
            Self::Network { hosts, methods } => {
                hosts.is_empty() || methods.as_ref().is_some_and(BTreeSet::is_empty)
            }
            Self::State { quota_bytes } => *quota_bytes == 0,
            Self::Surface { verbs, .. } => verbs.is_empty(),
        }
    }

    fn covers_canonical(&self, narrow: &Self) -> bool {
        use Capability as C;
        match (self, narrow) {
            (C::Filesystem { read, write }, C::Filesystem { read: r, write: w }) => {
                ItemKind::Path.set_covers(read, r) && ItemKind::Path.set_covers(write, w)
            }
            (C::Model { providers }, C::Model { providers: p }) => providers.is_superset(p),
            (
                C::Network { hosts, methods },
                C::Network {
                    hosts: h,
                    methods: m,
                },
            ) => ItemKind::Host.set_covers(hosts, h) && methods_cover(methods, m),
            (C::Process { programs }, C::Process { programs: p }) => programs.is_superset(p),
            (C::Secret { names }, C::Secret { names: n }) => names.is_superset(n),
            (C::State { quota_bytes }, C::State { quota_bytes: q }) => quota_bytes >= q,
            (
                C::Surface { surface, verbs },
                C::Surface {
                    surface: s,
                    verbs: v,
                },
            ) => surface == s && verbs.is_superset(v),
            (C::Tool { tools }, C::Tool { tools: t }) => ItemKind::Tool.set_covers(tools, t),
            _ => false,
        }
    }

    fn meet_canonical(&self, other: &Self) -> Option<Self> {
        use Capability as C;
        let both =
            |a: &BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).cloned().collect();
        Some(match (self, other) {
            (C::Filesystem { read, write }, C::Filesystem { read: r, write: w }) => C::Filesystem {
                read: ItemKind::Path.meet(read, r),
                write: ItemKind::Path.meet(write, w),
            },
            (C::Model { providers }, C::Model { providers: p }) => C::Model {
                providers: both(providers, p),
            },
            (
                C::Network { hosts, methods },
                C::Network {
                    hosts: h,
                    methods: m,
                },
            ) => C::Network {
                hosts: ItemKind::Host.meet(hosts, h),
                methods: methods_meet(methods.as_ref(), m.as_ref()),
            },
            (C::Process { programs }, C::Process { programs: p }) => C::Process {
                programs: both(programs, p),
            },
            (C::Secret { names }, C::Secret { names: n }) => C::Secret {
                names: both(names, n),
            },
            (C::State { quota_bytes }, C::State { quota_bytes: q }) => C::State {
                quota_bytes: *quota_bytes.min(q),
            },
            (
                C::Surface { surface, verbs },
                C::Surface {
                    surface: s,
                    verbs: v,
                },
            ) if surface == s => C::Surface {
                surface: surface.clone(),
                verbs: verbs.intersection(v).copied().collect(),
            },
            (C::Tool { tools }, C::Tool { tools: t }) => C::Tool {
                tools: ItemKind::Tool.meet(tools, t),
            },
            _ => return None,
        })
    }
}

type Methods = Option<BTreeSet<String>>;

fn methods_cover(wide: &Methods, narrow: &Methods) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => wide.is_superset(narrow),
    }
}

fn methods_meet(a: Option<&BTreeSet<String>>, b: Option<&BTreeSet<String>>) -> Methods {
    match (a, b) {
        (None, other) | (other, None) => other.cloned(),
        (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
    }
}
