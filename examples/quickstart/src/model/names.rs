//! Tool names as model APIs want them: `[A-Za-z0-9_-]{1,64}`, and back.
//!
//! `plugin/tool` becomes `plugin__tool`. A plugin id holds no underscore, so this is already
//! one-to-one; only a name that is too long or holds a dot is shortened and gets a digest. The
//! way back is the table, never parsing: a name that was not offered is no tool.

use std::collections::BTreeMap;

use keyway_plugin_api::ToolId;

use super::ToolSpec;

/// Longest name that every model API takes, in bytes.
const WIRE_MAX: usize = 64;

/// The two-way table of one request.
#[derive(Debug)]
pub(super) struct WireNames {
    to_wire: BTreeMap<ToolId, String>,
    to_tool: BTreeMap<String, ToolId>,
}

impl WireNames {
    /// Names every tool; equal lists get equal names, whatever their order.
    pub(super) fn of(tools: &[ToolSpec]) -> Self {
        let mut ids: Vec<&ToolId> = tools.iter().map(|tool| &tool.id).collect();
        ids.sort();
        ids.dedup();
        let mut names = Self {
            to_wire: BTreeMap::new(),
            to_tool: BTreeMap::new(),
        };
        // Plain names first: a digest can then never take a name that a tool has by right.
        for id in ids.iter().filter(|id| is_plain(&joined(id))) {
            names.insert(joined(id), id);
        }
        for id in ids.iter().filter(|id| !is_plain(&joined(id))) {
            let mut attempt = 0;
            while names.to_tool.contains_key(&shortened(&joined(id), attempt)) {
                attempt += 1;
            }
            names.insert(shortened(&joined(id), attempt), id);
        }
        names
    }

    fn insert(&mut self, wire: String, id: &ToolId) {
        self.to_wire.insert(id.clone(), wire.clone());
        self.to_tool.insert(wire, id.clone());
    }

    /// Returns the name to send.
    pub(super) fn wire(&self, id: &ToolId) -> Option<&str> {
        self.to_wire.get(id).map(String::as_str)
    }

    /// Returns the name to send for a canonical name; any other text in a form the API takes.
    pub(super) fn wire_of(&self, tool: &str) -> String {
        let known = tool.parse().ok().and_then(|id| self.wire(&id));
        known.map_or_else(|| cleaned(tool), str::to_owned)
    }

    /// Returns the canonical name of what a model said; the text itself when it was not offered.
    pub(super) fn canonical(&self, wire: &str) -> String {
        let known = self.to_tool.get(wire).map(ToString::to_string);
        known.unwrap_or_else(|| wire.to_owned())
    }
}

fn joined(id: &ToolId) -> String {
    format!("{}__{}", id.plugin(), id.tool())
}

fn is_plain(name: &str) -> bool {
    name.len() <= WIRE_MAX && name.bytes().all(is_wire_byte)
}

fn is_wire_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn cleaned(text: &str) -> String {
    let clean = |c: char| match u8::try_from(c) {
        Ok(byte) if is_wire_byte(byte) => c,
        _ => '_',
    };
    let name: String = text.chars().map(clean).take(WIRE_MAX).collect();
    if name.is_empty() {
        "_".to_owned()
    } else {
        name
    }
}

fn shortened(name: &str, attempt: u32) -> String {
    let tail = format!("_{:016x}", fnv1a(name, attempt));
    let head: String = cleaned(name).chars().take(WIRE_MAX - tail.len()).collect();
    head + &tail
}

/// Spreads names; it protects nothing, the table refuses what was not offered.
fn fnv1a(text: &str, attempt: u32) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(attempt);
    text.bytes().fold(seed, step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{WIRE_MAX, WireNames, is_plain};
    use crate::model::ToolSpec;

    #[track_caller]
    fn named(ids: &[&str]) -> WireNames {
        let specs: Vec<ToolSpec> = ids
            .iter()
            .map(|id| ToolSpec {
                id: id.parse().unwrap(),
                description: String::new(),
                input_schema: json!({}),
            })
            .collect();
        WireNames::of(&specs)
    }

    #[test]
    fn every_name_fits_the_apis_and_comes_back() {
        let long = format!("{}/{}", "p".repeat(64), "t".repeat(64));
        let longer_twin = format!("{}/{}u", "p".repeat(64), "t".repeat(63));
        let ids = [
            "a/b_c",
            "a/b.c",
            "a/b-c",
            "a/B_c",
            "a-b/c",
            "a/b__c",
            &long,
            &longer_twin,
        ];
        let names = named(&ids);
        for id in ids {
            let wire = names.wire_of(id);
            assert!(is_plain(&wire) && wire.len() <= WIRE_MAX, "{wire}");
            assert_eq!(names.canonical(&wire), id);
        }
        assert_eq!(names.to_tool.len(), ids.len());
        assert_eq!(names.wire_of("a/b_c"), "a__b_c");
    }

    #[test]
    fn a_name_made_to_look_like_a_digest_takes_nobodys_place() {
        let dotted = named(&["a/b.c"]).wire_of("a/b.c");
        let thief = dotted.replacen("__", "/", 1);
        let names = named(&["a/b.c", &thief]);
        assert_eq!(names.canonical(&dotted), thief);
        assert_ne!(names.wire_of("a/b.c"), dotted);
        assert_eq!(names.canonical(&names.wire_of("a/b.c")), "a/b.c");
    }

    #[test]
    fn a_name_that_was_not_offered_stays_what_the_model_said() {
        assert_eq!(named(&["a/b"]).canonical("a__x"), "a__x");
        assert_eq!(named(&["a/b"]).wire_of("a weird/näme"), "a_weird_n_me");
    }
}
