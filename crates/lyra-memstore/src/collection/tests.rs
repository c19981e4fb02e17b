//! Whatever happens to a collection, its answers are those of going through
//! all entries.

use std::collections::BTreeMap;

use super::*;
use crate::{Entry, EntryKind, EntryPatch, Hit, MetadataValue, Metric, Query, Space, vector};

/// The same numbers in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }

    fn vector(&mut self, dimension: u32) -> Vec<f32> {
        // Few values, so that there are equals; and now and then extremes.
        let size = self.pick(&[1.0, 1.0, 1.0, 1e-30, 1e30]);
        let number = |random: &mut Self| {
            let sign = random.pick(&[1.0_f32, -1.0]);
            sign * size * random.pick(&[0.0_f32, 0.25, 0.5, 1.0, 0.123])
        };
        let mut vector: Vec<f32> = (0..dimension).map(|_| number(self)).collect();
        vector[0] = size;
        vector
    }

    fn text(&mut self) -> String {
        let parts = ["ab", "b", "é", "\0", "\u{fffd}", "\"", "'", " ", "aba", "C", "x y", "*"];
        (0..=self.below(8)).map(|_| self.pick(&parts)).collect()
    }

    fn value(&mut self) -> MetadataValue {
        match self.below(5) {
            0 => self.pick(&[0_i64, 1, -1, 2, i64::MAX, i64::MIN]).into(),
            1 => self.pick(&[0.0, -0.0, 1.0, 0.5, 2.0, 9.3e18, -1e300]).into(),
            2 => self.pick(&[true, false]).into(),
            _ => self.pick(&["", "a", "b", "1", "true", "é"]).into(),
        }
    }

    fn entry(&mut self, dimension: u32) -> Entry {
        let content = format!("{}.", self.text().replace('\0', ""));
        let mut entry = match self.below(2) {
            0 => Entry::fact(content),
            _ => Entry::journal(content, "summary"),
        };
        entry = entry.with_embedding(self.vector(dimension));
        for key in ["k", "l", "m"] {
            if self.below(2) == 0 {
                entry = entry.with_metadata(key, self.value());
            }
        }
        if self.below(2) == 0 {
            entry = entry.with_significance(1 + self.below(10).cast_signed());
        }
        entry.with_tags(["t", "u"].into_iter().filter(|_| self.below(3) == 0))
    }

    fn filter(&mut self, depth: u32) -> Filter {
        let key = self.pick(&["k", "l", "m", "none"]);
        match self.below(if depth == 0 { 12 } else { 16 }) {
            0 => Filter::eq(key, self.value()),
            1 => Filter::ne(key, self.value()),
            2 => Filter::gt(key, self.value()),
            3 => Filter::gte(key, self.value()),
            4 => Filter::lt(key, self.value()),
            5 => Filter::lte(key, self.value()),
            6 => Filter::is_in(key, [self.value(), self.value()]),
            7 => Filter::not_in(key, [self.value()]),
            8 => Filter::exists(key),
            9 => Filter::tag(self.pick(&["t", "u", "v"])),
            10 => Filter::contains(self.text()),
            11 => Filter::significance(3..=self.below(8).cast_signed() + 3),
            12 => !self.filter(depth - 1),
            13 => self.filter(depth - 1).and(self.filter(depth - 1)),
            14 => self.filter(depth - 1).or(self.filter(depth - 1)),
            _ => Filter::kind(self.pick(&[EntryKind::Fact, EntryKind::Journal])),
        }
    }
}

/// The entries by the order of adding, as they have to be.
type Model = BTreeMap<u64, Entry>;

fn brute(
    model: &Model,
    metric: Metric,
    target: &[f32],
    top: usize,
    filter: Option<&Filter>,
) -> Vec<String> {
    let matching = model.values().filter(|entry| filter.is_none_or(|f| f.matches(entry)));
    let mut found: Vec<(f64, &Entry)> = matching
        .map(|entry| (vector::distance(metric, target, entry.embedding().unwrap()), entry))
        .collect();
    // It is stable: of equals the oldest comes first.
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().take(top).map(|(_, entry)| entry.id().unwrap().to_owned()).collect()
}

fn ids(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.entry.id().unwrap().to_owned()).collect()
}

/// One random step on the collection and on the model.
fn step(random: &mut Random, collection: &Collection, model: &mut Model, made: &mut u64) {
    let dimension = collection.space().dimension();
    let known: Vec<u64> = model.keys().copied().collect();
    match random.below(10) {
        0..6 => {
            let batch: Vec<Entry> = (0..=random.below(40))
                .map(|_| {
                    *made += 1;
                    random.entry(dimension).with_id(format!("id-{made}"))
                })
                .collect();
            collection.add(batch.clone()).unwrap();
            let first = *made - batch.len() as u64 + 1;
            model.extend((first..).zip(batch));
        }
        6 | 7 if !known.is_empty() => {
            let at = random.pick(&known);
            let id = format!("id-{at}");
            let entry = random.entry(dimension).with_id(&*id);
            match random.below(2) {
                0 => drop(collection.upsert(entry.clone()).unwrap()),
                _ => {
                    let value = random.value();
                    let patch = EntryPatch::new(&*id).with_metadata("k", value);
                    let patch = patch.with_embedding(random.vector(dimension));
                    collection.update(patch.clone()).unwrap();
                    let old = model[&at].clone();
                    let new = patch.applied_to(&old);
                    model.insert(at, new);
                    settle(model, at, collection.space().metric());
                    return;
                }
            }
            model.insert(at, entry);
        }
        _ if !known.is_empty() => {
            let at = random.pick(&known);
            collection.delete([format!("id-{at}")]).unwrap();
            model.remove(&at);
        }
        _ => {}
    }
    for at in model.keys().copied().collect::<Vec<_>>() {
        settle(model, at, collection.space().metric());
    }
}

/// As it is stored.
fn settle(model: &mut Model, at: u64, metric: Metric) {
    let entry = model.get_mut(&at).unwrap();
    entry.embedding = entry.embedding.take().map(|given| vector::settle(given, metric));
}

fn lives(metric: Metric, dimension: u32, seed: u64, steps: u32) {
    let directory = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(directory.path().join("memory")).unwrap();
    let space = match metric {
        Metric::Cosine => Space::cosine(dimension),
        Metric::L2 => Space::l2(dimension),
        Metric::InnerProduct => Space::inner_product(dimension),
    };
    let collection = store.collection("things", space).unwrap();
    // One that shares the codes, one with its own, one that reads the disk.
    let reader = |budget| {
        let builder = MemoryStore::builder(store.directory()).with_memory_budget(budget);
        builder.open_read_only().unwrap().open_collection("things").unwrap()
    };
    let readers = [collection.clone(), reader(usize::MAX), reader(0)];
    let (mut random, mut model, mut made) = (Random(seed), Model::new(), 0);
    for at in 0..steps {
        step(&mut random, &collection, &mut model, &mut made);
        match random.below(60) {
            0 => store.reindex().unwrap(),
            1 => drop(store.compact().unwrap()),
            _ => {}
        }
        let target = vector::settle(random.vector(dimension), metric);
        let top = random.pick(&[1, 3, 10, 100]);
        let filter = (random.below(3) > 0).then(|| random.filter(3));
        let wanted = brute(&model, metric, &target, top, filter.as_ref());
        for (who, collection) in readers.iter().enumerate() {
            let mut query = Query::embedding(target.clone()).top(top);
            if let Some(filter) = &filter {
                query = query.filter(filter.clone());
                let count = model.values().filter(|entry| filter.matches(entry)).count();
                assert_eq!(collection.count_where(filter).unwrap(), count as u64, "{filter:?}");
            }
            let found = collection.query(query).unwrap();
            assert_eq!(ids(&found), wanted, "reader {who}, step {at}, {metric}, {filter:?}");
        }
    }
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
}

#[test]
fn answers_are_those_of_going_through_all_entries() {
    let soak: u64 = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for seed in 0..soak {
        for (at, metric) in
            [Metric::Cosine, Metric::L2, Metric::InnerProduct].into_iter().enumerate()
        {
            let seed = 7 + 3 * seed + at as u64;
            lives(metric, [3, 17, 70][at], seed * 0x9E37_79B9, 60);
        }
    }
}
