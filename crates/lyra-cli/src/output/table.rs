use comfy_table::{CellAlignment, Table, presets};

/// An aligned table without borders; the columns named in `right` hold
/// numbers and are aligned to the right.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    right: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.map(str::to_uppercase));
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for &at in right {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Names and values, one pair a line.
pub(crate) fn pairs<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// The beginning of a text on one line.
pub(crate) fn preview(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_below_each_other() {
        let rows = [["a".to_owned(), "7".to_owned()], ["bcd".to_owned(), "1234".to_owned()]];
        let text = table(["name", "entries"], &[1], rows);
        assert_eq!(text, "NAME  ENTRIES\na           7\nbcd      1234");
    }

    #[test]
    fn a_preview_is_one_short_line() {
        assert_eq!(preview("one\n  two", 20), "one two");
        assert_eq!(preview("äöü äöü äöü", 9), "äöü äöü…");
    }
}
