//! Tables as source 002 prints them: a header, dashes, rows; one space between columns.

use std::fmt::Write as _;

/// A column: its header and the width it has at least.
pub(crate) type Column = (&'static str, usize);

/// Lays rows out under their columns. A wider cell widens its column; no line ends in blanks.
pub(crate) fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> String {
    let widths = widths(&columns, rows);
    let headers = columns.map(|(header, _)| header.to_owned());
    let dashes = widths.map(|width| "-".repeat(width));
    let mut out = String::new();
    for row in [&headers, &dashes].into_iter().chain(rows) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(laid_out(row, &widths).trim_end());
    }
    out
}

fn widths<const N: usize>(columns: &[Column; N], rows: &[[String; N]]) -> [usize; N] {
    std::array::from_fn(|i| {
        let cells = rows.iter().map(|row| row[i].chars().count());
        let (header, least) = columns[i];
        cells.chain([header.len(), least]).max().unwrap_or(least)
    })
}

fn laid_out<const N: usize>(row: &[String; N], widths: &[usize; N]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:width$} ");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_have_a_least_width_and_widen_for_a_wide_cell() {
        let columns = [("A", 3), ("B", 2)];
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(table(columns, &[]), "A   B\n--- --");
        let rows = [row("x", "y"), row("wider", "")];
        assert_eq!(table(columns, &rows), "A     B\n----- --\nx     y\nwider");
    }
}
