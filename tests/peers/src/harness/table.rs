//! Rows as a table, for the terminal and for a page.

use super::row::Row;

const HEAD: [&str; 7] =
    ["case", "peer", "ratio", "spread", "ours", "theirs", "allocations a call, ours and theirs"];

/// Ratios first, because they are the result; the rest is information.
fn cells(row: &Row) -> [String; 7] {
    let with_unit = |value: Option<f64>| {
        value.map_or_else(
            || "not measured".to_owned(),
            |value| format!("{} {}", short(value), row.unit),
        )
    };
    let allocations = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    [
        row.case.clone(),
        row.peer.clone(),
        row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        row.spread.map_or_else(|| "-".to_owned(), |(low, high)| format!("{low:.2} to {high:.2}")),
        with_unit(row.ours),
        with_unit(row.theirs),
        match (row.allocations, row.their_allocations) {
            (None, None) => "-".to_owned(),
            (ours, theirs) => format!("{}, {}", allocations(ours), allocations(theirs)),
        },
    ]
}

/// Whole numbers as such; otherwise two digits after the point, fewer for
/// larger numbers, whose digits mean nothing.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn plain_table(rows: &[Row]) -> String {
    let lines: Vec<[String; 7]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

pub(crate) fn markdown_table(rows: &[Row]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEAD.map(str::to_owned));
    text.push_str("|---|---|---|---|---|---|---|\n");
    for row in rows {
        text.push_str(&line(&cells(row)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            area: "retry",
            case: "success".into(),
            peer: "backon".into(),
            ours: Some(1.444),
            theirs: Some(10.25),
            ratio: Some(0.1409),
            spread: Some((0.139, 0.151)),
            unit: "ns",
            allocations: Some(0.0),
            their_allocations: Some(1.0),
        }
    }

    #[test]
    fn a_row_tells_the_ratio_with_its_spread() {
        let page = markdown_table(&[row()]);
        assert!(
            page.ends_with(
                "| success | backon | 0.14 | 0.14 to 0.15 | 1.44 ns | 10.2 ns | 0, 1 |\n"
            ),
            "{page}"
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let missing = Row { ours: None, ratio: None, spread: None, allocations: None, ..row() };
        let text = plain_table(&[missing]);
        assert!(text.contains("not measured"), "{text}");
        assert!(text.contains("-, 1"), "{text}");
        // Aligned: every column begins below its head.
        let mut lines = text.lines();
        let head = lines.next().unwrap().find("theirs").unwrap();
        assert_eq!(lines.next().unwrap().find("10.2 ns").unwrap(), head);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [-0.257, 0.0, 12.34, 3021.7, 780.0].map(short),
            ["-0.26", "0", "12.3", "3022", "780"]
        );
    }
}
