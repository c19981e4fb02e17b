//! One figure of ours beside the same figure of one peer.

use serde_json::{Value, json};

use super::statistics;

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) area: &'static str,
    pub(crate) case: String,
    pub(crate) peer: String,
    /// `None` where ours was not measured.
    pub(crate) ours: Option<f64>,
    /// `None` where no peer does it.
    pub(crate) theirs: Option<f64>,
    /// Of times alone: a ratio of counts that should be 0 says nothing.
    pub(crate) ratio: Option<f64>,
    /// Between which ratios the quarters of the rounds lie.
    pub(crate) spread: Option<(f64, f64)>,
    pub(crate) unit: &'static str,
    /// Of ours, for one call.
    pub(crate) allocations: Option<f64>,
    pub(crate) their_allocations: Option<f64>,
}

impl Row {
    pub(crate) fn json(&self) -> Value {
        json!({
            "area": self.area,
            "case": self.case,
            "peer": self.peer,
            "ours": self.ours,
            "theirs": self.theirs,
            "ratio": self.ratio,
            "unit": self.unit,
            "allocations": self.allocations,
        })
    }
}

/// What one contender came to where no time is compared: a count, a share.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) is_ours: bool,
    pub(crate) value: f64,
}

/// Figures of one case as rows: ours beside each peer.
pub(crate) fn figure_rows(
    area: &'static str,
    case: &str,
    unit: &'static str,
    figures: &[Figure],
) -> Vec<Row> {
    let ours = figures.iter().find(|figure| figure.is_ours).map(|figure| figure.value);
    let row = |peer: &str, theirs| Row {
        area,
        case: case.to_owned(),
        peer: peer.to_owned(),
        ours,
        theirs,
        ratio: None,
        spread: None,
        unit,
        allocations: None,
        their_allocations: None,
    };
    let peers: Vec<&Figure> = figures.iter().filter(|figure| !figure.is_ours).collect();
    match peers.as_slice() {
        [] => vec![row("none", None)],
        peers => peers.iter().map(|peer| row(peer.name, Some(peer.value))).collect(),
    }
}

/// Waits of one case as rows, in milliseconds: unlike a count, a time that
/// somebody waited has a ratio.
pub(crate) fn wait_rows(area: &'static str, case: &str, waits: &[Figure]) -> Vec<Row> {
    let rows = figure_rows(area, case, "ms", waits).into_iter();
    let ratio = |row: &Row| Some(row.ours? / row.theirs?);
    rows.map(|row| Row { ratio: ratio(&row), ..row }).collect()
}

/// What one contender came to, round by round; none where it was not measured.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    pub(crate) name: &'static str,
    pub(crate) is_ours: bool,
    pub(crate) rounds: Vec<f64>,
}

impl Timed {
    /// Of a single round.
    pub(crate) fn one(name: &'static str, is_ours: bool, value: Option<f64>) -> Self {
        Self { name, is_ours, rounds: value.into_iter().collect() }
    }

    fn typical(&self) -> Option<f64> {
        (!self.rounds.is_empty()).then(|| statistics::typical(&self.rounds))
    }
}

/// Rounds of one case as rows: ours beside each peer.
pub(crate) fn timed_rows(
    area: &'static str,
    case: &str,
    unit: &'static str,
    timed: &[Timed],
) -> Vec<Row> {
    let ours = timed.iter().find(|timed| timed.is_ours);
    let peers = timed.iter().filter(|timed| !timed.is_ours);
    let row = |theirs: &Timed| {
        let pair = ours.filter(|ours| !ours.rounds.is_empty() && !theirs.rounds.is_empty());
        let ratio = pair.map(|ours| statistics::ratio(&ours.rounds, &theirs.rounds));
        // A few rounds are no four quarters.
        let is_spread = theirs.rounds.len() >= 8;
        Row {
            area,
            case: case.to_owned(),
            peer: theirs.name.to_owned(),
            ours: ours.and_then(Timed::typical),
            theirs: theirs.typical(),
            ratio: ratio.map(|(ratio, _)| ratio),
            spread: ratio.map(|(_, spread)| spread).filter(|_| is_spread),
            unit,
            allocations: None,
            their_allocations: None,
        }
    };
    peers.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_and_a_peer_that_has_none_is_not_measured() {
        let timed = |name, is_ours, rounds: &[f64]| Timed { name, is_ours, rounds: rounds.into() };
        let all = [timed("ours", true, &[1.0; 8]), timed("a", false, &[4.0; 8])];
        let rows = timed_rows("area", "case", "ms", &all);
        assert_eq!((rows[0].ratio, rows[0].spread), (Some(0.25), Some((0.25, 0.25))));
        let rows = timed_rows("area", "case", "ms", &[all[0].clone(), timed("b", false, &[])]);
        assert_eq!((rows[0].ratio, rows[0].ours, rows[0].theirs), (None, Some(1.0), None));
        let one = [Timed::one("ours", true, None), Timed::one("a", false, Some(2.0))];
        let rows = timed_rows("area", "case", "MB", &one);
        assert_eq!((rows[0].ratio, rows[0].ours, rows[0].theirs), (None, None, Some(2.0)));
    }

    #[test]
    fn a_wait_has_a_ratio_where_a_count_has_none() {
        let figure = |name, is_ours, value| Figure { name, is_ours, value };
        let both = [figure("ours", true, 1.0), figure("a", false, 4.0)];
        assert_eq!(wait_rows("area", "case", &both)[0].ratio, Some(0.25));
        assert_eq!(figure_rows("area", "case", "tokens", &both)[0].ratio, None);
        assert_eq!(wait_rows("area", "case", &both[1..])[0].ratio, None);
    }

    #[test]
    fn what_was_not_measured_is_null() {
        let figure = |name, is_ours, value| Figure { name, is_ours, value };
        let peers = [figure("a", false, 1.0), figure("b", false, 2.0)];
        let rows = figure_rows("area", "case", "tokens", &peers);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].json()["ours"], Value::Null);
        assert_eq!(rows[1].json()["theirs"], 2.0);
        let all = [figure("ours", true, 0.0), figure("a", false, 1.0)];
        assert_eq!(figure_rows("area", "case", "tokens", &all)[0].ours, Some(0.0));
        let alone = figure_rows("area", "case", "tokens", &all[..1]);
        assert_eq!((alone[0].ours, alone[0].theirs), (Some(0.0), None));
    }
}
