//! How little was taken of a bucket, at each charge since some other one: what
//! is given back can be no more than that, or it would have run over.

/// How many charges are remembered one by one.
const MOST: usize = 1_024;

/// Charges, by their number, with what was taken before them; of those that
/// were followed by one with less, only that one counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lows(Vec<(u64, u64)>);

impl Lows {
    pub(super) fn note(&mut self, charge: u64, taken: u64) {
        while self.0.last().is_some_and(|(_, last)| *last >= taken) {
            self.0.pop();
        }
        self.0.push((charge, taken));
        if self.0.len() > MOST {
            self.halve();
        }
    }

    /// The least that was taken before any charge after that one.
    pub(super) fn since(&self, charge: u64) -> Option<u64> {
        let first = self.0.partition_point(|(number, _)| *number <= charge);
        self.0.get(first).map(|(_, taken)| *taken)
    }

    /// After `charge`, `less` is to be taken for not having been taken.
    pub(super) fn lower_since(&mut self, charge: u64, less: u64) {
        let first = self.0.partition_point(|(number, _)| *number <= charge);
        for (_, taken) in &mut self.0[first..] {
            *taken = taken.saturating_sub(less);
        }
        let Some((_, lowest)) = self.0.get(first).copied() else { return };
        let keeps = self.0[..first].partition_point(|(_, taken)| *taken < lowest);
        self.0.drain(keeps..first);
    }

    /// The nanoseconds of a token have changed.
    pub(super) fn scale(&mut self, scaled: impl Fn(u64) -> u64) {
        self.0.iter_mut().for_each(|(_, taken)| *taken = scaled(*taken));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Remembers every second charge, with the least of both.
    fn halve(&mut self) {
        let pairs = self.0.chunks(2).map(|pair| (pair[pair.len() - 1].0, pair[0].1));
        self.0 = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_since_a_charge_is_told() {
        let mut lows = Lows::default();
        for (charge, taken) in [(1, 0), (2, 50), (3, 30), (4, 40)] {
            lows.note(charge, taken);
        }
        assert_eq!(
            (0..5).map(|n| lows.since(n)).collect::<Vec<_>>(),
            [Some(0), Some(30), Some(30), Some(40), None]
        );
        lows.lower_since(2, 35);
        assert_eq!((lows.since(0), lows.since(1), lows.since(3)), (Some(0), Some(0), Some(5)));
    }

    #[test]
    fn however_many_there_are_it_stays_small_and_says_no_more() {
        let (mut all, mut few) = (Vec::new(), Lows::default());
        for charge in 1..10_000 {
            all.push((charge, charge * 3));
            few.note(charge, charge * 3);
        }
        assert!(few.0.len() <= MOST);
        for since in [0, 17, 5_000, 9_997] {
            let least = all.iter().filter(|(charge, _)| *charge > since).map(|(_, low)| *low).min();
            assert!(few.since(since) <= least);
        }
    }
}
