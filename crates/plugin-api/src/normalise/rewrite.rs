//! Rewrites a schema into canonical form, references replaced by what they refer to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::keywords::{Holds, holds};
use super::references::{check_depth, join, reference, resolve};
use super::{MAX_NODES, SchemaProblem};

/// Keywords that say nothing once references are resolved.
const DROPPED: [&str; 9] = [
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$id",
    "$ref",
    "$schema",
    "$vocabulary",
    "definitions",
];

/// Keywords that describe and do not constrain.
const ANNOTATIONS: [&str; 7] = [
    "default",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

pub(super) struct Rewriter<'a> {
    root: &'a Value,
    /// Recursive places and their names under `$defs`; the root has none.
    names: BTreeMap<String, String>,
    nodes: usize,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(root: &'a Value, heads: BTreeSet<String>) -> Self {
        Self {
            root,
            names: name_all(heads),
            nodes: 0,
        }
    }

    pub(super) fn document(mut self) -> Result<Value, SchemaProblem> {
        let mut document = self.schema(self.root, "", 0)?;
        let mut definitions = BTreeMap::new();
        for (pointer, name) in self.names.clone() {
            if !pointer.is_empty() {
                let target = resolve(self.root, &pointer, "")?;
                definitions.insert(name, self.schema(target, &pointer, 1)?);
            }
        }
        if let (Value::Object(root), false) = (&mut document, definitions.is_empty()) {
            root.insert("$defs".to_owned(), object(definitions));
        }
        Ok(document)
    }

    fn schema(&mut self, schema: &Value, at: &str, depth: usize) -> Result<Value, SchemaProblem> {
        check_depth(depth, at)?;
        self.count()?;
        let members = match schema {
            Value::Bool(true) => return Ok(json!({})),
            Value::Bool(false) => return Ok(json!({"not": {}})),
            Value::Object(members) => members,
            _ => return Err(SchemaProblem::NotASchema { at: at.to_owned() }),
        };
        let Some(pointer) = reference(schema, at)? else {
            return Ok(object(self.members(members, at, depth)?));
        };
        let mut siblings = self.members(members, at, depth)?;
        if let Some(name) = self.names.get(&pointer) {
            siblings.insert("$ref".to_owned(), kept_reference(&pointer, name));
            return Ok(object(siblings));
        }
        let target = resolve(self.root, &pointer, at)?;
        Ok(merge(siblings, self.schema(target, &pointer, depth + 1)?))
    }

    fn members(
        &mut self,
        members: &Map<String, Value>,
        at: &str,
        depth: usize,
    ) -> Result<BTreeMap<String, Value>, SchemaProblem> {
        let mut out = BTreeMap::new();
        for (keyword, value) in members {
            if DROPPED.contains(&keyword.as_str()) {
                continue;
            }
            let path = join(at, &[keyword]);
            let value = match holds(keyword, value) {
                Holds::Data => self.data(value, &path, depth + 1)?,
                Holds::OneOrBool if value.is_boolean() => value.clone(),
                Holds::One | Holds::OneOrBool => self.schema(value, &path, depth + 1)?,
                Holds::List => self.list(value, &path, depth + 1)?,
                Holds::Named => self.named(value, &path, depth + 1)?,
            };
            out.insert(keyword.clone(), value);
        }
        modernise(&mut out);
        settle_format(&mut out);
        settle_sets(&mut out);
        Ok(out)
    }

    fn list(&mut self, list: &Value, at: &str, depth: usize) -> Result<Value, SchemaProblem> {
        let Value::Array(list) = list else {
            return Err(SchemaProblem::NotASchema { at: at.to_owned() });
        };
        list.iter()
            .enumerate()
            .map(|(i, inner)| self.schema(inner, &join(at, &[&i.to_string()]), depth))
            .collect()
    }

    fn named(&mut self, named: &Value, at: &str, depth: usize) -> Result<Value, SchemaProblem> {
        let Value::Object(named) = named else {
            return Err(SchemaProblem::NotASchema { at: at.to_owned() });
        };
        let mut out = BTreeMap::new();
        for (name, inner) in named {
            let path = join(at, &[name]);
            let inner = if inner.is_array() {
                self.data(inner, &path, depth)?
            } else {
                self.schema(inner, &path, depth)?
            };
            out.insert(name.clone(), inner);
        }
        Ok(object(out))
    }

    /// Copies data, with sorted keys.
    fn data(&mut self, data: &Value, at: &str, depth: usize) -> Result<Value, SchemaProblem> {
        check_depth(depth, at)?;
        self.count()?;
        match data {
            Value::Array(list) => list
                .iter()
                .map(|inner| self.data(inner, at, depth + 1))
                .collect(),
            Value::Object(members) => {
                let mut out = BTreeMap::new();
                for (name, inner) in members {
                    out.insert(name.clone(), self.data(inner, at, depth + 1)?);
                }
                Ok(object(out))
            }
            scalar => Ok(scalar.clone()),
        }
    }

    fn count(&mut self) -> Result<(), SchemaProblem> {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(SchemaProblem::TooManyNodes { limit: MAX_NODES })
    }
}

/// Makes an object whose keys stay sorted, however `serde_json` was built.
fn object(members: BTreeMap<String, Value>) -> Value {
    Value::Object(members.into_iter().collect())
}

/// Gives each recursive place a name of its own: the last step of its pointer, numbered where
/// two are alike.
fn name_all(heads: BTreeSet<String>) -> BTreeMap<String, String> {
    let mut taken = BTreeSet::new();
    let mut names = BTreeMap::new();
    for pointer in heads {
        let base = pointer
            .rsplit('/')
            .next()
            .filter(|step| !step.is_empty())
            .map_or_else(|| "schema".to_owned(), safe_name);
        let mut name = base.clone();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{base}{number}");
        }
        names.insert(pointer, name);
    }
    names
}

/// Keeps what needs no escape in a JSON Pointer or a URI.
fn safe_name(step: &str) -> String {
    step.chars()
        .map(|c| match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-' | '.' => c,
            _ => '_',
        })
        .collect()
}

fn kept_reference(pointer: &str, name: &str) -> Value {
    if pointer.is_empty() {
        "#".into()
    } else {
        format!("#/$defs/{name}").into()
    }
}

/// Joins what stood beside a reference with what it referred to. Descriptions beside it win;
/// constraints beside it hold as well.
fn merge(mut siblings: BTreeMap<String, Value>, target: Value) -> Value {
    let describes = |keyword: &String| ANNOTATIONS.contains(&keyword.as_str());
    if let (true, Value::Object(target)) = (siblings.keys().all(describes), &target) {
        let mut merged: BTreeMap<_, _> = target.clone().into_iter().collect();
        merged.append(&mut siblings);
        return object(merged);
    }
    match siblings
        .entry("allOf".to_owned())
        .or_insert_with(|| json!([]))
    {
        Value::Array(all) => all.push(target),
        other => *other = json!([target]),
    }
    object(siblings)
}

/// Writes draft 7's tuples and dependencies as 2020-12 does.
fn modernise(members: &mut BTreeMap<String, Value>) {
    let rest = members.remove("additionalItems");
    if members.get("items").is_some_and(Value::is_array) {
        if let Some(tuple) = members.remove("items") {
            members.insert("prefixItems".to_owned(), tuple);
        }
        if let Some(rest) = rest {
            members.insert("items".to_owned(), rest);
        }
    }
    if let Some(Value::Object(dependencies)) = members.remove("dependencies") {
        let (required, schemas): (Map<_, _>, Map<_, _>) = dependencies
            .into_iter()
            .partition(|(_, inner)| inner.is_array());
        for (keyword, inner) in [
            ("dependentRequired", required),
            ("dependentSchemas", schemas),
        ] {
            if !inner.is_empty() {
                members.entry(keyword.to_owned()).or_insert(inner.into());
            }
        }
    }
}

/// Replaces a format that only Rust knows by the range it stands for.
fn settle_format(members: &mut BTreeMap<String, Value>) {
    let Some(format) = members.get("format").and_then(Value::as_str) else {
        return;
    };
    let (min, max): (Value, Value) = match format {
        "double" | "float" | "int128" | "uint128" => (Value::Null, Value::Null),
        "int" | "int64" => (i64::MIN.into(), i64::MAX.into()),
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "uint" | "uint64" => (0.into(), u64::MAX.into()),
        "uint8" => (0.into(), u8::MAX.into()),
        "uint16" => (0.into(), u16::MAX.into()),
        "uint32" => (0.into(), u32::MAX.into()),
        _ => return,
    };
    members.remove("format");
    let is_integer = match members.get("type") {
        Some(Value::String(name)) => name == "integer",
        Some(Value::Array(names)) => names.contains(&"integer".into()),
        _ => false,
    };
    for (keyword, bound) in [("minimum", min), ("maximum", max)] {
        if is_integer && !bound.is_null() {
            members.entry(keyword.to_owned()).or_insert(bound);
        }
    }
}

/// Brings what is a set into one order.
fn settle_sets(members: &mut BTreeMap<String, Value>) {
    if let Some(Value::Array(names)) = members.get_mut("required") {
        names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        names.dedup();
    }
    if let Some(Value::Array(names)) = members.get("type")
        && let [only] = &names[..]
    {
        let only = only.clone();
        members.insert("type".to_owned(), only);
    }
}
