//! What a package brings besides what its manifest says: MCP servers and skills, one word each,
//! so that an operator sees them and an update that changes them waits.
//!
//! This is for showing, so it is lenient: what cannot be read is named as such.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// Most servers that are named.
const SERVERS_MAX: usize = 64;
/// Longest word, in characters.
const WORD_MAX: usize = 400;

/// Names the servers of an `mcp.json`, each with what it runs or where it is.
pub(super) fn servers(bytes: &[u8]) -> Vec<String> {
    let parsed = serde_json::from_slice::<Value>(bytes).ok();
    let Some(servers) = parsed.as_ref().and_then(server_map) else {
        return vec!["mcp: its mcp.json cannot be read".to_owned()];
    };
    let mut words: Vec<_> = servers
        .iter()
        .filter(|(name, _)| *name != "$schema")
        .map(|(name, server)| cut(&format!("mcp:{name} {}", place(server))))
        .collect();
    if words.len() > SERVERS_MAX {
        let more = words.split_off(SERVERS_MAX).len();
        words.push(format!("mcp: and {more} more"));
    }
    words
}

/// Returns the servers, listed under `mcpServers` or on their own.
fn server_map(document: &Value) -> Option<&Map<String, Value>> {
    document.get("mcpServers").unwrap_or(document).as_object()
}

fn place(server: &Value) -> String {
    if let Some(url) = server.get("url").and_then(Value::as_str) {
        return format!("at {url}");
    }
    let Some(command) = server.get("command").and_then(Value::as_str) else {
        return "says neither a command nor a url".to_owned();
    };
    let args = server.get("args").and_then(Value::as_array);
    let args = args.into_iter().flatten().map(ToString::to_string);
    let env = server.get("env").and_then(Value::as_object);
    // Values of variables may be secrets; their names say enough.
    let env = env
        .into_iter()
        .flatten()
        .map(|(name, _)| format!("${name}"));
    let words = args.chain(env).map(|word| format!(" {word}"));
    format!("runs {command:?}{}", words.collect::<String>())
}

fn cut(word: &str) -> String {
    match word.char_indices().nth(WORD_MAX) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}

/// Names the skills in a folder: its subfolders, sorted.
pub(super) fn skills(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut words: Vec<_> = folders
        .map(|entry| cut(&format!("skill:{}", entry.file_name().to_string_lossy())))
        .collect();
    words.sort();
    words
}

#[cfg(test)]
mod tests {
    use super::servers;

    #[test]
    fn servers_are_named_with_what_they_run() {
        let table: [(&str, &[&str]); 5] = [
            (
                r#"{"mcpServers":{"gh":{"command":"npx","args":["-y","@x/y"],"env":{"KEY":"s3cret"}}}}"#,
                &[r#"mcp:gh runs "npx" "-y" "@x/y" $KEY"#],
            ),
            (
                r#"{"$schema":"x","web":{"type":"sse","url":"https://a.example"},"odd":7}"#,
                &[
                    "mcp:odd says neither a command nor a url",
                    "mcp:web at https://a.example",
                ],
            ),
            ("{}", &[]),
            ("[]", &["mcp: its mcp.json cannot be read"]),
            ("{", &["mcp: its mcp.json cannot be read"]),
        ];
        for (text, want) in table {
            assert_eq!(servers(text.as_bytes()), want, "{text}");
        }
    }
}
