//! The part of JSON Schema that Gemini's `parametersJsonSchema` takes.

use serde_json::{Map, Value};

use super::loss::Loss;
use super::rules::{
    Members, close_bounds, const_to_enum, infer_types, join, merge_all_of, one_of_to_any_of,
    split_types,
};
use super::told::tell;

/// What constrains and is known.
const KNOWN: [&str; 16] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minimum",
    "prefixItems",
    "properties",
    "required",
    "title",
];
/// What describes and is not known: it goes into the description, and nothing is lost.
const DESCRIBING: [&str; 5] = ["default", "deprecated", "examples", "readOnly", "writeOnly"];

/// Writes a canonical schema with what Gemini knows; says what is lost.
pub(super) fn gemini_schema(schema: &Value, losses: &mut Vec<Loss>) -> Value {
    Projection { losses }.schema(schema, "")
}

struct Projection<'a> {
    losses: &'a mut Vec<Loss>,
}

impl Projection<'_> {
    fn schema(&mut self, schema: &Value, at: &str) -> Value {
        let Value::Object(members) = schema else {
            return schema.clone(); // a boolean under additionalProperties
        };
        let mut members = members.clone();
        merge_all_of(&mut members);
        let mut branches = Some(if members.contains_key("oneOf") {
            "oneOf"
        } else {
            "anyOf"
        });
        if !one_of_to_any_of(&mut members) && !members.contains_key("oneOf") {
            self.losses.push(Loss::OneOf { at: at.to_owned() });
        }
        const_to_enum(&mut members);
        infer_types(&mut members);
        if !members.contains_key("anyOf") {
            // Branches made here stand nowhere in the tool's own schema.
            branches = None;
            split_types(&mut members);
        }
        close_bounds(&mut members);
        self.settle_values(&mut members, at);
        Value::Object(self.known(members, at, branches))
    }

    /// Keeps what is known, and projects what stands inside.
    fn known(&mut self, mut members: Members, at: &str, branches: Option<&str>) -> Members {
        let mut kept = Map::new();
        let mut told = Vec::new();
        let has_reference = members.contains_key("$ref");
        for (keyword, value) in std::mem::take(&mut members) {
            let is_known =
                KNOWN.contains(&keyword.as_str()) || matches!(&keyword[..], "const" | "type");
            // Beside a reference nothing else may stand.
            let is_taken = is_known && (!has_reference || keyword.starts_with('$'));
            if is_taken {
                let at = match (&keyword[..], branches) {
                    ("anyOf", None) => at.to_owned(),
                    ("anyOf", Some(step)) => join(at, &[step]),
                    (keyword, _) => join(at, &[keyword]),
                };
                let value = self.inside((&keyword, branches.is_none()), &value, &at);
                kept.insert(keyword, value);
            } else if is_silent(&keyword) {
                told.push((keyword, value));
            } else {
                self.lose(at, &keyword);
                told.push((keyword, value));
            }
        }
        if !has_reference {
            tell(&mut kept, &told);
        }
        kept
    }

    fn inside(&mut self, (keyword, is_split): (&str, bool), value: &Value, at: &str) -> Value {
        match (keyword, value) {
            ("additionalProperties" | "items", value) => self.schema(value, at),
            ("anyOf", Value::Array(list)) if is_split => {
                list.iter().map(|value| self.schema(value, at)).collect()
            }
            ("anyOf" | "prefixItems", Value::Array(list)) => {
                let each = list.iter().enumerate();
                each.map(|(i, value)| self.schema(value, &join(at, &[&i.to_string()])))
                    .collect()
            }
            ("$defs" | "properties", Value::Object(named)) => {
                let each = named.iter().map(|(name, value)| {
                    let value = self.schema(value, &join(at, &[name]));
                    (name.clone(), value)
                });
                Value::Object(each.collect())
            }
            _ => value.clone(),
        }
    }

    /// Keeps `enum` where it holds text or numbers; a type may say the same.
    fn settle_values(&mut self, members: &mut Members, at: &str) {
        let Some(Value::Array(values)) = members.get("enum") else {
            return;
        };
        let is_full = match members.get("type").and_then(Value::as_str) {
            Some("string" | "integer" | "number") => return,
            Some("null") => values.contains(&Value::Null),
            Some("boolean") => values.contains(&true.into()) && values.contains(&false.into()),
            _ => false,
        };
        if let Some(values) = members.remove("enum")
            && !is_full
        {
            self.lose(at, "enum");
            tell(members, &[("enum".to_owned(), values)]);
        }
    }

    fn lose(&mut self, at: &str, keyword: &str) {
        let loss = Loss::Keyword {
            at: at.to_owned(),
            keyword: keyword.to_owned(),
        };
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }
}

fn is_silent(keyword: &str) -> bool {
    DESCRIBING.contains(&keyword) || matches!(keyword, "description" | "title")
}
