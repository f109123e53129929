//! Scenario L11: every single field of a signed line, nested ones included, altered in transit.

use serde_json::Value;

use super::support::{honest, through};

/// Every path to a leaf.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| leaves(value, &format!("{at}/{key}"), found)),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .for_each(|(i, value)| leaves(value, &format!("{at}/{i}"), found)),
        _ => found.push(at.to_owned()),
    }
}

/// Another value of the same kind.
fn other(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => {
            let mut changed = text.clone();
            let last = changed.pop();
            changed.push(if last == Some('1') { '2' } else { '1' });
            vec![changed.into(), format!("{text}0").into()]
        }
        Value::Number(n) => vec![(n.as_u64().unwrap() + 1).into(), 0.into()],
        Value::Array(_) => vec![serde_json::json!(["blob"])],
        other => panic!("no field of a handshake is {other}"),
    }
}

fn altered(line: &str) -> Vec<(String, String)> {
    let whole: Value = serde_json::from_str(line).unwrap();
    let mut paths = Vec::new();
    leaves(&whole, "", &mut paths);
    let mut all = Vec::new();
    for path in paths {
        for value in other(whole.pointer(&path).unwrap()) {
            let mut changed = whole.clone();
            *changed.pointer_mut(&path).unwrap() = value;
            all.push((path.clone(), changed.to_string()));
        }
    }
    all
}

#[test]
fn l11_any_field_of_a_signed_line_altered_in_transit_is_refused() {
    let seen = honest();
    let mut tried = 0;
    for (step, line) in [(0, &seen.hello), (1, &seen.answer)] {
        for (path, changed) in altered(line) {
            let (_, ends) = through(|at, line| {
                if at == step {
                    line.clone_from(&changed);
                }
            });
            assert!(ends.host.is_err(), "line {step}, {path}: {changed}");
            assert!(ends.plugin.is_err(), "line {step}, {path}: {changed}");
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} alterations");
    // Control: the lines as they were, through the same wire, are accepted.
    let (_, ends) = through(|at, line| match at {
        0 => line.clone_from(&seen.hello),
        1 => line.clone_from(&seen.answer),
        _ => {}
    });
    assert!(ends.host.is_ok() && ends.plugin.is_ok());
}

#[test]
fn l11_the_same_fields_in_other_bytes_are_refused() {
    // The codes are over bytes: not even a space or another order goes through.
    let seen = honest();
    let spaced = |line: &str| line.replace("\":", "\": ");
    let reordered = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        value.to_string()
    };
    for (step, line) in [(0, &seen.hello), (1, &seen.answer)] {
        for changed in [
            spaced(line),
            reordered(line),
            format!("{line} "),
            format!("{line}\r"),
        ] {
            if changed == *line {
                continue;
            }
            let (_, ends) = through(|at, line| {
                if at == step {
                    line.clone_from(&changed);
                }
            });
            assert!(ends.host.is_err() && ends.plugin.is_err(), "{changed}");
        }
    }
}
