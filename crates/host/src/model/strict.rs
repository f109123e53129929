//! Rule 9: the strict form of a schema, where it accepts what the schema accepts.
//!
//! A strict tool binds the model's sampling to its schema. OpenAI and Anthropic take different
//! parts of JSON Schema for that; a [`Dialect`] is one of them. The first thing that has no
//! strict form ends it with a [`NotStrict`].

use serde_json::{Map, Value, json};

use super::loss::NotStrict;
use super::nulls::Nulls;
use super::rules::{
    Members, accepts_null, const_to_enum, for_each_schema, infer_types, is_of_type, join,
    merge_all_of, one_of_to_any_of, split_types,
};
use super::told::tell;

/// What one API takes in strict mode.
#[derive(Debug)]
pub(super) struct Dialect {
    strings: &'static [&'static str],
    numbers: &'static [&'static str],
    arrays: &'static [&'static str],
    formats: &'static [&'static str],
    /// Every property is required, and one that a call may leave out is `null` instead.
    pub(super) wants_all: bool,
}

pub(super) const OPENAI: Dialect = Dialect {
    strings: &["format", "pattern"],
    numbers: &[
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maximum",
        "minimum",
        "multipleOf",
    ],
    arrays: &["items", "maxItems", "minItems"],
    formats: &[
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uuid",
    ],
    wants_all: true,
};

pub(super) const ANTHROPIC: Dialect = Dialect {
    strings: &["format"],
    numbers: &[],
    arrays: &["items", "minItems"],
    formats: &[
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "uri",
        "uuid",
    ],
    wants_all: false,
};

/// What describes and goes into the description: strict mode knows no such keyword.
const DESCRIBING: [&str; 5] = ["default", "deprecated", "examples", "readOnly", "writeOnly"];
const TEXTS: [&str; 2] = ["description", "title"];

/// Writes a canonical schema in a strict dialect. Gives the places too at which a `null` in a
/// call means that the property is absent.
pub(super) fn strict_schema(
    dialect: &Dialect,
    schema: &Value,
) -> Result<(Value, Nulls), NotStrict> {
    let (schema, nulls) = Strict { dialect }.schema(schema, "")?;
    let schema = Value::Object(schema);
    if dialect.wants_all {
        check_size(&schema)?;
    }
    Ok((schema, nulls))
}

/// Checks what OpenAI documents of strict schemas.
fn check_size(schema: &Value) -> Result<(), NotStrict> {
    let (mut properties, mut values, mut levels) = (0, 0, 0);
    for_each_schema(schema, "", &mut |at, schema| {
        let named = schema.get("properties").and_then(Value::as_object);
        properties += named.map_or(0, Map::len);
        values += schema
            .get("enum")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let inner = at
            .split('/')
            .filter(|step| matches!(*step, "properties" | "items"));
        levels = levels.max(inner.count());
    });
    for (what, count, limit) in [
        ("properties", properties, 5_000),
        ("values in enums", values, 1_000),
        ("levels", levels, 10),
    ] {
        if count > limit {
            return Err(NotStrict::TooMuch { what, limit });
        }
    }
    Ok(())
}

struct Strict<'a> {
    dialect: &'a Dialect,
}

type Written = Result<(Members, Nulls), NotStrict>;

impl Strict<'_> {
    fn schema(&self, schema: &Value, at: &str) -> Written {
        let Value::Object(members) = schema else {
            return Err(NotStrict::Untyped { at: at.to_owned() });
        };
        if members.contains_key("$ref") || members.contains_key("$defs") {
            return Err(NotStrict::Recursive { at: at.to_owned() });
        }
        let mut members = members.clone();
        merge_all_of(&mut members);
        let step = if members.contains_key("oneOf") {
            "oneOf"
        } else {
            "anyOf"
        };
        if !one_of_to_any_of(&mut members) {
            return Err(NotStrict::OverlappingOneOf { at: at.to_owned() });
        }
        split_types(&mut members);
        let mut kept = take_texts(&mut members);
        let (written, nulls) = if members.contains_key("anyOf") {
            self.union(members, &join(at, &[step]), at)?
        } else if members.contains_key("enum") || members.contains_key("const") {
            (self.values(members, at)?, Nulls::default())
        } else {
            self.typed(members, at)?
        };
        kept.extend(written);
        Ok((kept, nulls))
    }

    fn union(&self, mut members: Members, branches_at: &str, at: &str) -> Written {
        let branches = members.remove("anyOf").unwrap_or_default();
        let branches = branches.as_array().map(Vec::as_slice).unwrap_or_default();
        if !drop_implied_type(&mut members, branches) {
            return Err(keyword("type", at));
        }
        refuse_others(&members, &[], at)?;
        let mut written = Vec::new();
        let mut nulls = Vec::new();
        for (i, branch) in branches.iter().enumerate() {
            let (branch, inside) = self.schema(branch, &join(branches_at, &[&i.to_string()]))?;
            written.push(Value::Object(branch));
            nulls.push(inside);
        }
        if self.dialect.wants_all && share_first_key(&written) {
            return Err(NotStrict::SharedFirstKey { at: at.to_owned() });
        }
        let nulls = Nulls::of_branches(&written, nulls)
            .ok_or_else(|| NotStrict::AmbiguousNull { at: at.to_owned() })?;
        Ok((
            Map::from_iter([("anyOf".to_owned(), written.into())]),
            nulls,
        ))
    }

    fn values(&self, mut members: Members, at: &str) -> Result<Members, NotStrict> {
        const_to_enum(&mut members);
        if let (Some(name), Some(Value::Array(values))) = (
            members
                .get("type")
                .and_then(Value::as_str)
                .map(str::to_owned),
            members.get_mut("enum"),
        ) {
            values.retain(|value| is_of_type(value, &name));
        }
        members.remove("type");
        let values = members.get("enum").and_then(Value::as_array);
        let is_plain = |value: &Value| !value.is_object() && !value.is_array();
        if !values.is_some_and(|values| !values.is_empty() && values.iter().all(is_plain)) {
            return Err(keyword("enum", at));
        }
        refuse_others(&members, &["enum"], at)?;
        if self.dialect.wants_all {
            infer_types(&mut members);
        }
        Ok(members)
    }

    fn typed(&self, members: Members, at: &str) -> Written {
        let Some(name) = members.get("type").and_then(Value::as_str) else {
            return Err(match members.keys().next() {
                Some(first) => keyword(first, at),
                None => NotStrict::Untyped { at: at.to_owned() },
            });
        };
        match name {
            "object" => self.object(&members, at),
            "array" => self.array(members, at),
            "string" => {
                refuse_others(&members, self.dialect.strings, at)?;
                self.check_text(&members, at)?;
                Ok((members, Nulls::default()))
            }
            "integer" | "number" => {
                refuse_others(&members, self.dialect.numbers, at)?;
                Ok((members, Nulls::default()))
            }
            "boolean" | "null" => {
                refuse_others(&members, &[], at)?;
                Ok((members, Nulls::default()))
            }
            _ => Err(keyword("type", at)),
        }
    }

    fn check_text(&self, members: &Members, at: &str) -> Result<(), NotStrict> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("format").is_some_and(|format| !self.dialect.formats.contains(&format)) {
            return Err(keyword("format", at));
        }
        // Look-arounds and modifiers: the sampler's expressions have none.
        if text("pattern").is_some_and(|pattern| pattern.contains("(?")) {
            return Err(keyword("pattern", at));
        }
        Ok(())
    }

    fn array(&self, mut members: Members, at: &str) -> Written {
        refuse_others(&members, self.dialect.arrays, at)?;
        let least = members.get("minItems").and_then(Value::as_f64);
        if !self.dialect.wants_all && least.is_some_and(|least| least != 0.0 && least != 1.0) {
            return Err(keyword("minItems", at));
        }
        let at = join(at, &["items"]);
        let Some(items) = members.get("items") else {
            return Err(NotStrict::Untyped { at });
        };
        let (items, inside) = self.schema(items, &at)?;
        members.insert("items".to_owned(), Value::Object(items));
        Ok((members, Nulls::of_items(inside)))
    }

    fn object(&self, members: &Members, at: &str) -> Written {
        if members.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(NotStrict::OpenObject { at: at.to_owned() });
        }
        refuse_others(
            members,
            &["additionalProperties", "properties", "required"],
            at,
        )?;
        let required = names(members.get("required"));
        let empty = Map::new();
        let properties = members.get("properties").and_then(Value::as_object);
        let mut written = Map::new();
        let mut nulls = Nulls::default();
        for (name, schema) in properties.unwrap_or(&empty) {
            let at = join(at, &["properties", name]);
            let (mut property, inside) = self.schema(schema, &at)?;
            let is_optional = !required.contains(&name.as_str());
            if self.dialect.wants_all && is_optional {
                if accepts_null(schema) {
                    return Err(NotStrict::NullIsAValue { at });
                }
                property = or_null(property);
            }
            nulls.add_property(name, self.dialect.wants_all && is_optional, inside);
            written.insert(name.clone(), Value::Object(property));
        }
        // A name that is required and described nowhere can never be given to a closed object.
        if required.iter().any(|name| !written.contains_key(*name)) {
            return Err(keyword("required", at));
        }
        Ok((self.closed(written, members.get("required")), nulls))
    }

    fn closed(&self, properties: Members, required: Option<&Value>) -> Members {
        let mut object = Map::new();
        object.insert("type".to_owned(), "object".into());
        let all: Value = properties.keys().cloned().collect();
        let required = if self.dialect.wants_all {
            Some(&all)
        } else {
            required
        };
        if let Some(required) = required {
            object.insert("required".to_owned(), required.clone());
        }
        object.insert("properties".to_owned(), Value::Object(properties));
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
        object
    }
}

fn names(list: Option<&Value>) -> Vec<&str> {
    let names = list.and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).collect()
}

/// Takes out what describes; gives what of it strict mode keeps.
fn take_texts(members: &mut Members) -> Members {
    let mut kept = Map::new();
    for text in TEXTS {
        if let Some(value) = members.remove(text).filter(Value::is_string) {
            kept.insert(text.to_owned(), value);
        }
    }
    let taken = DESCRIBING.iter().filter_map(|keyword| {
        let value = members.remove(*keyword)?;
        Some(((*keyword).to_owned(), value))
    });
    let taken: Vec<(String, Value)> = taken.collect();
    tell(&mut kept, &taken);
    kept
}

fn refuse_others(members: &Members, known: &[&str], at: &str) -> Result<(), NotStrict> {
    let is_known = |name: &&String| *name == "type" || known.contains(&name.as_str());
    match members.keys().find(|name| !is_known(name)) {
        Some(name) => Err(keyword(name, at)),
        None => Ok(()),
    }
}

fn keyword(name: &str, at: &str) -> NotStrict {
    NotStrict::Keyword {
        at: at.to_owned(),
        keyword: name.to_owned(),
    }
}

/// Takes out a type beside `anyOf` that every branch names as well; tells whether none is left.
fn drop_implied_type(members: &mut Members, branches: &[Value]) -> bool {
    let Some(name) = members.get("type") else {
        return true;
    };
    let is_implied = branches
        .iter()
        .all(|branch| branch.get("type") == Some(name));
    if is_implied {
        members.remove("type");
    }
    is_implied
}

/// Writes an optional property as one that may be `null`. Its texts stay outside.
fn or_null(mut property: Members) -> Members {
    let nothing = json!({"type": "null"});
    if let Some(Value::Array(branches)) = property.get_mut("anyOf") {
        branches.push(nothing);
        return property;
    }
    let mut outside = Map::new();
    for text in TEXTS {
        outside.extend(property.remove(text).map(|value| (text.to_owned(), value)));
    }
    outside.insert("anyOf".to_owned(), json!([property, nothing]));
    outside
}

fn share_first_key(branches: &[Value]) -> bool {
    let first = |branch: &Value| {
        let properties = branch.get("properties")?.as_object()?;
        properties.keys().next().cloned()
    };
    let mut firsts: Vec<String> = branches.iter().filter_map(first).collect();
    let all = firsts.len();
    firsts.sort_unstable();
    firsts.dedup();
    firsts.len() < all
}
