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
        Value::Array(list) => members(list.iter(), depth),
        Value::Object(map) => members(map.values(), depth),
        _ => Some(1),
    }
}

fn members<'v>(values_below: impl Iterator<Item = &'v Value>, depth: usize) -> Option<u64> {
    let depth = depth.checked_sub(1)?;
    let mut count = 1;
    for value in values_below {
        // Most values are leaves; only the others cost a call.
        count += match value {
            Value::Array(_) | Value::Object(_) => values(value, depth)?,
            _ => 1,
        };
    }
    Some(count)
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
            (Below::AnyMember | Below::OtherMember, Value::Object(map)) => {
                self.each(child, map.values())
            }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::limits::Limits;
    use crate::schema::guard::checked;

    fn schema() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(true)),
            Just(json!(false)),
            Just(json!({"type": "string"})),
            Just(json!({"$ref": "#/$defs/a"})),
            Just(json!({"$ref": "#/$defs/b"})),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = prop_oneof![Just("x"), Just("y")];
            let members = prop::collection::btree_map(name, inner.clone(), 0..3);
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|v| json!({"anyOf": v})),
                members.clone().prop_map(|m| json!({"properties": m})),
                (members, inner.clone())
                    .prop_map(|(m, a)| json!({"properties": m, "additionalProperties": a})),
                inner
                    .clone()
                    .prop_map(|s| json!({"patternProperties": {"x": s}})),
                inner.clone().prop_map(|s| json!({"propertyNames": s})),
                inner.clone().prop_map(|s| json!({"items": s})),
                (inner.clone(), inner.clone())
                    .prop_map(|(p, c)| json!({"prefixItems": [p], "contains": c})),
                inner.prop_map(|s| json!({"allOf": [s], "unevaluatedProperties": s})),
            ]
        })
    }

    fn arguments() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!("s")), Just(json!(1))];
        leaf.prop_recursive(5, 64, 4, |inner| {
            let name = prop_oneof![Just("x"), Just("y"), Just("z")];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|v| json!(v)),
                prop::collection::btree_map(name, inner, 0..4).prop_map(|m| json!(m)),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn the_cost_per_value_bounds_the_walk(
            root in schema(), a in schema(), b in schema(), value in arguments(),
        ) {
            let whole = json!({"allOf": [root], "$defs": {"a": a, "b": b}});
            let Ok(facts) = checked(&whole, &Limits::default(), &mut 0) else {
                return Ok(());
            };
            let bound = values(&value, 64).unwrap().saturating_mul(facts.cost);
            prop_assert!(fits(&facts.graph, &value, bound), "{whole} on {value}");
        }
    }
}
