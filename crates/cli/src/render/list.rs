//! The listing of source 002.

use std::collections::BTreeMap;

use keyway_host::catalog::{CatalogEntry, CatalogState, Proposal, ToolRule};
use keyway_plugin_api::PluginId;

use super::status::status;
use super::table::{Column, table};
use super::time::utc;
use crate::output::shown;

/// Widths of the listing of everything, as source 002 prints it.
const ALL: [Column; 4] = [
    ("Plugin", 21),
    ("Slot", 10),
    ("Status", 8),
    ("Precedence", 10),
];
/// Widths of the listing of one slot, as source 002 prints it.
const ONE_SLOT: [Column; 4] = [
    ("Plugin", 15),
    ("Slot", 4),
    ("Status", 8),
    ("Precedence", 10),
];

/// Widths of the listing of proposals.
const PROPOSALS: [Column; 5] = [
    ("Proposal", 10),
    ("When", 20),
    ("By", 8),
    ("Source", 20),
    ("Why", 3),
];

/// Widths of the listing of rules.
const RULES: [Column; 5] = [
    ("Rule", 8),
    ("Target", 20),
    ("Scope", 5),
    ("By", 8),
    ("When", 20),
];

/// Lays out the entries of a state.
pub(crate) fn list(state: &CatalogState, one_slot: bool) -> String {
    let rows: Vec<_> = state
        .listed()
        .map(|(id, entry)| row(state, id, entry))
        .collect();
    table(if one_slot { ONE_SLOT } else { ALL }, &rows)
}

fn row(state: &CatalogState, id: &PluginId, entry: &CatalogEntry) -> [String; 4] {
    [
        id.to_string(),
        entry.slot.unwrap_or(entry.manifest.slot).to_string(),
        status(state, entry).to_owned(),
        entry.precedence.to_string(),
    ]
}

/// Lays out what agents proposed.
pub(crate) fn proposals(proposals: &BTreeMap<String, Proposal>) -> String {
    let row = |(id, proposal): (&String, &Proposal)| {
        [
            shown(id),
            utc(proposal.at_ms),
            proposal.by.to_string(),
            shown(&proposal.source),
            shown(&proposal.why),
        ]
    };
    let rows: Vec<_> = proposals.iter().map(row).collect();
    table(PROPOSALS, &rows)
}

/// Lays out the rules about optional tools.
pub(crate) fn rules(rules: &[ToolRule]) -> String {
    let row = |rule: &ToolRule| {
        [
            if rule.allow { "allow" } else { "disallow" }.to_owned(),
            shown(&rule.target.to_string()),
            rule.scope.to_string(),
            rule.by.to_string(),
            utc(rule.at_ms),
        ]
    };
    let rows: Vec<_> = rules.iter().map(row).collect();
    table(RULES, &rows)
}
