//! Tools that look around in a repository, each through the host's gate.
//!
//! `FsRead` and `FsWrite` in a signature are what the tool needs; nothing here opens a file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use keyway_plugin_api::{
    Args, FsRead, FsWrite, Json, Plugin, Register, RegisterError, ToolError, ToolInput, ToolValue,
    submit_plugin, tool,
};

use super::walk::{files_under, text_of};

submit_plugin!(RepoTools);

/// How many hits a search gives when nobody asks for another number.
const HITS: u32 = 20;
/// How many lines a reading gives when nobody asks for another number.
const LINES: u32 = 40;
/// How many of the longest files the statistics name.
const LONGEST: usize = 5;

struct RepoTools;

impl Plugin for RepoTools {
    fn manifest(&self) -> Cow<'static, str> {
        include_str!("repo-tools.json").into()
    }

    fn register(&self, ctx: &mut Register<'_>) -> Result<(), RegisterError> {
        ctx.tool(LineStats)?.tool(ReadFile)?;
        ctx.tool(SearchText)?.tool(WriteNote)?;
        Ok(())
    }
}

#[derive(ToolInput)]
struct SearchArgs {
    /// The text to look for, as it stands in the file.
    text: String,
    /// Where to look, for example `crates/host`; everywhere when absent.
    folder: Option<String>,
    /// How many hits at most; 20 when absent.
    limit: Option<u32>,
}

#[derive(ToolValue)]
struct Hits {
    /// The lines that hold the text.
    hits: Vec<Hit>,
    /// How many files were looked at.
    files: u64,
    /// Whether there are more hits than these.
    more: bool,
}

#[derive(ToolValue)]
struct Hit {
    /// The file.
    file: String,
    /// The line's number, from 1.
    line: u64,
    /// The line.
    text: String,
}

/// Finds the lines that hold a text, in sources and documents.
///
/// Use to learn where something is before reading a file.
#[tool(title = "Search text", effect = read, idempotent)]
async fn search_text(Args(args): Args<SearchArgs>, fs: FsRead) -> Result<Json<Hits>, ToolError> {
    if args.text.trim().is_empty() {
        return Err(ToolError::invalid_arguments(
            "text is empty: name what to look for",
        ));
    }
    let limit = args.limit.unwrap_or(HITS) as usize;
    let found = files_under(&fs, args.folder.as_deref().unwrap_or(".")).await?;
    let mut result = Hits {
        hits: Vec::new(),
        files: 0,
        more: found.more,
    };
    for file in found.files {
        let Some(content) = text_of(&fs, &file).await? else {
            continue;
        };
        result.files += 1;
        result.hits.extend(hits_in(&file, &content, &args.text));
        if result.hits.len() > limit {
            result.hits.truncate(limit);
            result.more = true;
            break;
        }
    }
    Ok(Json(result))
}

fn hits_in(file: &str, content: &str, wanted: &str) -> Vec<Hit> {
    let lines = (1..).zip(content.lines());
    lines
        .filter(|(_, line)| line.contains(wanted))
        .map(|(number, line)| Hit {
            file: file.to_owned(),
            line: number,
            text: line.trim().chars().take(160).collect(),
        })
        .collect()
}

#[derive(ToolInput)]
struct ReadArgs {
    /// The file, for example `README.md`.
    file: String,
    /// First line to return, from 1; 1 when absent.
    from: Option<u32>,
    /// How many lines at most; 40 when absent.
    lines: Option<u32>,
}

/// Returns lines of a text file.
///
/// Use once you know which file matters; ask for the lines you need.
#[tool(title = "Read file", effect = read, idempotent)]
async fn read_file(Args(args): Args<ReadArgs>, fs: FsRead) -> Result<String, ToolError> {
    let content = fs.read_text(args.file).await?;
    let first = args.from.unwrap_or(1).saturating_sub(1) as usize;
    let count = args.lines.unwrap_or(LINES) as usize;
    let lines: Vec<&str> = content.lines().skip(first).take(count).collect();
    Ok(lines.join("\n"))
}

#[derive(ToolInput)]
struct StatsArgs {
    /// The folder to count in; everywhere when absent.
    folder: Option<String>,
}

#[derive(ToolValue)]
struct Stats {
    /// How many files were counted.
    files: u64,
    /// How many lines they have together.
    lines: u64,
    /// Lines by file name extension.
    by_kind: BTreeMap<String, u64>,
    /// The longest files, longest first.
    longest: Vec<FileLines>,
}

#[derive(ToolValue)]
struct FileLines {
    /// The file.
    file: String,
    /// Its lines.
    lines: u64,
}

/// Counts the lines of sources and documents and names the longest files.
///
/// Use for a first impression of a repository.
#[tool(title = "Line statistics", effect = read, idempotent)]
async fn line_stats(Args(args): Args<StatsArgs>, fs: FsRead) -> Result<Json<Stats>, ToolError> {
    let found = files_under(&fs, args.folder.as_deref().unwrap_or(".")).await?;
    let mut by_kind = BTreeMap::new();
    let mut counted = Vec::new();
    for file in found.files {
        let Some(content) = text_of(&fs, &file).await? else {
            continue;
        };
        let lines = content.lines().count() as u64;
        let kind = file.rsplit_once('.').map_or("", |(_, kind)| kind);
        *by_kind.entry(kind.to_owned()).or_insert(0) += lines;
        counted.push(FileLines { file, lines });
    }
    let files = counted.len() as u64;
    let lines = counted.iter().map(|one| one.lines).sum();
    counted.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.file.cmp(&b.file)));
    counted.truncate(LONGEST);
    Ok(Json(Stats {
        files,
        lines,
        by_kind,
        longest: counted,
    }))
}

#[derive(ToolInput)]
struct NoteArgs {
    /// A short name: letters, digits and hyphens.
    name: String,
    /// What to keep.
    text: String,
}

/// Keeps a note in the folder `notes`.
///
/// Use to leave a finding behind for the people who work on the repository.
#[tool(title = "Write note", effect = write, idempotent)]
async fn write_note(Args(args): Args<NoteArgs>, fs: FsWrite) -> Result<String, ToolError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if args.name.is_empty() || !args.name.chars().all(plain) {
        let rule = "name is refused: use only letters, digits and hyphens";
        return Err(ToolError::invalid_arguments(rule));
    }
    let file = format!("notes/{}.md", args.name);
    fs.write(file.as_str(), args.text).await?;
    Ok(format!("wrote {file}"))
}

#[cfg(test)]
mod tests {
    use super::hits_in;

    #[test]
    fn a_hit_names_its_line_from_one() {
        let hits = hits_in("a.rs", "one\n  two three\n", "two");
        assert_eq!(hits.len(), 1);
        assert_eq!((hits[0].line, hits[0].text.as_str()), (2, "two three"));
        assert!(hits_in("a.rs", "one", "two").is_empty());
    }
}
