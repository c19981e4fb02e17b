//! A set of places in a collection, one bit for each.

/// Which slots are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Slots {
    words: Vec<u64>,
}

const BITS: usize = u64::BITS as usize;

impl Slots {
    /// None of the first `count` slots.
    pub(crate) fn none(count: usize) -> Self {
        Self { words: vec![0; count.div_ceil(BITS)] }
    }

    pub(crate) fn insert(&mut self, slot: usize) {
        let word = slot / BITS;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (slot % BITS);
    }

    pub(crate) fn contains(&self, slot: usize) -> bool {
        self.words.get(slot / BITS).is_some_and(|word| word >> (slot % BITS) & 1 == 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.iter_in(0, self.words.len() * BITS)
    }

    /// Those among the `count` slots from `first` on.
    pub(crate) fn iter_in(&self, first: usize, count: usize) -> impl Iterator<Item = usize> {
        let end = (first + count).min(self.words.len() * BITS);
        let words = first.min(end) / BITS..end.div_ceil(BITS);
        let bits = words.flat_map(|at| {
            let mut word = self.words[at];
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                word &= word.wrapping_sub(1);
                (bit < BITS).then_some(at * BITS + bit)
            })
        });
        bits.filter(move |slot| (first..end).contains(slot))
    }

    pub(crate) fn count_in(&self, first: usize, count: usize) -> usize {
        if first.is_multiple_of(BITS) && count.is_multiple_of(BITS) {
            let words = first / BITS..((first + count) / BITS).min(self.words.len());
            return self
                .words
                .get(words)
                .unwrap_or_default()
                .iter()
                .map(|w| w.count_ones() as usize)
                .sum();
        }
        self.iter_in(first, count).count()
    }

    /// Keeps those that are in both.
    pub(crate) fn keep(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Adds those of `other`.
    pub(crate) fn join(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Takes out those of `other`.
    pub(crate) fn drop_all(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }
}

impl FromIterator<usize> for Slots {
    fn from_iter<I: IntoIterator<Item = usize>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}
