//! Arbitrary JSON, and arbitrary changes to JSON.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::{Map, Number, Value};

/// Names that some type under test knows, and one that none does.
const NAMES: [&str; 32] = [
    "any",
    "boxed",
    "by",
    "by_name",
    "children",
    "Circle",
    "closed",
    "color",
    "colors",
    "deep-blue",
    "documented",
    "empty",
    "event",
    "first_one",
    "flag",
    "Green",
    "id",
    "kind",
    "left",
    "moved",
    "node",
    "nodes",
    "opened",
    "pair",
    "Point",
    "Red",
    "right",
    "shape",
    "side",
    "Square",
    "to",
    "unknown",
];

fn any_number() -> impl Strategy<Value = Number> {
    let edges = [
        "-129",
        "-128",
        "-1",
        "-0",
        "-0.0",
        "0",
        "1",
        "1.0",
        "1.5",
        "127",
        "128",
        "255",
        "256.0",
        "32767",
        "32768",
        "-32769",
        "65535",
        "65536",
        "2147483648",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "1e3",
        "1e19",
        "1e20",
        "-1e19",
        "1e300",
        "123456789012345678901234567890",
        "5e-324",
        "2.5e1",
    ];
    prop_oneof![
        select(edges.to_vec()).prop_map(|text| text.parse().unwrap()),
        any::<i64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
    ]
}

pub(super) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any_number().prop_map(Value::Number),
        select(NAMES.to_vec()).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let members = proptest::collection::vec((select(NAMES.to_vec()), inner.clone()), 0..5);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|members| {
                let named = members.into_iter().map(|(k, v)| (k.to_owned(), v));
                Value::Object(named.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// One change to some place of a value.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Add(&'static str, Value),
    Drop(Index),
    IntoArray,
    Replace(Value),
}

pub(super) fn any_change() -> impl Strategy<Value = (Index, Change)> {
    let change = prop_oneof![
        (select(NAMES.to_vec()), any_json()).prop_map(|(name, v)| Change::Add(name, v)),
        any::<Index>().prop_map(Change::Drop),
        Just(Change::IntoArray),
        any_json().prop_map(Change::Replace),
    ];
    (any::<Index>(), change)
}

fn places(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Array(list) => {
            for (i, inner) in list.iter().enumerate() {
                places(inner, format!("{at}/{i}"), out);
            }
        }
        Value::Object(members) => {
            for (name, inner) in members {
                places(inner, format!("{at}/{name}"), out);
            }
        }
        _ => {}
    }
    out.push(at);
}

pub(super) fn apply(value: &mut Value, (place, change): &(Index, Change)) {
    let mut all = Vec::new();
    places(value, String::new(), &mut all);
    let target = value.pointer_mut(place.get::<String>(&all)).unwrap();
    match (change, target) {
        (Change::Replace(new), target) => *target = new.clone(),
        (Change::Add(name, new), Value::Object(members)) => {
            members.insert((*name).to_owned(), new.clone());
        }
        (Change::Drop(which), Value::Object(members)) if !members.is_empty() => {
            let name = which
                .get(&members.keys().cloned().collect::<Vec<_>>())
                .clone();
            members.remove(&name);
        }
        // What serde's own derives take for a struct.
        (Change::IntoArray, target @ Value::Object(_)) => {
            *target = target.as_object().unwrap().values().cloned().collect();
        }
        _ => {}
    }
}
