//! What a person sees: sections, aligned rows, marks, and text as it streams in.
//!
//! A terminal that went away is no reason to stop: write errors are ignored. Text from outside
//! loses its control characters here, so that no tool and no model can steer the terminal.

use std::io::{IsTerminal, Write};

use serde_json::Value;

/// Columns of a line; longer facts are cut.
const WIDTH: usize = 110;

/// The terminal, or whatever standard output is.
pub(crate) struct Screen {
    out: Box<dyn Write + Send>,
    colour: bool,
    open_line: bool,
}

/// How a row began.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Bad,
    Good,
    Plain,
}

impl Screen {
    /// Opens standard output; in colour on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn stdout() -> Self {
        let out = std::io::stdout();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            out: Box::new(out),
            colour,
            open_line: false,
        }
    }

    /// Starts a section.
    pub(crate) fn section(&mut self, title: &str) {
        let title = self.styled("1", title);
        self.write(&format!("\n{title}\n"));
    }

    /// Writes a line, cut to the width.
    pub(crate) fn line(&mut self, mark: Mark, text: &str) {
        let text = cut(text, WIDTH - 4);
        self.whole_line(mark, &text);
    }

    /// Writes a line that a person will copy, whole.
    pub(crate) fn whole_line(&mut self, mark: Mark, text: &str) {
        let mark = match mark {
            Mark::Bad => self.styled("31", "✗"),
            Mark::Good => self.styled("32", "✓"),
            Mark::Plain => " ".to_owned(),
        };
        let text = clean(text);
        self.write(&format!("  {mark} {}\n", text.trim_end()));
    }

    /// Writes a text over as many lines as it takes.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH - 4 {
                self.whole_line(Mark::Plain, &std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        self.whole_line(Mark::Plain, &line);
    }

    /// Writes rows whose columns line up; the last column is cut to the width.
    pub(crate) fn rows(&mut self, rows: &[(Mark, Vec<String>)]) {
        let columns = rows.iter().map(|(_, row)| row.len()).max().unwrap_or(0);
        let widest = |column: usize| {
            let cells = rows.iter().filter(move |(_, row)| row.len() > column + 1);
            cells
                .map(|(_, row)| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        for (mark, row) in rows {
            let cells = row.iter().zip(&widths);
            let cells: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            self.line(*mark, &cells.join("  "));
        }
    }

    /// Writes a piece of streaming text, indented.
    pub(crate) fn token(&mut self, piece: &str) {
        for c in clean(piece).chars() {
            if !std::mem::replace(&mut self.open_line, c != '\n') {
                self.write("  ");
            }
            self.write(c.encode_utf8(&mut [0; 4]));
        }
        let _terminal_gone = self.out.flush();
    }

    /// Ends streaming text, where there was any.
    pub(crate) fn end_of_tokens(&mut self) {
        if std::mem::take(&mut self.open_line) {
            self.write("\n");
        }
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{style}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn write(&mut self, text: &str) {
        let _terminal_gone = self.out.write_all(text.as_bytes());
    }
}

/// Says what a value holds in a few words: `120 files, 9000 lines, 3 hits`.
pub(crate) fn brief(value: &Value) -> String {
    match value {
        Value::Null => "done".to_owned(),
        Value::Object(fields) => {
            let (numbers, others): (Vec<_>, Vec<_>) = fields.iter().partition(|f| f.1.is_number());
            let facts = numbers.into_iter().chain(others);
            let facts: Vec<String> = facts.filter_map(|(k, v)| fact(k, v)).collect();
            facts.join(", ")
        }
        Value::String(text) => match text.lines().count() {
            0 | 1 => text.clone(),
            lines => format!("{lines} lines"),
        },
        other => other.to_string(),
    }
}

fn fact(name: &str, value: &Value) -> Option<String> {
    let name = name.replace('_', " ");
    match value {
        Value::Array(items) if items.len() == 1 && name.ends_with('s') => {
            Some(format!("1 {}", name.trim_end_matches('s')))
        }
        Value::Array(items) => Some(format!("{} {name}", items.len())),
        Value::Bool(true) => Some(name),
        Value::Bool(false) | Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Number(number) => Some(format!("{number} {name}")),
        Value::Object(fields) => Some(format!("{} {name}", fields.len())),
        Value::String(text) => Some(format!("{name} {text}")),
    }
}

fn clean(text: &str) -> String {
    let visible = |c: char| {
        if c == '\n' || !c.is_control() {
            c
        } else {
            '·'
        }
    };
    text.chars().map(visible).collect()
}

fn cut(text: &str, width: usize) -> String {
    let text = text.replace('\n', " ");
    if text.chars().count() <= width {
        return text;
    }
    let head: String = text.chars().take(width - 1).collect();
    head + "…"
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::{Mark, Screen, brief};

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn shown(draw: impl FnOnce(&mut Screen)) -> String {
        let paper = Paper::default();
        draw(&mut Screen {
            out: Box::new(paper.clone()),
            colour: false,
            open_line: false,
        });
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn rows_line_up_and_long_ones_are_cut() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = shown(|screen| {
            screen.rows(&[
                (Mark::Good, row(["a", "first"])),
                (Mark::Bad, row(["longer", &"x".repeat(200)])),
            ]);
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  ✓ a       first");
        assert!(lines[1].starts_with("  ✗ longer  xxx") && lines[1].ends_with('…'));
        assert_eq!(lines[1].chars().count(), 110);
    }

    #[test]
    fn streamed_text_is_indented_and_cannot_steer_the_terminal() {
        let text = shown(|screen| {
            for piece in ["one", " two\nth", "ree\u{1b}[2J", "\n"] {
                screen.token(piece);
            }
            screen.end_of_tokens();
        });
        assert_eq!(text, "  one two\n  three·[2J\n");
    }

    #[test]
    fn a_value_is_told_in_a_few_words() {
        for (value, words) in [
            (json!(null), "done"),
            (json!("a\nb"), "2 lines"),
            (json!("short"), "short"),
            (
                json!({ "files": 3, "hits": [1, 2], "more": false }),
                "3 files, 2 hits",
            ),
            (
                json!({ "by_kind": { "rs": 1 }, "longest": "x" }),
                "1 by kind, longest x",
            ),
        ] {
            assert_eq!(brief(&value), words);
        }
    }
}
