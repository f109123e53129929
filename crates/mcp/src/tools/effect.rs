//! What a tool does to the world, as far as anybody but its server vouches for it.

use keyway_plugin_api::Effect;
use serde_json::{Map, Value};

use crate::config::McpServer;

/// Returns a tool's effect: what the operator says, else what a trusted server says, else the worst.
///
/// A server's own words can only make a tool look more dangerous than the operator takes it to be
/// where its hints are trusted, and nothing at all where they are not (invariant 14).
pub(super) fn effect_of(
    server: &McpServer,
    tool: &str,
    annotations: Option<&Map<String, Value>>,
) -> Effect {
    if let Some(effect) = server.effects.get(tool) {
        return *effect;
    }
    let hints = annotations.filter(|_| server.hints_are_trusted);
    let says = |key: &str| {
        hints
            .and_then(|hints| hints.get(key))
            .and_then(Value::as_bool)
    };
    match (says("readOnlyHint"), says("destructiveHint")) {
        (Some(true), _) => Effect::Read,
        (_, Some(false)) => Effect::Write,
        _ => Effect::Destructive,
    }
}

/// Tells whether a trusted server says that a second call does nothing more.
pub(super) fn is_idempotent(server: &McpServer, annotations: Option<&Map<String, Value>>) -> bool {
    let hint = annotations.and_then(|hints| hints.get("idempotentHint"));
    server.hints_are_trusted && hint.and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hint_lowers_nothing_unless_it_is_trusted() {
        let plain = McpServer::http("s", "https://example.com/mcp").unwrap();
        let trusted = plain.clone().with_trusted_hints();
        let set = plain.clone().with_effect("t", Effect::Write);
        let table = [
            (json!({}), Effect::Destructive, Effect::Destructive),
            (
                json!({"readOnlyHint": true}),
                Effect::Destructive,
                Effect::Read,
            ),
            (
                json!({"readOnlyHint": "yes"}),
                Effect::Destructive,
                Effect::Destructive,
            ),
            (
                json!({"destructiveHint": false}),
                Effect::Destructive,
                Effect::Write,
            ),
            (
                json!({"readOnlyHint": false, "destructiveHint": true}),
                Effect::Destructive,
                Effect::Destructive,
            ),
        ];
        for (hints, untrusted, believed) in table {
            let hints = hints.as_object();
            assert_eq!(effect_of(&plain, "t", hints), untrusted);
            assert_eq!(effect_of(&trusted, "t", hints), believed);
            assert_eq!(effect_of(&set, "t", hints), Effect::Write);
        }
    }
}
