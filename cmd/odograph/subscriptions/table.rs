//! Rows with aligned columns.

/// Writes a heading and rows, each column as wide as its widest cell. Columns without any text are left out.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let heading = heading.map(str::to_owned);
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate().filter(|(column, _)| widths[*column] > 0) {
            let width = widths[column].max(heading[column].chars().count());
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let rows = [["größe", "", "1"], ["a", "", "200000"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["NAME", "GAPS", "N"], &rows),
            "NAME   N\ngröße  1\na      200000\n"
        );
    }
}
