//! A schema as a graph of subschemas: which apply to the same place, which to places below it.
//!
//! Built iteratively, so that no nesting of the input can exhaust the stack, and from a superset
//! of the keywords of all accepted dialects, so that no dialect hides an edge.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ptr;

use serde_json::{Map, Value};

use super::error::SchemaError;
use crate::limits::Limits;
use crate::text::excerpt;

/// Keywords whose value is one subschema that applies to the same place.
const HERE_ONE: [&str; 4] = ["not", "if", "then", "else"];
/// Keywords whose value is a list of subschemas that apply to the same place.
const HERE_LIST: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords whose value maps names to subschemas that apply to the same place.
const HERE_MAP: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Keywords whose value refers to a subschema that applies to the same place.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// Keywords whose value maps names to subschemas that apply nowhere by themselves.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Which places below the current one a subschema applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Below {
    AnyItem,
    /// Each member whose name matches a pattern.
    AnyMember,
    Item(usize),
    Member(Box<str>),
    Name,
    /// Each member that no other keyword of the subschema takes.
    OtherMember,
}

/// One subschema.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Subschemas that apply to the same place.
    pub(super) here: Vec<usize>,
    /// Subschemas that apply to places below.
    pub(super) below: Vec<(Below, usize)>,
    /// Whether it is just `true` or `false`.
    pub(super) trivial: bool,
    /// Steps the node takes by itself: its keywords and the entries of their lists.
    pub(super) weight: u64,
    /// How often the subschemas of the same place may run: once, and once more for each
    /// `unevaluated…` keyword that asks them what they saw.
    pub(super) rounds: u64,
}

/// A schema's subschemas; the first is the root.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

/// A pattern and the subschema it stands in.
pub(super) struct Pattern<'s> {
    pub(super) text: &'s str,
    pub(super) node: usize,
}

/// What one reading of a schema found.
pub(super) struct Reading<'s> {
    pub(super) graph: Graph,
    pub(super) patterns: Vec<Pattern<'s>>,
    origins: Vec<Origin<'s>>,
}

/// Where a node stands in its parent.
struct Origin<'s> {
    parent: usize,
    step: Cow<'s, str>,
    key: Option<Cow<'s, str>>,
}

impl Reading<'_> {
    /// Returns the JSON pointer of a node, cut to a readable length.
    pub(super) fn pointer(&self, node: usize) -> String {
        pointer(&self.origins, node)
    }
}

fn pointer(origins: &[Origin<'_>], mut node: usize) -> String {
    let mut steps = Vec::new();
    while let Some(origin) = origins.get(node).filter(|_| node != 0) {
        steps.extend(origin.key.as_deref());
        steps.push(origin.step.as_ref());
        node = origin.parent;
    }
    let path: String = steps.into_iter().rev().map(|s| format!("/{s}")).collect();
    format!("#{}", excerpt(&path))
}

/// Reads a schema whose size and nesting were measured before.
///
/// # Errors
/// Any [`SchemaError`] about its parts and references.
pub(super) fn read<'s>(root: &'s Value, limits: &Limits) -> Result<Reading<'s>, SchemaError> {
    let mut reader = Reader {
        root,
        limits,
        nodes: Vec::new(),
        origins: Vec::new(),
        seen: HashMap::new(),
        anchors: HashMap::new(),
        references: Vec::new(),
        patterns: Vec::new(),
        waiting: Vec::new(),
    };
    reader.node(root, 0, Cow::Borrowed(""), None)?;
    reader.read_waiting()?;
    reader.resolve()?;
    Ok(Reading {
        graph: Graph {
            nodes: reader.nodes,
        },
        patterns: reader.patterns,
        origins: reader.origins,
    })
}

struct Reader<'s, 'l> {
    root: &'s Value,
    limits: &'l Limits,
    nodes: Vec<Node>,
    origins: Vec<Origin<'s>>,
    seen: HashMap<*const Value, usize>,
    anchors: HashMap<&'s str, usize>,
    references: Vec<(usize, &'s str)>,
    patterns: Vec<Pattern<'s>>,
    waiting: Vec<(usize, &'s Map<String, Value>)>,
}

impl<'s> Reader<'s, '_> {
    /// Returns the node of a subschema, making it when it is new.
    fn node(
        &mut self,
        schema: &'s Value,
        parent: usize,
        step: Cow<'s, str>,
        key: Option<Cow<'s, str>>,
    ) -> Result<usize, SchemaError> {
        if let Some(known) = self.seen.get(&ptr::from_ref(schema)) {
            return Ok(*known);
        }
        let index = self.nodes.len();
        if index >= self.limits.subschemas {
            return Err(SchemaError::TooMany {
                what: "subschemas",
                limit: self.limits.subschemas,
            });
        }
        self.seen.insert(ptr::from_ref(schema), index);
        self.origins.push(Origin { parent, step, key });
        self.nodes.push(Node {
            trivial: schema.is_boolean(),
            weight: 1,
            rounds: 1,
            ..Node::default()
        });
        match schema {
            Value::Bool(_) => {}
            Value::Object(map) => self.waiting.push((index, map)),
            other => {
                return Err(
                    self.invalid(index, format!("expected a schema, found {}", kind(other)))
                );
            }
        }
        Ok(index)
    }

    fn read_waiting(&mut self) -> Result<(), SchemaError> {
        while let Some((index, map)) = self.waiting.pop() {
            for (keyword, value) in map {
                self.nodes[index].weight += 1 + entries(value);
                self.identity(index, keyword, value)?;
                self.here(index, keyword, value)?;
                self.below(index, keyword, value)?;
            }
        }
        Ok(())
    }

    /// Keywords that name, refer and define.
    fn identity(
        &mut self,
        at: usize,
        keyword: &'s str,
        value: &'s Value,
    ) -> Result<(), SchemaError> {
        match (keyword, value) {
            ("$id", _) if at != 0 => Err(SchemaError::EmbeddedId { at: self.at(at) }),
            ("$anchor" | "$dynamicAnchor", Value::String(name)) => {
                match self.anchors.insert(name, at) {
                    Some(other) if other != at => {
                        Err(self.invalid(at, "this anchor stands at another subschema too".into()))
                    }
                    _ => Ok(()),
                }
            }
            (_, Value::String(to)) if REFERENCES.contains(&keyword) => {
                self.references.push((at, to));
                Ok(())
            }
            (_, Value::Object(map)) if DEFINITIONS.contains(&keyword) => {
                self.map(at, keyword, map).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Keywords whose subschemas apply to the same place.
    fn here(&mut self, at: usize, keyword: &'s str, value: &'s Value) -> Result<(), SchemaError> {
        let children = match value {
            Value::Array(list) if HERE_LIST.contains(&keyword) => self.list(at, keyword, list)?,
            Value::Object(map) if HERE_MAP.contains(&keyword) => self.map(at, keyword, map)?,
            schema if HERE_ONE.contains(&keyword) => {
                vec![self.node(schema, at, Cow::Borrowed(keyword), None)?]
            }
            _ => return Ok(()),
        };
        self.nodes[at].here.extend(children);
        Ok(())
    }

    /// Keywords whose subschemas apply to places below, and patterns.
    fn below(&mut self, at: usize, keyword: &'s str, value: &'s Value) -> Result<(), SchemaError> {
        match (keyword, value) {
            ("pattern", Value::String(text)) => self.patterns.push(Pattern { text, node: at }),
            ("patternProperties", Value::Object(map)) => {
                let patterns = map.keys().map(|text| Pattern { text, node: at });
                self.patterns.extend(patterns);
                let nodes = self.map(at, keyword, map)?;
                self.descend(at, nodes.into_iter().map(|n| (Below::AnyMember, n)));
            }
            ("properties", Value::Object(map)) => {
                let nodes = self.map(at, keyword, map)?;
                let names = map.keys().map(|name| Below::Member(name.as_str().into()));
                self.descend(at, names.zip(nodes));
            }
            ("prefixItems" | "items", Value::Array(list)) => {
                let nodes = self.list(at, keyword, list)?;
                self.descend(
                    at,
                    nodes
                        .into_iter()
                        .enumerate()
                        .map(|(i, n)| (Below::Item(i), n)),
                );
            }
            _ => {
                let Some(below) = one_below(keyword) else {
                    return Ok(());
                };
                if keyword.starts_with("unevaluated") {
                    self.nodes[at].rounds += 1;
                }
                let node = self.node(value, at, Cow::Borrowed(keyword), None)?;
                self.descend(at, [(below, node)]);
            }
        }
        Ok(())
    }

    fn descend(&mut self, at: usize, edges: impl IntoIterator<Item = (Below, usize)>) {
        self.nodes[at].below.extend(edges);
    }

    fn list(
        &mut self,
        at: usize,
        keyword: &'s str,
        list: &'s [Value],
    ) -> Result<Vec<usize>, SchemaError> {
        list.iter()
            .enumerate()
            .map(|(i, schema)| {
                let key = Cow::Owned(i.to_string());
                self.node(schema, at, Cow::Borrowed(keyword), Some(key))
            })
            .collect()
    }

    /// The nodes of a map, in its order. A list of names in `dependencies` is no subschema.
    fn map(
        &mut self,
        at: usize,
        keyword: &'s str,
        map: &'s Map<String, Value>,
    ) -> Result<Vec<usize>, SchemaError> {
        map.iter()
            .filter(|(_, schema)| !(keyword == "dependencies" && schema.is_array()))
            .map(|(name, schema)| {
                let key = Cow::Borrowed(name.as_str());
                self.node(schema, at, Cow::Borrowed(keyword), Some(key))
            })
            .collect()
    }

    /// Follows every reference; targets that were no subschema yet are read as such.
    fn resolve(&mut self) -> Result<(), SchemaError> {
        while let Some((at, reference)) = self.references.pop() {
            let target = self.target(at, reference)?;
            self.nodes[at].here.push(target);
            self.read_waiting()?;
        }
        Ok(())
    }

    fn target(&mut self, at: usize, reference: &'s str) -> Result<usize, SchemaError> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(SchemaError::RemoteReference {
                at: self.at(at),
                reference: excerpt(reference).into_owned(),
            });
        };
        let decoded = percent_decoded(fragment);
        let found = match decoded.as_deref() {
            Some("") => Some(0),
            Some(path) if path.starts_with('/') => match self.root.pointer(path) {
                Some(schema) => {
                    Some(self.node(schema, 0, Cow::Owned(reference.to_owned()), None)?)
                }
                None => None,
            },
            Some(anchor) => self.anchors.get(anchor).copied(),
            None => None,
        };
        found.ok_or_else(|| SchemaError::UnresolvedReference {
            at: self.at(at),
            reference: excerpt(reference).into_owned(),
        })
    }

    fn at(&self, node: usize) -> String {
        pointer(&self.origins, node)
    }

    fn invalid(&self, node: usize, problem: String) -> SchemaError {
        SchemaError::Invalid {
            at: self.at(node),
            problem,
        }
    }
}

/// Keywords whose value is one subschema that applies to places below.
fn one_below(keyword: &str) -> Option<Below> {
    match keyword {
        "additionalItems" | "contains" | "items" | "unevaluatedItems" => Some(Below::AnyItem),
        "additionalProperties" | "unevaluatedProperties" => Some(Below::OtherMember),
        "propertyNames" => Some(Below::Name),
        _ => None,
    }
}

fn entries(value: &Value) -> u64 {
    let len = match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    len as u64
}

/// Names the JSON type of a value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "an array",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::Object(_) => "an object",
        Value::String(_) => "a string",
    }
}

fn percent_decoded(fragment: &str) -> Option<Cow<'_, str>> {
    if !fragment.contains('%') {
        return Some(Cow::Borrowed(fragment));
    }
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => 16 * hex(rest.next()?)? + hex(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
