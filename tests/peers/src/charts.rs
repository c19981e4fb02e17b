//! Rows as bars, in SVG: a chart for each question that a reader has.
//!
//! A panel is one case, with a scale of its own from 0, because cases differ
//! by more than one scale shows; the number stands at each bar.

use std::fmt::Write as _;

use crate::harness::{Row, short};

/// What is drawn: each panel is a case by the beginning of its name, which a
/// size follows.
pub(crate) struct Chart {
    area: &'static str,
    pub(crate) file: &'static str,
    title: &'static str,
    panels: &'static [Panel],
}

struct Panel {
    case: &'static str,
    what: &'static str,
    /// The case whose figure stands beside a name, if there is one.
    beside: Option<&'static str>,
}

const CPU: &str = "ms of CPU time, in all threads";

const CHARTS: [Chart; 3] = [
    Chart {
        area: "memstore",
        file: "memstore-query.svg",
        title: "The ten nearest: time of a query",
        panels: &[
            Panel { case: "query, top 10", what: CPU, beside: Some("recall of a query") },
            Panel { case: "filter 1 %, top 10", what: CPU, beside: Some("recall of a filter 1 %") },
            Panel {
                case: "filter 10 %, top 10",
                what: CPU,
                beside: Some("recall of a filter 10 %"),
            },
        ],
    },
    Chart {
        area: "memstore",
        file: "memstore-write.svg",
        title: "Writing: one entry, and a thousand at once",
        panels: &[
            Panel { case: "durable insert", what: CPU, beside: None },
            Panel { case: "bulk, 1000 entries", what: CPU, beside: None },
        ],
    },
    Chart {
        area: "memstore",
        file: "memstore-open.svg",
        title: "A new process that reads",
        panels: &[
            Panel { case: "open and first query", what: CPU, beside: None },
            Panel { case: "process start to first answer", what: CPU, beside: None },
            Panel { case: "memory of a reading process", what: "MB resident", beside: None },
            Panel { case: "on the disk", what: "MB", beside: None },
        ],
    },
];

/// The charts of an area.
pub(crate) fn of(area: &str) -> impl Iterator<Item = &'static Chart> {
    CHARTS.iter().filter(move |chart| chart.area == area)
}

/// A bar: whose, what stands beside the name, how long.
struct Bar {
    name: String,
    value: Option<f64>,
    is_ours: bool,
}

const WIDTH: f64 = 720.0;
/// Where bars begin and how far they reach; left of it names, right of it
/// numbers.
const LEFT: f64 = 220.0;
const LENGTH: f64 = 390.0;
const LINE: f64 = 24.0;

impl Chart {
    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    pub(crate) fn svg(&self, rows: &[Row]) -> String {
        let mut body = String::new();
        let mut y = 36.0;
        text(&mut body, (20.0, y), "title", self.title);
        for panel in self.panels {
            let Some((case, bars)) = panel.bars(rows) else { continue };
            y += 40.0;
            text(&mut body, (20.0, y), "case", &format!("{case} ({})", panel.what));
            y += 12.0;
            axis(&mut body, y, LINE * bars.len() as f64);
            let longest = bars.iter().filter_map(|bar| bar.value).fold(0.0, f64::max);
            for bar in bars {
                bar.draw(&mut body, y, longest);
                y += LINE;
            }
        }
        let height = y + 52.0;
        text(
            &mut body,
            (20.0, y + 34.0),
            "note",
            "Shorter is better. Each panel has its own scale, from 0.",
        );
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
             <style>text{{font-family:sans-serif;font-size:13px;fill:#24292f}}.title{{font-size:17px;font-weight:bold}}\
             .case{{font-weight:bold}}.note{{font-size:12px;fill:#57606a}}.name{{text-anchor:end}}</style>\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }
}

impl Panel {
    /// The case with its size, and a bar each; none where it has no rows.
    fn bars(&self, rows: &[Row]) -> Option<(String, Vec<Bar>)> {
        let first = rows.iter().find(|row| size_of(&row.case, self.case).is_some())?;
        let size = size_of(&first.case, self.case)?;
        let of_case: Vec<&Row> = rows.iter().filter(|row| row.case == first.case).collect();
        let beside = |peer: Option<&str>| {
            let case = format!("{}, {size}", self.beside?);
            let row = |row: &&Row| row.case == case && peer.is_none_or(|peer| row.peer == peer);
            let row = rows.iter().find(row)?;
            if peer.is_none() { row.ours } else { row.theirs }
        };
        let name = |name: &str, share: Option<f64>| match share {
            None => name.to_owned(),
            Some(share) => format!("{name}, finds {:.1} %", share * 100.0),
        };
        let ours = Bar { name: name("lyra", beside(None)), value: first.ours, is_ours: true };
        let peers = of_case.iter().map(|row| Bar {
            name: name(&row.peer, beside(Some(&row.peer))),
            value: row.theirs,
            is_ours: false,
        });
        Some((first.case.clone(), std::iter::once(ours).chain(peers).collect()))
    }
}

/// The size that ends the name of a case; nothing follows it.
fn size_of<'a>(case: &'a str, beginning: &str) -> Option<&'a str> {
    let size = case.strip_prefix(beginning)?.strip_prefix(", ")?;
    (!size.contains(',')).then_some(size)
}

impl Bar {
    fn draw(&self, body: &mut String, y: f64, longest: f64) {
        let base = y + LINE * 0.68;
        text(body, (LEFT - 10.0, base), "name", &self.name);
        let Some(value) = self.value else {
            text(body, (LEFT + 8.0, base), "note", "not measured");
            return;
        };
        let length = if longest > 0.0 { (value / longest * LENGTH).max(1.0) } else { 1.0 };
        let colour = if self.is_ours { "#1f6feb" } else { "#a8b3bf" };
        let (top, height) = (y + 4.0, LINE - 8.0);
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{height}\" fill=\"{colour}\"/>"
        );
        text(body, (LEFT + length + 8.0, base), "value", &short(value));
    }
}

fn axis(body: &mut String, y: f64, height: f64) {
    let _ = writeln!(
        body,
        "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{LEFT}\" y2=\"{}\" stroke=\"#57606a\"/>",
        y + height
    );
}

fn text(body: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(case: &str, peer: &str, ours: Option<f64>, theirs: Option<f64>) -> Row {
        Row {
            area: "memstore",
            case: case.into(),
            peer: peer.into(),
            ours,
            theirs,
            ratio: None,
            spread: None,
            unit: "ms",
            allocations: None,
            their_allocations: None,
        }
    }

    #[test]
    fn each_contender_has_a_bar_as_long_as_its_share_of_the_longest() {
        let rows = [
            row("query, top 10, 1k", "a", Some(2.0), Some(4.0)),
            row("query, top 10, 1k", "b & c", Some(2.0), None),
            row("query, top 10, 1k, wall clock", "a", Some(100.0), Some(100.0)),
            row("query, top 10, 1M", "a", Some(100.0), Some(100.0)),
            row("recall of a query, 1k", "a", Some(1.0), Some(0.935)),
        ];
        let svg = of("memstore").next().unwrap().svg(&rows);
        assert_eq!(svg.matches("<rect x=").count(), 2, "{svg}");
        assert!(svg.contains("width=\"195.0\"") && svg.contains("width=\"390.0\""), "{svg}");
        assert!(
            svg.contains(">lyra, finds 100.0 %<") && svg.contains(">a, finds 93.5 %<"),
            "{svg}"
        );
        assert!(svg.contains(">b &amp; c<") && svg.contains(">not measured<"), "{svg}");
        assert!(svg.contains("query, top 10, 1k (ms of CPU time, in all threads)"), "{svg}");
    }
}
