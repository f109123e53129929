//! How much work a schema and arguments are together, before a validator does it.
//!
//! The guard bounds the work at one place of the arguments. What is left is their product: a long
//! list under a costly schema, and alternatives that recurse, whose number multiplies with each
//! level of the arguments. So the steps are counted first, by walking the same paths a validator
//! walks at most, up to a budget.

use serde_json::Value;

use super::graph::{Below, Graph};

/// Steps that a judgement may take: some 100 ms.
pub(super) const JUDGE_BUDGET: u64 = 4_000_000;
/// Steps that an explanation may take; each can leave an error behind.
pub(super) const EXPLAIN_BUDGET: u64 = 200_000;

/// Counts the values in `value`; `None` when it is nested deeper than `depth`.
pub(super) fn values(value: &Value, depth: usize) -> Option<u64> {
    match value {
        Value::Array(list) => {
            let below = depth.checked_sub(1)?;
            list.iter().try_fold(1, |n, v| Some(n + values(v, below)?))
        }
        Value::Object(map) => {
            let below = depth.checked_sub(1)?;
            map.values().try_fold(1, |n, v| Some(n + values(v, below)?))
        }
        _ => Some(1),
    }
}

/// Tells whether a validator without any shortcut takes at most `budget` steps on `value`.
pub(super) fn fits(graph: &Graph, value: &Value, budget: u64) -> bool {
    let mut walk = Walk {
        graph,
        left: budget,
    };
    walk.step(0, value).is_some()
}

struct Walk<'g> {
    graph: &'g Graph,
    left: u64,
}

impl Walk<'_> {
    fn step(&mut self, at: usize, value: &Value) -> Option<()> {
        let node = &self.graph.nodes[at];
        self.left = self.left.checked_sub(node.weight)?;
        for _ in 0..node.rounds {
            for child in &node.here {
                self.step(*child, value)?;
            }
        }
        node.below
            .iter()
            .try_for_each(|(below, child)| self.below(below, *child, value))
    }

    fn below(&mut self, below: &Below, child: usize, value: &Value) -> Option<()> {
        match (below, value) {
            (Below::AnyItem, Value::Array(list)) => self.each(child, list),
            (Below::Item(i), Value::Array(list)) => self.each(child, list.get(*i)),
            (Below::AnyMember, Value::Object(map)) => self.each(child, map.values()),
            (Below::Member(name), Value::Object(map)) => self.each(child, map.get(name.as_ref())),
            // A name is a string: nothing is below it, so any leaf stands for it.
            (Below::Name, Value::Object(map)) => self.each(child, map.iter().map(|_| &Value::Null)),
            _ => Some(()),
        }
    }

    fn each<'v>(
        &mut self,
        child: usize,
        values: impl IntoIterator<Item = &'v Value>,
    ) -> Option<()> {
        values.into_iter().try_for_each(|v| self.step(child, v))
    }
}
