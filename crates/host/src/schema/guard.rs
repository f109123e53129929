//! The static check of a schema, in time proportional to its size.

use std::borrow::Cow;

use serde_json::Value;

use super::error::SchemaError;
use super::graph::{self, Graph, Node, Reading};
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
    /// Steps for one value of each kind at each place, saturating.
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
    let cost = in_place_cost(&reading, steps)?;
    if cost > limits.schema_cost {
        return Err(SchemaError::TooCostly {
            cost,
            limit: limits.schema_cost,
        });
    }
    patterns(&reading, limits, steps)?;
    let graph = reading.graph;
    let cost = full_cost(&graph, steps);
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

/// Returns the highest `1 + Σ cost(in-place applicators)` of any subschema, saturating.
fn in_place_cost(reading: &Reading<'_>, steps: &mut u64) -> Result<u64, SchemaError> {
    let nodes = &reading.graph.nodes;
    let order = bottom_up(nodes, steps, |node, n| node.here.get(n).copied());
    let order = order.map_err(|child| SchemaError::Cycle {
        at: reading.pointer(child),
    })?;
    let mut costs = vec![1_u64; nodes.len()];
    let mut chains = vec![1_usize; nodes.len()];
    for at in order {
        for &child in &nodes[at].here {
            let cost = costs[child].saturating_mul(nodes[at].rounds);
            costs[at] = costs[at].saturating_add(cost);
            chains[at] = chains[at].max(chains[child] + 1);
        }
        if chains[at] > CHAIN_MAX {
            return Err(SchemaError::TooDeep {
                what: "subschemas of one place",
                limit: CHAIN_MAX,
            });
        }
    }
    Ok(costs.into_iter().max().unwrap_or(1))
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
