//! What is to be reached, from `goals.toml`, and whether it was.

use std::fmt;

use crate::harness::Row;

const TEXT: &str = include_str!("../goals.toml");

/// One goal: a figure of a case, and between which limits it must lie.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) area: String,
    case: String,
    /// Whose row it is; where the figure is ours alone, any row of the case
    /// has it.
    peer: Option<String>,
    figure: Kind,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Ours over theirs.
    Ratio,
    /// Ours alone.
    Ours,
    /// Of ours, for one call.
    Allocations,
}

impl Kind {
    const ALL: [(&'static str, Self); 3] =
        [("ratio", Self::Ratio), ("ours", Self::Ours), ("allocations", Self::Allocations)];

    fn of(self, row: &Row) -> Option<f64> {
        match self {
            Self::Ratio => row.ratio,
            Self::Ours => row.ours,
            Self::Allocations => row.allocations,
        }
    }
}

/// The goals in the order of the file that was built in.
pub(crate) fn committed() -> Result<Vec<Goal>, String> {
    read(TEXT).map_err(|what| format!("goals.toml: {what}"))
}

fn read(text: &str) -> Result<Vec<Goal>, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let goals = table.get("goal").and_then(toml::Value::as_array);
    let goals = goals.ok_or("there is no [[goal]]")?;
    goals
        .iter()
        .enumerate()
        .map(|(index, goal)| one(goal).map_err(|what| format!("goal {}: {what}", index + 1)))
        .collect()
}

fn one(value: &toml::Value) -> Result<Goal, String> {
    const KEYS: [&str; 7] = ["area", "case", "peer", "figure", "at_least", "at_most", "source"];
    let table = value.as_table().ok_or("is no table")?;
    // A limit that is misspelt would hold nothing.
    if let Some(stray) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("there is no key `{stray}`"));
    }
    let text = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let required = |key: &str| text(key).ok_or_else(|| format!("`{key}` is missing"));
    let number = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(toml::Value::Float(number)) if number.is_finite() => Ok(Some(*number)),
        Some(toml::Value::Integer(number)) => Ok(Some(*number as f64)),
        Some(_) => Err(format!("`{key}` is no number")),
    };
    required("source")?;
    let figure = required("figure")?;
    let figure = Kind::ALL.into_iter().find(|(name, _)| *name == figure);
    let (_, figure) = figure.ok_or("`figure` is `ratio`, `ours` or `allocations`")?;
    let goal = Goal {
        area: required("area")?,
        case: required("case")?,
        peer: text("peer"),
        figure,
        at_least: number("at_least")?,
        at_most: number("at_most")?,
    };
    match (goal.figure, &goal.peer) {
        (Kind::Ratio, None) => return Err("a ratio is to a `peer`".to_owned()),
        (Kind::Ours | Kind::Allocations, Some(_)) => {
            return Err("a figure of ours alone has no `peer`".to_owned());
        }
        _ => {}
    }
    if goal.at_least.is_none() && goal.at_most.is_none() {
        return Err("has neither `at_least` nor `at_most`".to_owned());
    }
    Ok(goal)
}

impl Goal {
    /// The figure, if it was measured.
    fn measured(&self, rows: &[Row]) -> Option<f64> {
        let is_meant = |row: &&Row| {
            row.area == self.area
                && row.case == self.case
                && self.peer.as_ref().is_none_or(|peer| *peer == row.peer)
        };
        rows.iter().find(is_meant).and_then(|row| self.figure.of(row))
    }

    fn is_met_by(&self, figure: Option<f64>) -> bool {
        // Asked so that what is not a number meets no limit.
        figure.is_some_and(|figure| {
            self.at_least.is_none_or(|least| figure >= least)
                && self.at_most.is_none_or(|most| figure <= most)
        })
    }

    fn verdict(&self, rows: &[Row]) -> String {
        let figure = self.measured(rows);
        let word = if self.is_met_by(figure) { "ok" } else { "SHORT" };
        let figure =
            figure.map_or_else(|| "not measured".to_owned(), |figure| format!("{}", round(figure)));
        format!("{word:<5} {self}: {figure}")
    }
}

/// Three digits after the point: a ratio of 1.151 is above a limit of 1.15,
/// and its line must not read as if it were equal.
fn round(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.area, self.case)?;
        match (&self.peer, self.figure) {
            (Some(peer), _) => write!(f, "ratio to {peer}")?,
            (None, Kind::Allocations) => f.write_str("allocations a call")?,
            (None, _) => f.write_str("ours")?,
        }
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => write!(f, ", {least} to {most}"),
            (Some(least), None) => write!(f, ", at least {least}"),
            (None, Some(most)) => write!(f, ", at most {most}"),
            (None, None) => Ok(()),
        }
    }
}

/// Prints a line for each goal and a count; whether all are met.
pub(crate) fn report(goals: &[Goal], rows: &[Row]) -> bool {
    println!();
    for goal in goals {
        println!("{}", goal.verdict(rows));
    }
    let met = goals.iter().filter(|goal| goal.is_met_by(goal.measured(rows))).count();
    println!("\n{met} of {} goals are met", goals.len());
    met == goals.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AREAS;

    const RATIO: &str = "[[goal]]\narea = \"retry\"\ncase = \"success\"\npeer = \"backon\"\nfigure = \"ratio\"\nat_most = 0.25\nsource = \"a test\"\n";

    fn row(ratio: Option<f64>) -> Row {
        Row {
            area: "retry",
            case: "success".into(),
            peer: "backon".into(),
            ours: ratio,
            theirs: Some(1.0),
            ratio,
            spread: None,
            unit: "ns",
            allocations: ratio.map(|_| 0.0),
            their_allocations: None,
        }
    }

    #[test]
    fn the_committed_goals_are_of_areas_that_exist() {
        for goal in committed().unwrap() {
            assert!(AREAS.iter().any(|area| area.name == goal.area), "{goal}");
        }
    }

    #[test]
    fn a_goal_is_met_up_to_its_limit() {
        let goals = read(RATIO).unwrap();
        assert!(report(&goals, &[row(Some(0.25))]));
        assert!(!report(&goals, &[row(Some(0.2501))]));
        assert_eq!(
            goals[0].verdict(&[row(Some(0.2514))]),
            "SHORT retry: success: ratio to backon, at most 0.25: 0.251"
        );
    }

    #[test]
    fn what_was_not_measured_falls_short() {
        let goals = read(RATIO).unwrap();
        for rows in
            [vec![], vec![row(None)], vec![Row { peer: "backoff".into(), ..row(Some(0.1)) }]]
        {
            assert!(!report(&goals, &rows));
            assert!(goals[0].verdict(&rows).ends_with("not measured"), "{rows:?}");
        }
        assert!(!report(&goals, &[row(Some(f64::NAN))]));
    }

    #[test]
    fn a_range_has_two_ends() {
        let text = RATIO
            .replace("at_most = 0.25", "at_least = -2\nat_most = 0")
            .replace("peer = \"backon\"\n", "")
            .replace("\"ratio\"", "\"ours\"");
        let goal = &read(&text).unwrap()[0];
        for (figure, is_met) in [(-2.01, false), (-2.0, true), (0.0, true), (0.01, false)] {
            assert_eq!(goal.is_met_by(goal.measured(&[row(Some(figure))])), is_met, "{figure}");
        }
        assert!(goal.to_string().ends_with("ours, -2 to 0"), "{goal}");
    }

    #[test]
    fn a_goal_that_could_not_fail_is_refused() {
        for (from, to, piece) in [
            ("at_most = 0.25\n", "", "neither"),
            ("at_most", "at_mots", "no key `at_mots`"),
            ("0.25", "\"0.25\"", "no number"),
            ("0.25", "nan", "no number"),
            ("\"ratio\"", "\"ratios\"", "`figure` is"),
            ("\"ratio\"", "\"ours\"", "has no `peer`"),
            ("peer = \"backon\"\n", "", "to a `peer`"),
            ("source = \"a test\"\n", "", "`source` is missing"),
            ("[[goal]]", "[[gaol]]", "no [[goal]]"),
        ] {
            assert!(RATIO.contains(from), "{from}");
            let error = read(&RATIO.replace(from, to)).unwrap_err();
            assert!(error.contains(piece), "{to}: {error}");
        }
    }
}
