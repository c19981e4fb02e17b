//! A set of numbers as the ranges that they form.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Takes memory for each gap, not for each number.
#[derive(Debug, Default)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a number, and says whether it was missing.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let before = self.0.range(..=number).next_back().map(|(&begin, &end)| (begin, end));
        if before.is_some_and(|(_, end)| end >= number) {
            return false;
        }
        let begin = match before {
            Some((begin, end)) if end + 1 == number => begin,
            _ => number,
        };
        let after = number.checked_add(1).and_then(|next| self.0.remove(&next));
        self.0.insert(begin, after.unwrap_or(number));
        true
    }

    /// What lies between the first and the last number and is missing.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = RangeInclusive<u64>> + Clone {
        let ends = self.0.values();
        ends.zip(self.0.keys().skip(1)).map(|(&end, &begin)| end + 1..=begin - 1)
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.0.keys().next().copied()
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.0.values().next_back().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(numbers in prop::collection::vec(prop_oneof![0_u64..40, Just(u64::MAX)], 0..60)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
            }
            prop_assert_eq!(ranges.first(), set.first().copied());
            prop_assert_eq!(ranges.last(), set.last().copied());
            let small: Vec<u64> = set.iter().copied().filter(|&n| n < 40).collect();
            let missing: Vec<u64> = match small.last() {
                Some(&last) => (small[0]..last).filter(|n| !set.contains(n)).collect(),
                None => Vec::new(),
            };
            let told: Vec<u64> = ranges.gaps().filter(|gap| *gap.end() < 40).flatten().collect();
            prop_assert_eq!(told, missing);
        }
    }
}
