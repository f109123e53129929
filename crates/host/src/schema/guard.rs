//! The static check of a schema, in time proportional to its size.

use std::borrow::Cow;

use serde_json::Value;

use super::error::SchemaError;
use super::graph::{self, Below, Graph, Node, Reading};
use super::validator::{compiles, dialect};
use crate::limits::Limits;
use crate::text::excerpt;

/// Most patterns in one schema; each is a compiled automaton of up to 128 KiB.
pub const PATTERNS_MAX: usize = 100;
/// Most subschemas applied to one place of the arguments, one inside the other.
///
/// Times the depth of the arguments it bounds the stack a validator uses.
pub const CHAIN_MAX: usize = 16;

/// Checks that a schema can be compiled and used safely.
///
/// ```
/// use keyway_host::limits::Limits;
/// use keyway_host::schema::guard;
/// use serde_json::json;
///
/// let good = json!({"type": "object", "properties": {"city": {"type": "string"}}});
/// assert!(guard(&good, &Limits::default()).is_ok());
/// let curious = json!({"$ref": "file:///etc/passwd"});
/// let refused = guard(&curious, &Limits::default()).unwrap_err();
/// assert_eq!(refused.code(), "SCHEMA_REMOTE_REFERENCE");
/// ```
///
/// # Errors
/// The first [`SchemaError`] found.
pub fn guard(schema: &Value, limits: &Limits) -> Result<(), SchemaError> {
    inspect(schema, limits).verdict
}

/// Checks a tool's input schema: [`guard`], and the root is a plain object.
///
/// Model APIs refuse a root that is anything else, and then the whole tool is lost.
///
/// # Errors
/// [`SchemaError::Root`], or what [`guard`] found.
pub fn guard_input(schema: &Value, limits: &Limits) -> Result<(), SchemaError> {
    guard(schema, limits)?;
    let problem = match schema.as_object() {
        None => "expected an object with `\"type\": \"object\"`",
        Some(root) if root.get("type").and_then(Value::as_str) != Some("object") => {
            "expected `\"type\": \"object\"`"
        }
        Some(root) if ROOT_REFUSED.iter().any(|k| root.contains_key(*k)) => {
            "`oneOf`, `anyOf`, `allOf`, `not`, `if`, `enum`, `const` and `$ref` may not stand here"
        }
        Some(_) => return Ok(()),
    };
    Err(SchemaError::Root { problem })
}

const ROOT_REFUSED: [&str; 8] = [
    "oneOf", "anyOf", "allOf", "not", "if", "enum", "const", "$ref",
];

/// What the guard saw and how much it had to look at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// Whether the schema may be used.
    pub verdict: Result<(), SchemaError>,
    /// JSON values and subschemas looked at, a measure of the guard's own work.
    pub steps: u64,
}

/// Checks a schema like [`guard`] and counts the steps that took.
#[must_use]
pub fn inspect(schema: &Value, limits: &Limits) -> Inspection {
    let mut steps = 0;
    let verdict = checked(schema, limits, &mut steps).map(drop);
    Inspection { verdict, steps }
}

/// What the guard learned about a schema that it let pass.
pub(super) struct Facts {
    pub(super) graph: Graph,
    /// Steps for each value of the arguments; the highest number when the schema does not tell.
    pub(super) cost: u64,
}

pub(super) fn checked(
    schema: &Value,
    limits: &Limits,
    steps: &mut u64,
) -> Result<Facts, SchemaError> {
    measure(schema, limits, steps)?;
    dialect(schema)?;
    let reading = graph::read(schema, limits)?;
    *steps += reading.graph.nodes.len() as u64;
    let places = places(&reading, limits, steps)?;
    patterns(&reading, limits, steps)?;
    let graph = reading.graph;
    let cost = cost_per_value(&graph, &places, steps);
    Ok(Facts { graph, cost })
}

/// Bytes and nesting, counted on an explicit stack: a value built in memory may be nested deeper
/// than any recursion survives.
fn measure(schema: &Value, limits: &Limits, steps: &mut u64) -> Result<(), SchemaError> {
    let limit = limits.schema_bytes;
    let mut bytes = 0;
    let mut waiting = vec![(schema, 1)];
    while let Some((value, depth)) = waiting.pop() {
        *steps += 1;
        if depth > limits.json_depth {
            return Err(SchemaError::TooDeep {
                what: "levels",
                limit: limits.json_depth,
            });
        }
        bytes += match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 4,
            Value::String(text) => text.len() + 2,
            Value::Array(list) => 2 + list.len(),
            Value::Object(map) => 2 + map.keys().map(|k| k.len() + 4).sum::<usize>(),
        };
        // Before the children are queued: a list of a million entries stops here.
        if bytes > limit {
            return Err(SchemaError::TooLarge { limit });
        }
        match value {
            Value::Array(list) => waiting.extend(list.iter().map(|v| (v, depth + 1))),
            Value::Object(map) => waiting.extend(map.values().map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// What applies at one place: a subschema and everything that applies to the same place with it.
#[derive(Clone, Copy)]
struct Place {
    /// `1 + Σ cost(in-place applicators)`, saturating.
    cost: u64,
    /// Subschemas inside one another.
    chain: usize,
    /// Steps, saturating.
    weight: u64,
    /// How many subschemas the same member, and the same item, may be handed to.
    members: u64,
    items: u64,
}

impl Place {
    fn of(node: &Node, nodes: &[Node]) -> Self {
        let (mut named, mut other, mut matched, mut at, mut items) = (0, 0, 0, 0, 0);
        // `true` and `false` hand nothing on; their own step is in the weight.
        for (below, _) in node.below.iter().filter(|(_, c)| !nodes[*c].trivial) {
            match below {
                Below::Member(_) => named = 1,
                Below::OtherMember => other += 1,
                Below::AnyMember | Below::Name => matched += 1,
                Below::Item(_) => at = 1,
                Below::AnyItem => items += 1,
            }
        }
        Self {
            cost: 1,
            chain: 1,
            weight: node.weight,
            members: matched + named.max(other),
            items: at + items,
        }
    }

    fn add(&mut self, inner: &Self, rounds: u64) {
        let sum = |a: u64, b: u64| a.saturating_add(b.saturating_mul(rounds));
        self.cost = sum(self.cost, inner.cost);
        self.weight = sum(self.weight, inner.weight);
        self.members = sum(self.members, inner.members);
        self.items = sum(self.items, inner.items);
        self.chain = self.chain.max(inner.chain + 1);
    }
}

/// Works out every [`Place`] and refuses those that are too deep or too costly.
fn places(
    reading: &Reading<'_>,
    limits: &Limits,
    steps: &mut u64,
) -> Result<Vec<Place>, SchemaError> {
    let nodes = &reading.graph.nodes;
    let order = bottom_up(nodes, steps, |node, n| node.here.get(n).copied());
    let order = order.map_err(|child| SchemaError::Cycle {
        at: reading.pointer(child),
    })?;
    let mut places: Vec<_> = nodes.iter().map(|node| Place::of(node, nodes)).collect();
    for at in order {
        let mut place = places[at];
        for child in &nodes[at].here {
            place.add(&places[*child], nodes[at].rounds);
        }
        if place.chain > CHAIN_MAX {
            return Err(SchemaError::TooDeep {
                what: "subschemas of one place",
                limit: CHAIN_MAX,
            });
        }
        places[at] = place;
    }
    let cost = places.iter().map(|place| place.cost).max().unwrap_or(1);
    if cost > limits.schema_cost {
        return Err(SchemaError::TooCostly {
            cost,
            limit: limits.schema_cost,
        });
    }
    Ok(places)
}

/// Bounds the steps for each value of the arguments, where the schema alone tells.
fn cost_per_value(graph: &Graph, places: &[Place], steps: &mut u64) -> u64 {
    let spread = places.iter().map(|p| p.members.max(p.items)).max();
    if spread.is_none_or(|spread| spread <= 1) {
        // Each value meets one place, and `true` or `false` once more for each keyword there.
        let weight = places.iter().map(|place| place.weight).max();
        return weight.unwrap_or(1).saturating_mul(2);
    }
    full_cost(graph, steps)
}

/// Returns the steps for one value of each kind at each place; the highest number when the schema
/// recurses, since then there is no such bound.
fn full_cost(graph: &Graph, steps: &mut u64) -> u64 {
    let nodes = &graph.nodes;
    let child = |node: &Node, n: usize| match n.checked_sub(node.here.len()) {
        None => node.here.get(n).copied(),
        Some(below) => node.below.get(below).map(|(_, child)| *child),
    };
    let Ok(order) = bottom_up(nodes, steps, child) else {
        return u64::MAX;
    };
    let mut costs: Vec<u64> = nodes.iter().map(|node| node.weight).collect();
    for at in order {
        let node = &nodes[at];
        let here = node
            .here
            .iter()
            .map(|c| costs[*c].saturating_mul(node.rounds));
        let below = node.below.iter().map(|(_, c)| costs[*c]);
        costs[at] = here.chain(below).fold(costs[at], u64::saturating_add);
    }
    costs.first().copied().unwrap_or(1)
}

/// Orders nodes so that each comes after its children.
///
/// # Errors
/// A node on a cycle.
fn bottom_up(
    nodes: &[Node],
    steps: &mut u64,
    child: impl Fn(&Node, usize) -> Option<usize>,
) -> Result<Vec<usize>, usize> {
    let mut order = Vec::with_capacity(nodes.len());
    let mut state = vec![State::New; nodes.len()];
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in 0..nodes.len() {
        if state[start] == State::New {
            state[start] = State::Open;
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            *steps += 1;
            let (node, found) = (*at, child(&nodes[*at], *next));
            *next += 1;
            match found.map(|child| (child, state[child])) {
                Some((child, State::New)) => {
                    state[child] = State::Open;
                    path.push((child, 0));
                }
                Some((child, State::Open)) => return Err(child),
                Some((_, State::Done)) => {}
                None => {
                    state[node] = State::Done;
                    order.push(node);
                    path.pop();
                }
            }
        }
    }
    Ok(order)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

fn patterns(reading: &Reading<'_>, limits: &Limits, steps: &mut u64) -> Result<(), SchemaError> {
    if reading.patterns.len() > PATTERNS_MAX {
        return Err(SchemaError::TooMany {
            what: "patterns",
            limit: PATTERNS_MAX,
        });
    }
    for pattern in &reading.patterns {
        *steps += 1;
        let problem = match pattern.text.len() {
            len if len > limits.pattern_bytes => {
                format!("longer than {} bytes", limits.pattern_bytes)
            }
            _ if !compiles(pattern.text) => {
                let shown: Cow<'_, str> = excerpt(pattern.text);
                format!("`{shown}` is too large or needs look-around or back-references")
            }
            _ => continue,
        };
        let at = reading.pointer(pattern.node);
        return Err(SchemaError::Pattern { at, problem });
    }
    Ok(())
}
