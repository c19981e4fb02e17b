//! What is kept of a run: rows as JSON, and one section of a page for each
//! area, with its charts beside the page.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::charts;
use crate::harness::{Row, markdown_table};

/// From the root of the repository, where `cargo xtask bench` runs this.
const PAGE: &str = "tests/peers/RESULTS.md";
const CHARTS: &str = "tests/peers";

pub(crate) struct Section {
    pub(crate) area: &'static str,
    pub(crate) versions: String,
}

/// The file that the rows go to, made before they are measured: a path that is
/// wrong is told at once.
pub(crate) struct JsonFile<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> JsonFile<'a> {
    pub(crate) fn create(path: &'a Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path, file })
    }

    pub(crate) fn write(mut self, rows: &[Row]) -> Result<(), String> {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        writeln!(self.file, "{text}").map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// Puts a section in the place of the one of its area.
pub(crate) fn write(section: &Section, rows: &[Row]) -> Result<(), String> {
    let unusable = |error: std::io::Error| {
        format!("{PAGE}: {error}; `cargo xtask bench --write` runs this from the root")
    };
    let page = fs::read_to_string(PAGE).map_err(unusable)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = section.text(&date(since.as_secs() / 86_400), rows);
    fs::write(PAGE, with_section(&page, section.area, &text)).map_err(unusable)?;
    for chart in charts::of(section.area) {
        fs::write(Path::new(CHARTS).join(chart.file), chart.svg(rows)).map_err(unusable)?;
    }
    println!("wrote the section `{}` of {PAGE}", section.area);
    Ok(())
}

impl Section {
    fn text(&self, date: &str, rows: &[Row]) -> String {
        let Self { area, versions } = self;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let charts: String = charts::of(area)
            .map(|chart| format!("![{}]({})\n\n", chart.title(), chart.file))
            .collect();
        format!(
            "{}{date}, {cores} cores, `cargo xtask bench {area} --write`; peers: {versions}.\n\n{charts}{}",
            heading(area),
            markdown_table(rows)
        )
    }
}

fn heading(area: &str) -> String {
    format!("## {area}\n\n")
}

/// The page with this section instead of the old one, or after all others.
fn with_section(page: &str, area: &str, section: &str) -> String {
    let Some(start) = page.find(&heading(area)) else {
        return format!("{}\n\n{section}", page.trim_end());
    };
    let body = start + heading(area).len();
    match page[body..].find("\n## ") {
        Some(next) => format!("{}{section}{}", &page[..start], &page[body + next..]),
        None => format!("{}{section}", &page[..start]),
    }
}

/// The date of a day since 1970, after Howard Hinnant's `civil_from_days`: an
/// era has 400 years, and a year begins in March so that the leap day is last.
fn date(day: u64) -> String {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{of_month:02}", era * 400 + year + carry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_takes_the_place_of_the_old_one() {
        let page = "# Results\n\nWords.\n\n## a\n\nold\n\n## b\n\nkept\n";
        let new = with_section(page, "a", "## a\n\nnew\n");
        assert_eq!(new, "# Results\n\nWords.\n\n## a\n\nnew\n\n## b\n\nkept\n");
        assert_eq!(with_section(&new, "a", "## a\n\nnew\n"), new);
        let last = with_section(page, "b", "## b\n\nnew\n");
        assert_eq!(last, "# Results\n\nWords.\n\n## a\n\nold\n\n## b\n\nnew\n");
        let third = with_section(page, "c", "## c\n\nnew\n");
        assert_eq!(third, format!("{page}\n## c\n\nnew\n"));
    }

    #[test]
    fn days_are_dates() {
        let days = [0, 59, 60, 11_016, 19_782, 20_000];
        let dates =
            ["1970-01-01", "1970-03-01", "1970-03-02", "2000-02-29", "2024-02-29", "2024-10-04"];
        assert_eq!(days.map(date), dates);
    }
}
