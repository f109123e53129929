//! Tags: capabilities as people read and type them, `family:part`.
//!
//! | tag | means |
//! |---|---|
//! | `filesystem:read:./repo`, `filesystem:write:./notes` | one path |
//! | `model:anthropic` | one provider |
//! | `network:api.github.com`, `network:*.example.com[GET,HEAD]` | one host, any or these methods |
//! | `process:git` | one program |
//! | `secret:GITHUB_TOKEN` | one secret |
//! | `state:1048576` | state up to so many bytes |
//! | `surface:inbox:read` | one verb on one surface |
//! | `tool:notes/search`, `tool:notes/*` | one tool, all of one plugin |

use std::collections::BTreeSet;

use super::{Capability, ItemKind, SurfaceVerb};

/// Says why a text is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tag `{shown}` is refused: {rule}")]
#[non_exhaustive]
pub struct TagError {
    /// The input, escaped and cut so that it is safe to print.
    pub shown: String,
    /// The rule the input broke.
    pub rule: String,
}

impl TagError {
    fn new(tag: &str, rule: impl Into<String>) -> Self {
        let shown = tag
            .chars()
            .take(128)
            .flat_map(char::escape_default)
            .collect();
        let rule = rule.into();
        Self { shown, rule }
    }

    /// Returns the stable code of this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "TAG_INVALID"
    }
}

impl Capability {
    /// Returns the sorted tags, one for each item; none when the capability allows nothing.
    ///
    /// The tags say everything: two capabilities with the same tags allow the same.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = self.atoms().iter().filter_map(atom_tag).collect();
        tags.sort();
        tags
    }

    /// Parses one tag into the canonical capability that allows exactly that.
    ///
    /// ```
    /// use keyway_plugin_api::Capability;
    /// let capability = Capability::parse_tag("surface:inbox:read")?;
    /// assert_eq!(capability.tags(), ["surface:inbox:read"]);
    /// # Ok::<(), keyway_plugin_api::TagError>(())
    /// ```
    ///
    /// # Errors
    /// [`TagError`] when the family is unknown or the part is malformed or missing.
    pub fn parse_tag(tag: &str) -> Result<Self, TagError> {
        parse(tag).map_err(|rule| TagError::new(tag, rule))
    }
}

/// A selector picks the part of a request that an operator means: a whole family
/// (`filesystem`), one side or surface (`filesystem:write`, `surface:inbox`), or one tag.
///
/// ```
/// use keyway_plugin_api::{Capability, Selector};
/// let asked: Capability = serde_json::from_str(
///     r#"{ "kind": "filesystem", "read": ["./repo"], "write": ["./notes"] }"#,
/// )?;
/// let write = Selector::parse("filesystem:write")?;
/// let picked = write.select(&asked).map(|part| part.tags());
/// assert_eq!(picked, Some(vec!["filesystem:write:./notes".to_owned()]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Pick);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pick {
    Family(&'static str),
    Files { write: bool },
    Surface(String),
    Exactly(Capability),
}

impl Selector {
    /// Parses a selector.
    ///
    /// # Errors
    /// [`TagError`] when it is neither a family, nor `filesystem:read`, `filesystem:write` or
    /// `surface:NAME`, nor a tag.
    pub fn parse(selector: &str) -> Result<Self, TagError> {
        let mut families = Capability::FAMILIES.into_iter();
        if let Some(family) = families.find(|family| *family == selector) {
            return Ok(Self(Pick::Family(family)));
        }
        match selector.split_once(':') {
            Some(("filesystem", "read")) => Ok(Self(Pick::Files { write: false })),
            Some(("filesystem", "write")) => Ok(Self(Pick::Files { write: true })),
            Some(("surface", name)) if ItemKind::Surface.canonical(name).is_ok() => {
                Ok(Self(Pick::Surface(name.to_owned())))
            }
            _ => Capability::parse_tag(selector).map(|tag| Self(Pick::Exactly(tag))),
        }
    }

    /// Returns the part of a capability that the selector means, in canonical form; `None` when
    /// it means nothing of it. The part never allows more than the capability.
    #[must_use]
    pub fn select(&self, capability: &Capability) -> Option<Capability> {
        let picked = match (&self.0, capability.canonical()) {
            (Pick::Family(family), whole) if whole.family() == *family => whole,
            (Pick::Files { write: false }, Capability::Filesystem { read, .. }) => {
                let write = BTreeSet::new();
                Capability::Filesystem { read, write }
            }
            (Pick::Files { write: true }, Capability::Filesystem { write, .. }) => {
                let read = BTreeSet::new();
                Capability::Filesystem { read, write }
            }
            (Pick::Surface(name), Capability::Surface { surface, verbs }) if *name == surface => {
                Capability::Surface { surface, verbs }
            }
            (Pick::Exactly(tag), whole) => return tag.intersect(&whole),
            _ => return None,
        };
        (!picked.is_empty()).then_some(picked)
    }
}

fn atom_tag(atom: &Capability) -> Option<String> {
    let family = atom.family();
    Some(match atom {
        Capability::Filesystem { read, write } => match (read.first(), write.first()) {
            (Some(path), _) => format!("{family}:read:{path}"),
            (None, path) => format!("{family}:write:{}", path?),
        },
        Capability::Model { providers: items }
        | Capability::Process { programs: items }
        | Capability::Secret { names: items }
        | Capability::Tool { tools: items } => format!("{family}:{}", items.first()?),
        Capability::Network { hosts, methods } => {
            let methods = methods.as_ref().map(|methods| {
                let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
                format!("[{}]", methods.join(","))
            });
            format!("{family}:{}{}", hosts.first()?, methods.unwrap_or_default())
        }
        Capability::State { quota_bytes } => format!("{family}:{quota_bytes}"),
        Capability::Surface { surface, verbs } => {
            format!("{family}:{surface}:{}", verbs.first()?)
        }
    })
}

fn parse(tag: &str) -> Result<Capability, String> {
    let (family, rest) = tag.split_once(':').unwrap_or((tag, ""));
    let item = |kind: ItemKind, text: &str| match kind.canonical(text) {
        Ok(item) => Ok(BTreeSet::from([item])),
        Err(error) => Err(error.rule.to_owned()),
    };
    match family {
        "filesystem" => parse_filesystem(rest),
        "model" => Ok(Capability::Model {
            providers: item(ItemKind::Provider, rest)?,
        }),
        "network" => parse_network(rest),
        "process" => Ok(Capability::Process {
            programs: item(ItemKind::Program, rest)?,
        }),
        "secret" => Ok(Capability::Secret {
            names: item(ItemKind::Secret, rest)?,
        }),
        "state" => match rest.parse() {
            Ok(quota_bytes) if quota_bytes > 0 && !rest.starts_with('+') => {
                Ok(Capability::State { quota_bytes })
            }
            _ => Err("write state:BYTES with a positive number".to_owned()),
        },
        "surface" => parse_surface(rest),
        "tool" => Ok(Capability::Tool {
            tools: item(ItemKind::Tool, rest)?,
        }),
        _ => Err(format!(
            "the families are {}",
            Capability::FAMILIES.join(", ")
        )),
    }
}

fn parse_filesystem(rest: &str) -> Result<Capability, String> {
    let (side, path) = rest.split_once(':').unwrap_or((rest, ""));
    if !matches!(side, "read" | "write") {
        return Err("write filesystem:read:PATH or filesystem:write:PATH".to_owned());
    }
    let path = ItemKind::Path.canonical(path);
    let path = BTreeSet::from([path.map_err(|error| error.rule.to_owned())?]);
    let (read, write) = match side {
        "read" => (path, BTreeSet::new()),
        _ => (BTreeSet::new(), path),
    };
    Ok(Capability::Filesystem { read, write })
}

fn parse_network(rest: &str) -> Result<Capability, String> {
    let (host, methods) = match rest.split_once('[') {
        None => (rest, None),
        Some((host, methods)) => {
            let inner = methods.strip_suffix(']');
            (
                host,
                Some(inner.ok_or("close the list of methods with `]`")?),
            )
        }
    };
    let host = ItemKind::Host.canonical(host);
    let host = host.map_err(|error| error.rule.to_owned())?;
    let method = |text: &str| match ItemKind::Method.canonical(text) {
        Ok(method) => Ok(method),
        Err(error) => Err(error.rule.to_owned()),
    };
    let methods = methods.map(|list| list.split(',').map(method).collect());
    Ok(Capability::Network {
        hosts: BTreeSet::from([host]),
        methods: methods.transpose()?,
    })
}

fn parse_surface(rest: &str) -> Result<Capability, String> {
    let (surface, verb) = rest.split_once(':').unwrap_or((rest, ""));
    let surface = ItemKind::Surface.canonical(surface);
    let surface = surface.map_err(|error| error.rule.to_owned())?;
    let mut verbs = SurfaceVerb::ALL.into_iter();
    let Some(verb) = verbs.find(|v| v.as_str() == verb) else {
        let verbs = SurfaceVerb::ALL.map(SurfaceVerb::as_str).join(", ");
        return Err(format!("write surface:NAME:VERB; the verbs are {verbs}"));
    };
    Ok(Capability::Surface {
        surface,
        verbs: BTreeSet::from([verb]),
    })
}
