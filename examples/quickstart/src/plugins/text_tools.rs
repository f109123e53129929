//! Tools that need nothing from the host: text goes in, facts come out.
//!
//! The manifest is not compiled in as the last word: the host reads the one in the package folder,
//! and that one is approved and reloaded.

use std::borrow::Cow;

use keyway_plugin_api::{
    Args, Json, Plugin, Register, RegisterError, ToolInput, ToolValue, submit_plugin, tool,
};

submit_plugin!(TextTools);

struct TextTools;

impl Plugin for TextTools {
    fn manifest(&self) -> Cow<'static, str> {
        include_str!("../../plugins/text-tools/plugin.json").into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(Outline)?.tool(WordCount)?;
        Ok(())
    }
}

#[derive(ToolInput)]
struct OutlineArgs {
    /// A Markdown document.
    markdown: String,
}

#[derive(ToolValue)]
struct Headings {
    /// The headings in order, indented by level.
    headings: Vec<String>,
}

/// Lists the headings of a Markdown document.
///
/// Use to see what a document covers before reading it.
#[tool(title = "Outline", effect = read)]
fn outline(Args(args): Args<OutlineArgs>) -> Json<Headings> {
    let mut in_code = false;
    let mut headings = Vec::new();
    for line in args.markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let level = line.bytes().take_while(|b| *b == b'#').count();
        let title = line[level..].trim();
        if !in_code && (1..=6).contains(&level) && !title.is_empty() {
            headings.push(format!("{}{title}", "  ".repeat(level - 1)));
        }
    }
    Json(Headings { headings })
}

#[derive(ToolInput)]
struct CountArgs {
    /// Any text.
    text: String,
}

#[derive(ToolValue)]
struct Counts {
    /// Words, as whitespace separates them.
    words: u64,
    /// Lines.
    lines: u64,
    /// The longest word.
    longest: String,
}

/// Counts the words and lines of a text.
#[tool(title = "Word count", effect = read)]
fn word_count(Args(args): Args<CountArgs>) -> Json<Counts> {
    let words = args.text.split_whitespace();
    let longest = words.clone().max_by_key(|word| word.chars().count());
    Json(Counts {
        words: words.count() as u64,
        lines: args.text.lines().count() as u64,
        longest: longest.unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use keyway_plugin_api::{Args, Json};

    use super::{CountArgs, OutlineArgs, outline, word_count};

    #[test]
    fn headings_are_found_and_code_is_not_taken_for_one() {
        let markdown = "# A\ntext\n```\n# not one\n```\n## B\n#\n".to_owned();
        let Json(found) = outline(Args(OutlineArgs { markdown }));
        assert_eq!(found.headings, ["A", "  B"]);
    }

    #[test]
    fn words_and_lines_are_counted() {
        let text = "one three\ntwo".to_owned();
        let Json(counts) = word_count(Args(CountArgs { text }));
        assert_eq!((counts.words, counts.lines), (3, 2));
        assert_eq!(counts.longest, "three");
    }
}
