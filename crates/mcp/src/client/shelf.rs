//! Keeps the tool lists of a server as they came, before a typed reader can lose any of it.
//!
//! rmcp reads a whole `tools/list` result at once, so one bad tool would cost the others. Every
//! message is therefore looked at first as plain JSON: the result is put here under its request's
//! number, and the bad tools are taken out of what rmcp reads.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rmcp::model::Tool;
use serde_json::Value;

/// Lists that nobody has taken yet; a server that sends what was not asked for fills no memory.
const MOST: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<BTreeMap<String, Value>>);

impl Shelf {
    /// Looks at a message: keeps a list of tools and leaves in the message what rmcp can read.
    pub(crate) fn look_at(&self, message: &mut Value) {
        let Some(id) = message.get("id").map(Value::to_string) else {
            return;
        };
        let Some(result) = message.get_mut("result") else {
            return;
        };
        if !result.get("tools").is_some_and(Value::is_array) {
            return;
        }
        self.put(id, result.clone());
        if let Some(Value::Array(tools)) = result.get_mut("tools") {
            tools.retain(|tool| serde_json::from_value::<Tool>(tool.clone()).is_ok());
        }
    }

    /// The first list under a number is the answer; another one is not.
    fn put(&self, id: String, result: Value) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() < MOST {
            lists.entry(id).or_insert(result);
        }
    }

    /// Takes the list that answered a request; everything else there is forgotten.
    pub(crate) fn take(&self, id: &str) -> Option<Value> {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = lists.remove(id);
        lists.clear();
        list
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_came_and_hands_on_what_can_be_read() {
        let shelf = Shelf::default();
        let mut message = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": [
            {"name": "good", "inputSchema": {"type": "object"}},
            {"name": "bad", "inputSchema": null},
        ]}});
        shelf.look_at(&mut message);
        assert_eq!(message["result"]["tools"].as_array().unwrap().len(), 1);
        assert_eq!(
            shelf.take("7").unwrap()["tools"].as_array().unwrap().len(),
            2
        );
        assert_eq!(shelf.take("7"), None);
    }

    #[test]
    fn a_second_answer_changes_nothing_and_a_flood_is_bounded() {
        let shelf = Shelf::default();
        for name in ["first", "second"] {
            let mut message =
                json!({"id": 1, "result": {"tools": [{"name": name, "inputSchema": {}}]}});
            shelf.look_at(&mut message);
        }
        for id in 100..1000 {
            shelf.look_at(&mut json!({"id": id, "result": {"tools": []}}));
        }
        assert!(shelf.0.lock().unwrap().len() <= MOST);
        assert_eq!(shelf.take("1").unwrap()["tools"][0]["name"], "first");
    }
}
