//! Cases in turn, round after round.

use std::fmt;

use super::row::Row;
use super::shuffle::Shuffle;
use super::slice::{SLICE, Work};
use super::statistics;

const ROUNDS: usize = 60;

/// How everything is measured in this run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    seed: u64,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// For an area that has turns of its own.
    pub(crate) fn shuffle(&self) -> Shuffle {
        Shuffle::new(self.seed)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slice = SLICE.as_millis();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        write!(
            f,
            "{ROUNDS} rounds of slices of {slice} ms, shuffled by --seed {}; {cores} cores",
            self.seed
        )
    }
}

/// Ours under one heading of its case, or a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours { variant: &'static str },
    Peer { name: &'static str },
}

struct Subject {
    side: Side,
    work: Work,
    calls: u64,
    /// Nanoseconds a call, by round.
    rounds: Vec<f64>,
    /// Of all rounds.
    allocated: u64,
}

impl Subject {
    /// Of one call, on average. Not known of two threads: the counter is the
    /// calling thread's own.
    fn allocations(&self) -> Option<f64> {
        let calls = (self.calls * self.rounds.len() as u64) as f64;
        matches!(self.work, Work::Alone(_)).then(|| self.allocated as f64 / calls)
    }
}

/// Measures all groups in the same rounds, and compares each of ours with each
/// peer of its group.
///
/// In the same rounds, so that each case has its slices over the whole time:
/// what disturbs for a second disturbs none of them in all of its rounds.
pub(crate) fn measure(plan: &Plan, mut groups: Vec<Group>) -> Vec<Row> {
    let mut subjects: Vec<&mut Subject> =
        groups.iter_mut().flat_map(|group| &mut group.subjects).collect();
    for subject in &mut subjects {
        subject.calls = subject.work.calls_of_a_slice();
    }
    let mut shuffle = Shuffle::new(plan.seed);
    for _ in 0..ROUNDS {
        shuffle.shuffle(&mut subjects);
        for subject in &mut subjects {
            let (time, allocated) = subject.work.slice(subject.calls, shuffle.below(64));
            subject.rounds.push(time.as_secs_f64() * 1e9 / subject.calls as f64);
            subject.allocated += allocated;
        }
    }
    groups.iter().flat_map(Group::compare).collect()
}

/// Cases that do the same work, of which ours are compared with the peers.
pub(crate) struct Group {
    area: &'static str,
    case: String,
    subjects: Vec<Subject>,
}

impl Group {
    pub(crate) fn new(area: &'static str, case: impl Into<String>) -> Self {
        Self { area, case: case.into(), subjects: Vec::new() }
    }

    /// Ours. Where there are several ways to say it, each is a case of its
    /// own, told apart by `variant`; the main one has an empty variant.
    pub(crate) fn ours(self, variant: &'static str, work: impl FnMut(u64) + 'static) -> Self {
        self.with(Side::Ours { variant }, Work::Alone(Box::new(work)))
    }

    pub(crate) fn peer(self, name: &'static str, work: impl FnMut(u64) + 'static) -> Self {
        self.with(Side::Peer { name }, Work::Alone(Box::new(work)))
    }

    pub(crate) fn ours_contended(
        self,
        variant: &'static str,
        work: impl Fn(u64) + Sync + 'static,
    ) -> Self {
        self.with(Side::Ours { variant }, Work::Contended(Box::new(work)))
    }

    pub(crate) fn peer_contended(
        self,
        name: &'static str,
        work: impl Fn(u64) + Sync + 'static,
    ) -> Self {
        self.with(Side::Peer { name }, Work::Contended(Box::new(work)))
    }

    fn with(mut self, side: Side, work: Work) -> Self {
        let (calls, rounds) = (0, Vec::with_capacity(ROUNDS));
        self.subjects.push(Subject { side, work, calls, rounds, allocated: 0 });
        self
    }

    fn compare(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let variants: Vec<(&str, Option<&Subject>)> = self
            .subjects
            .iter()
            .filter_map(|subject| match subject.side {
                Side::Ours { variant } => Some((variant, Some(subject))),
                Side::Peer { .. } => None,
            })
            .collect();
        // What the peers take is told even where ours is not there yet.
        let variants = if variants.is_empty() { vec![("", None)] } else { variants };
        for (variant, ours) in variants {
            let case = match variant {
                "" => self.case.clone(),
                _ => format!("{}, {variant}", self.case),
            };
            for theirs in &self.subjects {
                let Side::Peer { name } = theirs.side else { continue };
                rows.push(self.row(&case, name, ours, theirs));
            }
        }
        rows
    }

    fn row(&self, case: &str, peer: &str, ours: Option<&Subject>, theirs: &Subject) -> Row {
        let (ratio, spread) =
            ours.map(|ours| statistics::ratio(&ours.rounds, &theirs.rounds)).unzip();
        Row {
            area: self.area,
            case: case.to_owned(),
            peer: peer.to_owned(),
            ours: ours.map(|ours| statistics::typical(&ours.rounds)),
            theirs: Some(statistics::typical(&theirs.rounds)),
            ratio,
            spread,
            unit: "ns",
            allocations: ours.and_then(Subject::allocations),
            their_allocations: theirs.allocations(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    fn spin(turns: u64) -> impl FnMut(u64) {
        move |calls| {
            for turn in 0..calls * turns {
                black_box(turn);
            }
        }
    }

    #[test]
    fn work_that_is_four_times_as_long_has_a_ratio_near_four() {
        let group = Group::new("area", "spin").ours("", spin(400)).peer("short", spin(100));
        let [row] = measure(&Plan::new(1), vec![group]).try_into().unwrap();
        // Wide, because whoever runs this has other things to do as well.
        assert!((3.0..5.0).contains(&row.ratio.unwrap()), "{row:?}");
        assert_eq!(row.allocations, Some(0.0));
    }

    #[test]
    fn each_of_ours_meets_each_peer_and_a_peer_stands_alone_without_ours() {
        let work = || |_: u64| std::thread::yield_now();
        let group = Group::new("area", "case")
            .ours("", spin(50))
            .ours("again", spin(50))
            .peer("one", spin(50))
            .peer("two", spin(50));
        let names: Vec<_> = group.compare().into_iter().map(|row| (row.case, row.peer)).collect();
        let name = |case: &str, peer: &str| (case.to_owned(), peer.to_owned());
        assert_eq!(
            names,
            [
                name("case", "one"),
                name("case", "two"),
                name("case, again", "one"),
                name("case, again", "two")
            ]
        );
        let alone = Group::new("area", "case").peer("one", work()).compare();
        assert_eq!((alone[0].ours, alone[0].ratio), (None, None));
    }

    #[test]
    fn what_two_threads_do_is_measured_on_the_wall_clock() {
        let group = Group::new("area", "spin").peer_contended("both", |calls| {
            for call in 0..calls {
                black_box(call);
            }
        });
        let [row] = measure(&Plan::new(1), vec![group]).try_into().unwrap();
        assert!(row.theirs.unwrap() > 0.0, "{row:?}");
    }
}
