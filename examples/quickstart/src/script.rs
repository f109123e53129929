//! The scripted model's part: what a model might do with the built-in task.

use serde_json::{Value, json};

use crate::model::{Conversation, ModelTurn, ToolCall, Turn};

/// What the agent is asked when nothing else is set.
pub(crate) const TASK: &str = "How large is this repository, where is a call decided, what does its \
    README cover? Leave what you find as a note.";

/// The script, turn by turn.
pub(crate) const SCRIPT: &[Turn] = &[
    look_around,
    read_what_matters,
    digest,
    keep_a_note,
    conclude,
];

fn look_around(_: &Conversation) -> ModelTurn {
    turn(
        "I will count what is there and look for where a call is decided.",
        vec![
            ("stats", "repo-tools/line_stats", json!({})),
            (
                "permit",
                "repo-tools/search_text",
                json!({ "text": "struct Permit", "folder": "crates", "limit": 5 }),
            ),
        ],
    )
}

/// Uses the first results: reads the longest file and the README.
fn read_what_matters(conversation: &Conversation) -> ModelTurn {
    let longest = longest_file(conversation).unwrap_or("Cargo.toml");
    turn(
        &format!("The longest file is {longest}; I will look at it and at the README."),
        vec![
            (
                "longest",
                "repo-tools/read_file",
                json!({ "file": longest, "lines": 12 }),
            ),
            (
                "readme",
                "repo-tools/read_file",
                json!({ "file": "README.md", "lines": 2000 }),
            ),
        ],
    )
}

fn digest(conversation: &Conversation) -> ModelTurn {
    let readme = result(conversation, "readme").as_str().unwrap_or_default();
    turn(
        "An outline and a count will tell what the README covers.",
        vec![
            (
                "outline",
                "text-tools/outline",
                json!({ "markdown": readme }),
            ),
            ("words", "text-tools/word_count", json!({ "text": readme })),
        ],
    )
}

fn keep_a_note(conversation: &Conversation) -> ModelTurn {
    let text = impression(conversation);
    turn(
        "I will keep that as a note.",
        vec![(
            "note",
            "repo-tools/write_note",
            json!({ "name": "first-impression", "text": text }),
        )],
    )
}

fn conclude(conversation: &Conversation) -> ModelTurn {
    let kept = match conversation.result_of("note") {
        Some(_) => "I kept this as a note.",
        None => "I could not keep this as a note; an operator can allow it.",
    };
    turn(&format!("{}\n{kept}", impression(conversation)), vec![])
}

fn impression(conversation: &Conversation) -> String {
    let stats = result(conversation, "stats");
    let place = result(conversation, "permit")["hits"][0]["file"].as_str();
    format!(
        "{} files hold {} lines, the longest is {}.\nA permit for a call is made in {}.\n{}",
        stats["files"],
        stats["lines"],
        longest_file(conversation).unwrap_or("unknown"),
        place.unwrap_or("no place that I found"),
        readme_in_words(conversation),
    )
}

fn readme_in_words(conversation: &Conversation) -> String {
    let headings = result(conversation, "outline")["headings"].as_array();
    let words = result(conversation, "words")["words"].as_u64();
    match (conversation.result_of("readme"), headings, words) {
        (Some(_), Some(headings), Some(words)) => {
            format!(
                "The README has {} headings and {words} words.",
                headings.len()
            )
        }
        _ => "The README could not be read.".to_owned(),
    }
}

fn longest_file(conversation: &Conversation) -> Option<&str> {
    result(conversation, "stats")["longest"][0]["file"].as_str()
}

/// Returns what a call gave; `null` when it did not work.
fn result<'a>(conversation: &'a Conversation, call: &str) -> &'a Value {
    conversation.result_of(call).unwrap_or(&Value::Null)
}

fn turn(text: &str, calls: Vec<(&str, &str, Value)>) -> ModelTurn {
    let call = |(id, tool, arguments): (&str, &str, Value)| ToolCall {
        id: id.to_owned(),
        tool: tool.to_owned(),
        arguments: arguments.to_string(),
    };
    ModelTurn {
        text: text.to_owned(),
        calls: calls.into_iter().map(call).collect(),
    }
}
