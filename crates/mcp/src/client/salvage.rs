//! Reads a message as plain JSON, and what can be read of one that nests too deep.
//!
//! A reader with a bounded stack refuses the whole of a message for one part of it. The parts are
//! therefore told apart first, which takes no stack, and each is read by itself.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Marks a tool that could not be read; its value is the reason.
pub(crate) const UNREADABLE: &str = "dev.keyway/unreadable";
const TOO_DEEP: &str = "it nests too deep";

#[derive(Deserialize)]
struct Envelope<'m> {
    id: Option<Value>,
    method: Option<String>,
    #[serde(borrow)]
    result: Option<&'m RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'m> {
    #[serde(borrow)]
    tools: Vec<&'m RawValue>,
    next_cursor: Option<String>,
    result_type: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Reads a message; `None` for what is no JSON.
pub(crate) fn message(text: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(text) {
        return Some(value);
    }
    let envelope: Envelope<'_> = serde_json::from_slice(text).ok()?;
    let id = envelope.id.filter(|_| envelope.method.is_none())?;
    let page = envelope
        .result
        .and_then(|result| serde_json::from_str::<Page<'_>>(result.get()).ok());
    Some(match page {
        Some(page) => json!({"jsonrpc": "2.0", "id": id, "result": list(&page)}),
        None => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32603, "message": TOO_DEEP}}),
    })
}

fn list(page: &Page<'_>) -> Value {
    let tools: Vec<Value> = page.tools.iter().map(|tool| read(tool.get())).collect();
    let mut list = json!({"tools": tools});
    if let Some(cursor) = &page.next_cursor {
        list["nextCursor"] = json!(cursor);
    }
    if let Some(kind) = &page.result_type {
        list["resultType"] = json!(kind);
    }
    list
}

fn read(tool: &str) -> Value {
    serde_json::from_str(tool).unwrap_or_else(|_| {
        let name = serde_json::from_str(tool)
            .map(|named: Named| named.name)
            .ok();
        json!({"name": name, UNREADABLE: TOO_DEEP})
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep() -> String {
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))
    }

    #[test]
    fn a_tool_that_nests_too_deep_costs_no_other_tool_anything() {
        let text = format!(
            r#"{{"id":1,"result":{{"tools":[{{"name":"good"}},{{"name":"bad","x":{}}}]}}}}"#,
            deep()
        );
        let read = message(text.as_bytes()).unwrap();
        assert_eq!(read["result"]["tools"][0]["name"], "good");
        assert_eq!(read["result"]["tools"][1]["name"], "bad");
        assert_eq!(read["result"]["tools"][1][UNREADABLE], TOO_DEEP);
    }

    #[test]
    fn an_answer_that_nests_too_deep_is_an_error_and_a_log_is_nothing() {
        let text = format!(r#"{{"id":2,"result":{{"content":{}}}}}"#, deep());
        assert_eq!(
            message(text.as_bytes()).unwrap()["error"]["message"],
            TOO_DEEP
        );
        assert_eq!(message(b"listening..."), None);
    }
}
