//! Tables without lines, which `cut`, `awk` and people can all read.

use comfy_table::{Table, TableStyle};

/// A table from a header and rows; two spaces between columns, none at the ends.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("{}\n", table.trim_fmt())
}

/// Lines of `label  value`.
pub(crate) fn labelled(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    lines.iter().map(|(label, value)| format!("{label:width$}  {value}\n")).collect()
}

/// What stands where there is nothing.
pub(crate) const NOTHING: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_blanks() {
        let text = table(&["NAME", "STATUS"], [vec!["a-long-name".into(), "running".into()], vec!["b".into(), NOTHING.into()]]);
        assert_eq!(text, "NAME         STATUS\na-long-name  running\nb            -\n");
        assert_eq!(labelled(&[("a", "1".into()), ("long", "2".into())]), "a     1\nlong  2\n");
    }
}
