//! Tables on the terminal. Everything in them was written by somebody else, so it is made harmless.

use std::io::Write as _;

use keyway_host::text::printable;

/// Widest column, in characters.
const WIDEST: usize = 72;

pub(crate) fn say(line: &str) {
    // A closed terminal ends the tour soon enough.
    let _written = writeln!(std::io::stdout(), "{}", printable(line));
}

pub(crate) fn print<const N: usize>(
    title: &str,
    heads: &[&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    let rows: Vec<[String; N]> = rows
        .into_iter()
        .map(|row| row.map(|cell| cut(&cell)))
        .collect();
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        let head = heads.get(column).map_or(0, |head| head.len());
        cells.max().unwrap_or(0).max(head)
    };
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| format!("{cell:<0$}", width(at)));
        padded.collect::<Vec<_>>().join("  ")
    };
    say("");
    say(title);
    say(&line(heads.to_vec()));
    for row in &rows {
        say(&line(row.iter().map(String::as_str).collect()));
    }
}

fn cut(cell: &str) -> String {
    let cell = printable(cell.trim_matches('"'));
    match cell.chars().count() > WIDEST {
        true => cell.chars().take(WIDEST - 1).chain(['…']).collect(),
        false => cell.into_owned(),
    }
}
