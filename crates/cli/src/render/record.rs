//! One line for each audit event.

use keyway_host::audit::{AuditEvent, Record};
use serde_json::Value;

use super::time::utc;
use crate::output::shown;

/// What every record has, and the change in full, which `--json` shows.
const LEFT_OUT: [&str; 6] = ["seq", "at_ms", "prev", "hash", "event", "change"];

/// Writes `12 2026-02-10T14:30:00Z operation_committed plugin=notes operation=install …`.
pub(crate) fn record(seq: u64, at_ms: i64, kind: &str, fields: &Value) -> String {
    let mut line = format!("{seq} {} {}", utc(at_ms), shown(kind));
    let fields = fields.as_object().into_iter().flatten();
    for (key, value) in fields.filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())) {
        let text = match value {
            Value::String(text) if is_word(text) => text.clone(),
            other => other.to_string(),
        };
        line.push_str(&format!(" {}={}", shown(key), shown(&text)));
    }
    line
}

/// Writes `Last failure: 2026-02-10T14:30:00Z at start: …`.
pub(crate) fn failure(record: &Record) -> String {
    let at = utc(record.at_ms);
    match &record.event {
        AuditEvent::PluginFailed { stage, reason, .. } => {
            format!("Last failure: {at} at {}: {}", shown(stage), shown(reason))
        }
        _ => format!("Last failure: {at}"),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains([' ', '"', '=', '\n'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_record_is_one_line_of_fields() {
        let fields = json!({
            "seq": 7, "at_ms": 0, "prev": "x", "hash": "y", "event": "e", "change": {},
            "by": "olive", "message": "Disabled notes.\nok", "revision": 3,
        });
        let line = super::record(7, 1_770_733_800_000, "operation_committed", &fields);
        let want = "7 2026-02-10T14:30:00Z operation_committed by=olive \
            message=\"Disabled notes.\\nok\" revision=3";
        assert_eq!(line, want);
    }
}
