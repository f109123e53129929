//! The rules that bring one canonical schema into the form of each API; each a pure function.
//!
//! | rule | what | where |
//! |---|---|---|
//! | 1 | names of `[A-Za-z][A-Za-z0-9_-]{0,63}`, by a table that leads back | [`WireNames`](super::WireNames) |
//! | 2, 3, 5, 13 | a plain object at the root, no boolean schemas, no formats that only Rust knows, 64 levels, 10,000 values, 256 KiB | [`normalise_input`] |
//! | 4 | several types become `anyOf` | [`split_types`] |
//! | 6 | `const` becomes `enum`, `oneOf` becomes `anyOf`, `allOf` is merged, open bounds close | [`const_to_enum`], [`one_of_to_any_of`], [`merge_all_of`], [`close_bounds`] |
//! | 7 | property names an API takes | [`settle_property_names`] |
//! | 8 | references only where a type holds itself | [`normalise_input`], [`recursion`] |
//! | 9 | strict only where nothing is lost | [`open_object`] and the projections |
//! | 10 | older MCP clients get an object as output | [`object_output`] |
//! | 11 | hints are booleans | [`annotations`] |
//! | 12 | one order, each tool once, descriptions of 1,024 characters or more are said | [`ModelTools`](super::ModelTools) |
//!
//! Every function takes a schema in canonical form, which [`normalise_input`] makes and bounds;
//! on anything else it stays harmless and says less.

mod merge;
mod output;
mod shape;
mod types;
mod unions;

pub use keyway_plugin_api::normalise_input;
pub use merge::merge_all_of;
pub use output::{ObjectOutput, annotations, object_output};
pub(super) use shape::for_each_schema;
pub use shape::{BadName, open_object, recursion, settle_property_names};
pub(super) use types::{accepts_null, infer_types, is_of_type, type_names};
pub use types::{close_bounds, split_types};
pub use unions::{are_disjoint, const_to_enum, one_of_to_any_of};

use serde_json::{Map, Value};

/// A schema that is an object.
pub type Members = Map<String, Value>;

/// Joins the steps of a JSON Pointer.
pub(super) fn join(at: &str, steps: &[&str]) -> String {
    let mut pointer = at.to_owned();
    for step in steps {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}
