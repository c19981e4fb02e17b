//! Metadata at its extremes: what a filter finds by the index is what it means
//! by the book, over the entries as they are listed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::cmp::Ordering;

use lyra_memstore::{
    Collection, Entry, EntryPatch, Filter, ImportOptions, List, MemoryError, MemoryStore,
    MetadataValue, Query, Space,
};

const TWO_TO_53: i64 = 1 << 53;
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

fn values() -> Vec<MetadataValue> {
    let ints = [0, 1, -1, 2, 10, i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1]
        .into_iter()
        .chain((-2..=2).flat_map(|by| [TWO_TO_53 + by, -TWO_TO_53 + by]))
        .chain([1 << 62, (1 << 62) + 1, i64::MAX - 1023, i64::MAX - 511]);
    #[expect(clippy::cast_precision_loss, reason = "the neighbours of what is lost are meant")]
    let near = (-2..=2).flat_map(|by| {
        let float = (TWO_TO_53 + by) as f64;
        [float, -float, float.next_up(), float.next_down()]
    });
    let floats = [0.0, -0.0, 0.5, 1.0, -1.0, 1.5, 10.0, f64::EPSILON, 1.0_f64.next_up()]
        .into_iter()
        .chain([f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::from_bits(1), -f64::from_bits(1)])
        .chain([f64::MIN_POSITIVE.next_down(), 1e-300, -1e300, 0.1, 0.1_f64.next_up()])
        .chain([TWO_TO_63, -TWO_TO_63, TWO_TO_63.next_down(), (-TWO_TO_63).next_down()])
        .chain(near);
    let long = "long ".repeat(10_000);
    let texts = [
        "",
        " ",
        "a",
        "A",
        "b",
        "ab",
        "1",
        "1.0",
        "0",
        "-0",
        "true",
        "false",
        "null",
        "%",
        "_",
        "a%b",
        "a_b",
        "axb",
        "'",
        "''",
        "\"",
        "\\",
        "a'b\"c",
        "'; DROP TABLE entries; --",
        "é",
        "e\u{301}",
        "É",
        "ß",
        "ss",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "🌊",
        "\n",
        "\t",
        "\u{1}",
        "\u{7f}",
        "\u{feff}",
        "日本",
        "[1]",
        "{}",
        "9223372036854775808",
        long.trim(),
        &long,
    ];
    let mut all: Vec<MetadataValue> = ints.map(Into::into).collect();
    all.extend(floats.map(MetadataValue::from));
    all.extend(texts.into_iter().map(MetadataValue::from));
    all.extend([true, false].map(MetadataValue::from));
    all
}

/// By the book: numbers as numbers, texts by their scalars, nothing across.
fn order(a: &MetadataValue, b: &MetadataValue) -> Option<Ordering> {
    use MetadataValue::{Bool, Float, Int, Text};
    match (a, b) {
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Int(a), Float(b)) => Some(mixed(*a, *b)),
        (Float(a), Int(b)) => Some(mixed(*b, *a).reverse()),
        (Text(a), Text(b)) => Some(a.chars().cmp(b.chars())),
        _ => None,
    }
}

/// In i128, where each whole number of both types that matters has its place.
fn mixed(int: i64, float: f64) -> Ordering {
    #[expect(clippy::cast_possible_truncation, reason = "what is larger is larger than any i64")]
    let whole = float.floor() as i128;
    match i128::from(int).cmp(&whole) {
        Ordering::Equal if float.fract() != 0.0 => Ordering::Less,
        order => order,
    }
}

/// A filter, and what it means for an entry.
type Case = (Filter, Box<dyn Fn(&Entry) -> bool>);

fn comparisons(key: &'static str, value: &MetadataValue) -> Vec<Case> {
    let case = |filter: Filter, holds: fn(Option<Ordering>) -> bool| -> Case {
        let value = value.clone();
        let of = move |entry: &Entry| {
            holds(entry.metadata().get(key).and_then(|stored| order(stored, &value)))
        };
        (filter, Box::new(of))
    };
    let given = || value.clone();
    vec![
        case(Filter::eq(key, given()), |order| order == Some(Ordering::Equal)),
        case(Filter::ne(key, given()), |order| order != Some(Ordering::Equal)),
        case(Filter::gt(key, given()), |order| order == Some(Ordering::Greater)),
        case(Filter::gte(key, given()), |order| order.is_some_and(Ordering::is_ge)),
        case(Filter::lt(key, given()), |order| order == Some(Ordering::Less)),
        case(Filter::lte(key, given()), |order| order.is_some_and(Ordering::is_le)),
    ]
}

fn is_one_of(entry: &Entry, key: &str, values: &[MetadataValue]) -> bool {
    let equal = |stored| values.iter().any(|value| order(stored, value) == Some(Ordering::Equal));
    entry.metadata().get(key).is_some_and(equal)
}

/// One entry for each value under `k`; every third has a neighbour of it under
/// `l`, and some have nothing at all.
fn filled(store: &MemoryStore) -> Collection {
    let things = store.collection("things", Space::l2(2)).unwrap();
    let values = values();
    let entry = |(at, value): (usize, &MetadataValue)| {
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let vector = [at as f32, 1.0];
        let content = match value {
            MetadataValue::Text(text) if !text.is_empty() => text.clone(),
            other => format!("is <{other}>"),
        };
        let entry = Entry::fact(content).with_id(format!("{at}")).with_embedding(vector);
        let entry = entry.with_metadata("k", value.clone());
        if at % 3 == 0 {
            entry.with_metadata("l", values[(at + 1) % values.len()].clone())
        } else {
            entry
        }
    };
    things.add(values.iter().enumerate().map(entry).collect::<Vec<_>>()).unwrap();
    let bare =
        |at: i32| Entry::fact("bare").with_id(format!("bare-{at}")).with_embedding([-1.0, 0.0]);
    things.add((0..5).map(bare).collect::<Vec<_>>()).unwrap();
    things
}

fn ids(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.id().unwrap().to_owned()).collect()
}

/// The list, the count and the query by `filter` are those of the entries that
/// `means` takes.
fn assert_found(collections: &[Collection], all: &[Entry], (filter, means): &Case) {
    let wanted = ids(all.iter().filter(|entry| means(entry)).cloned());
    for things in collections {
        let listed = things.list(List::new().filter(filter.clone())).unwrap();
        assert_eq!(ids(listed), wanted, "{filter:?}");
        assert_eq!(things.count_where(filter).unwrap(), wanted.len() as u64, "{filter:?}");
        // The vectors lie in the order of adding, seen from the far left.
        let query = Query::embedding([-1000.0, 1.0]).top(1000).filter(filter.clone());
        let mut found = ids(things.query(query).unwrap().into_iter().map(|hit| hit.entry));
        found.sort_by_key(|id| all.iter().position(|entry| entry.id() == Some(id)));
        assert_eq!(found, wanted, "{filter:?}");
    }
}

#[test]
fn every_comparison_of_extreme_values_means_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let things = [filled(&store)];
    let all = things[0].list(List::new()).unwrap();
    let values = values();
    for value in &values {
        for case in comparisons("k", value) {
            assert_found(&things, &all, &case);
        }
    }
    let report = store.check().unwrap();
    assert!(report.is_ok(), "{report:?}");
}

/// Random trees of all operators, after updates and deletions, in memory and
/// from the disk.
#[test]
fn trees_of_filters_mean_what_they_say_after_changes_too() {
    let soak: u64 = std::env::var("LYRA_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let seed: Option<u64> = std::env::var("LYRA_TEST_SEED").ok().and_then(|n| n.parse().ok());
    let mut random = Random(seed.unwrap_or(17) | 1);
    println!("seed {}; repeat with LYRA_TEST_SEED", random.0);
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let things = filled(&store);
    let values = values();
    for at in 0..values.len() {
        let id = at.to_string();
        match random.below(5) {
            0 => things.delete([&id]).unwrap(),
            1 => {
                let patch = EntryPatch::new(&id).without_metadata("k");
                things.update(patch.with_metadata("l", random.pick(&values))).unwrap();
            }
            2 => things
                .update(EntryPatch::new(&id).with_metadata("k", random.pick(&values)))
                .unwrap(),
            _ => {}
        }
    }
    let all = things.list(List::new()).unwrap();
    let reader = MemoryStore::builder(store.directory()).with_memory_budget(0);
    let reader = reader.open_read_only().unwrap();
    let collections = [things, reader.open_collection("things").unwrap()];
    for _ in 0..400 * soak {
        assert_found(&collections, &all, &random.tree(&values, 3));
    }
    assert!(store.check().unwrap().is_ok());
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn tree(&mut self, values: &[MetadataValue], depth: usize) -> Case {
        let key = self.pick(&["k", "l", "K", "none"]);
        match self.below(if depth == 0 { 10 } else { 16 }) {
            0..6 => {
                let value = self.pick(values);
                let mut cases = comparisons(key, &value);
                cases.swap_remove(self.below(6))
            }
            6 => {
                let some: Vec<_> = (0..=self.below(4)).map(|_| self.pick(values)).collect();
                (Filter::is_in(key, some.clone()), Box::new(move |e| is_one_of(e, key, &some)))
            }
            7 => {
                let some: Vec<_> = (0..=self.below(4)).map(|_| self.pick(values)).collect();
                (Filter::not_in(key, some.clone()), Box::new(move |e| !is_one_of(e, key, &some)))
            }
            8 => (Filter::exists(key), Box::new(|e| e.metadata().contains_key(key))),
            9 => {
                let texts = [
                    "is",
                    "<1>",
                    "a",
                    "%",
                    "_",
                    "'",
                    "''",
                    "\"",
                    "DROP TABLE",
                    "e\u{301}",
                    "é",
                    "long long",
                    "\u{10ffff}",
                    "🌊",
                    "92233720368547758",
                    "bare",
                    " ",
                    "--",
                ];
                let text = self.pick(&texts);
                (Filter::contains(text), Box::new(move |e| e.content().contains(text)))
            }
            10 | 11 => {
                let (filter, means) = self.tree(values, depth - 1);
                (!filter, Box::new(move |e| !means(e)))
            }
            12 | 13 => {
                let ((a, a_means), (b, b_means)) =
                    (self.tree(values, depth - 1), self.tree(values, depth - 1));
                (a.and(b), Box::new(move |e| a_means(e) && b_means(e)))
            }
            _ => {
                let ((a, a_means), (b, b_means)) =
                    (self.tree(values, depth - 1), self.tree(values, depth - 1));
                (a.or(b), Box::new(move |e| a_means(e) || b_means(e)))
            }
        }
    }
}

#[test]
fn every_value_comes_back_with_its_type_and_its_bits() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let things = filled(&store);
    drop(store);
    for (at, value) in values().into_iter().enumerate() {
        let stored = things.get(&at.to_string()).unwrap().unwrap().metadata()["k"].clone();
        match (&value, &stored) {
            (MetadataValue::Float(given), MetadataValue::Float(stored)) => {
                assert_eq!(stored.to_bits(), (given + 0.0).to_bits(), "-0.0 becomes 0.0");
            }
            _ => assert_eq!(stored, value),
        }
    }
}

#[test]
fn a_null_is_an_absent_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let facts = store.collection("facts", Space::l2(1)).unwrap();
    let file = dir.path().join("facts.jsonl");
    let lines = [
        r#"{"id":"a","kind":"fact","content":"x","embedding":[1.0],"metadata":{"k":null}}"#,
        r#"{"id":"b","kind":"fact","content":"x","embedding":[1.0],"metadata":{"k":1,"l":null}}"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let report = facts.import(&[file], &ImportOptions::default(), &mut |_| {}).unwrap();
    assert_eq!((report.added, report.fault_count), (2, 0));
    let count = |filter: Filter| facts.count_where(&filter).unwrap();
    assert_eq!(count(Filter::exists("k")), 1);
    assert_eq!(count(Filter::exists("l")), 0);
    assert_eq!(count(Filter::ne("k", 1)), 1);
    assert_eq!(count(Filter::lt("k", 1)), 0);
    assert!(facts.get("a").unwrap().unwrap().metadata().is_empty());
    facts.update(EntryPatch::new("b").without_metadata("k")).unwrap();
    assert_eq!(count(Filter::exists("k")), 0);
    assert_eq!(count(Filter::eq("k", 1)), 0);
}

#[test]
fn keys_of_every_sort_are_told_apart_and_long_ones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::open(dir.path().join("memory")).unwrap();
    let facts = store.collection("facts", Space::l2(1)).unwrap();
    let long = "ü".repeat(128);
    let keys = ["k", "K", " k", "k ", "k.l", "k%", "k_", "'", "\"", "é", "e\u{301}", "0", &long];
    for key in &keys {
        let entry = Entry::fact("x").with_id(*key).with_metadata(*key, 1);
        facts.add(entry.with_embedding([1.0])).unwrap();
    }
    for key in &keys {
        for filter in [Filter::eq(*key, 1), Filter::exists(*key), Filter::is_in(*key, [1])] {
            assert_eq!(ids(facts.list(List::new().filter(filter)).unwrap()), [*key]);
        }
    }
    for (key, wanted) in [("", "required"), ("$k", "reserved"), (&*format!("{long}ü"), "too_long")]
    {
        let entry = Entry::fact("x").with_metadata(key, 1).with_embedding([1.0]);
        let MemoryError::Invalid { faults, .. } = facts.add(entry).unwrap_err() else {
            panic!("{key} is a fault of the entry")
        };
        assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), [wanted]);
        // To ask for what cannot be there is no error: it is not there.
        assert_eq!(facts.count_where(&Filter::exists(key)).unwrap(), 0);
    }
}
