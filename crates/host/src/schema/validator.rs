//! A compiled schema. The one place that knows the library behind it.

use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Retrieve, Uri};
use serde_json::Value;

use super::error::SchemaError;
use super::graph::Graph;
use super::guard::{Facts, checked};
use super::problem::{self, ArgumentProblem, ArgumentProblems};
use super::text::too_deep;
use super::work;
use crate::limits::Limits;
use crate::text::excerpt;

/// Bytes of one compiled pattern.
const PATTERN_COMPILED_BYTES: usize = 128 * 1024;

/// A validator is a schema that passed the guard, compiled.
///
/// It follows no reference out of the schema, whatever features the JSON Schema library was built
/// with, matches patterns in linear time, and bounds its own work whatever the arguments.
/// Formats are annotations, as JSON Schema 2020-12 has them.
///
/// ```
/// use keyway_host::limits::Limits;
/// use keyway_host::schema::Validator;
/// use serde_json::json;
///
/// let schema = json!({
///     "type": "object",
///     "properties": {"city": {"type": "string"}},
///     "required": ["city"],
/// });
/// let validator = Validator::compile(&schema, &Limits::default())?;
/// assert!(validator.validate(&json!({"city": "Rome"})).is_ok());
/// let problems = validator.validate(&json!({"city": 1})).unwrap_err();
/// assert_eq!(problems.iter().next().unwrap().path, "/city");
/// # Ok::<(), keyway_host::schema::SchemaError>(())
/// ```
pub struct Validator {
    compiled: jsonschema::Validator,
    schema: Arc<Value>,
    graph: Graph,
    cost: u64,
    depth: usize,
}

impl Validator {
    /// Checks a schema with the guard and compiles it.
    ///
    /// # Errors
    /// The [`SchemaError`] of the guard, or [`SchemaError::Invalid`] when a keyword is misused.
    pub fn compile(schema: &Value, limits: &Limits) -> Result<Self, SchemaError> {
        Self::compile_shared(Arc::new(schema.clone()), limits)
    }

    /// Does the same without copying the schema.
    ///
    /// # Errors
    /// As [`Validator::compile`].
    pub fn compile_shared(schema: Arc<Value>, limits: &Limits) -> Result<Self, SchemaError> {
        let Facts { graph, cost } = checked(&schema, limits, &mut 0)?;
        let compiled =
            options(dialect(&schema)?)
                .build(&schema)
                .map_err(|error| SchemaError::Invalid {
                    at: format!("#{}", excerpt(error.instance_path().as_str())),
                    problem: problem::describe(&error, &Value::Null).message,
                })?;
        Ok(Self {
            compiled,
            schema,
            graph,
            cost,
            depth: limits.json_depth,
        })
    }

    /// Tells whether arguments keep to the schema.
    #[must_use]
    pub fn is_valid(&self, arguments: &Value) -> bool {
        matches!(self.judge(arguments), Verdict::Valid)
    }

    /// Checks arguments and lists what is wrong with them.
    ///
    /// # Errors
    /// [`ArgumentProblems`]; at most [`PROBLEMS_MAX`](super::PROBLEMS_MAX) are listed.
    pub fn validate(&self, arguments: &Value) -> Result<(), ArgumentProblems> {
        match self.judge(arguments) {
            Verdict::Valid => Ok(()),
            verdict => Err(self.explain(&verdict, arguments)),
        }
    }

    fn judge(&self, arguments: &Value) -> Verdict {
        let Some(values) = work::values(arguments, self.depth) else {
            return Verdict::TooDeep;
        };
        if values.saturating_mul(self.cost) > work::JUDGE_BUDGET
            && !work::fits(&self.graph, arguments, work::JUDGE_BUDGET)
        {
            return Verdict::TooLarge;
        }
        match self.compiled.is_valid(arguments) {
            true => Verdict::Valid,
            false => Verdict::Invalid,
        }
    }

    #[cold]
    fn explain(&self, verdict: &Verdict, arguments: &Value) -> ArgumentProblems {
        let message = match verdict {
            Verdict::TooDeep => return too_deep(self.depth).into(),
            Verdict::TooLarge => "too large for this schema; send fewer values at once",
            // Explaining visits every alternative, without the shortcuts that judging takes.
            _ if work::fits(&self.graph, arguments, work::EXPLAIN_BUDGET) => {
                let errors = self.compiled.iter_errors(arguments);
                return problem::collect(errors, &self.schema);
            }
            _ => "does not match the schema; too large to say where",
        };
        ArgumentProblem::at_root(message.to_owned()).into()
    }
}

enum Verdict {
    Valid,
    Invalid,
    TooDeep,
    TooLarge,
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// Reads the dialect that a schema names.
pub(super) fn dialect(schema: &Value) -> Result<Draft, SchemaError> {
    let Some(named) = schema.get("$schema") else {
        return Ok(Draft::Draft202012);
    };
    let named = named.as_str().unwrap_or_default();
    let bare = named.strip_suffix('#').unwrap_or(named);
    match bare.split_once("://").map(|(_, rest)| rest) {
        Some("json-schema.org/draft/2020-12/schema") => Ok(Draft::Draft202012),
        Some("json-schema.org/draft/2019-09/schema") => Ok(Draft::Draft201909),
        Some("json-schema.org/draft-07/schema") => Ok(Draft::Draft7),
        _ => Err(SchemaError::Dialect {
            found: excerpt(named).into_owned(),
        }),
    }
}

/// Tells whether the linear-time engine takes a pattern.
pub(super) fn compiles(pattern: &str) -> bool {
    let schema = Value::Object(
        [("pattern".to_owned(), pattern.into())]
            .into_iter()
            .collect(),
    );
    options(Draft::Draft202012).build(&schema).is_ok()
}

fn options(draft: Draft) -> jsonschema::ValidationOptions<'static> {
    jsonschema::options()
        .with_draft(draft)
        .with_retriever(DenyAll)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_COMPILED_BYTES))
        .should_validate_formats(false)
}

/// Fetches nothing, whatever features the library was built with.
struct DenyAll;

impl Retrieve for DenyAll {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("references out of the schema are refused".into())
    }
}
