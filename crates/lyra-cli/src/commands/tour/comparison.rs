use std::collections::BTreeMap;

use lyra::errors::Result;
use lyra::memstore::{Collection, Entry, MetadataValue};

use super::writer::{KEY, WHOLE};

/// Every entry of several collections, under collection and id.
pub(super) type Contents = BTreeMap<(String, String), Entry>;

pub(super) fn contents<'a>(
    collections: impl IntoIterator<Item = &'a Collection>,
) -> Result<Contents> {
    let mut contents = Contents::new();
    for collection in collections {
        collection.for_each(|entry| -> Result<()> {
            let id = entry.id().unwrap_or_default().to_owned();
            contents.insert((collection.name().to_owned(), id), entry);
            Ok(())
        })?;
    }
    Ok(contents)
}

/// What must hold between a store and its restored backup, when the backup
/// was made while a writer added transactions and nobody changed or deleted.
pub(super) struct Comparison<'a> {
    /// What was there when the backup began.
    pub(super) before: &'a Contents,
    /// What the restored store holds.
    pub(super) restored: Contents,
    /// What the live store holds by now.
    pub(super) live: Contents,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Entries from before the backup that were restored bit for bit.
    pub(super) equal: usize,
    /// Transactions that were committed while the backup was made and are in
    /// it.
    pub(super) later_transactions: u64,
}

impl Comparison<'_> {
    /// What holds, or the first thing that does not.
    pub(super) fn outcome(&self) -> Result<Outcome, String> {
        for (key, entry) in self.before {
            match self.restored.get(key) {
                None => return Err(format!("{}/{} is missing", key.0, key.1)),
                Some(restored) if !identical(entry, restored) => {
                    return Err(format!("{}/{} is another entry", key.0, key.1));
                }
                Some(_) => {}
            }
        }
        for (key, entry) in &self.restored {
            if !self.live.get(key).is_some_and(|live| identical(live, entry)) {
                return Err(format!("{}/{} was never written", key.0, key.1));
            }
            if transaction(entry).is_none() && !self.before.contains_key(key) {
                return Err(format!("{}/{} belongs to no transaction", key.0, key.1));
            }
        }
        let sizes = sizes(&self.restored);
        if let Some((number, size)) = sizes.iter().find(|(_, size)| **size != WHOLE) {
            return Err(format!("transaction {number} has {size} of {WHOLE} entries"));
        }
        // They were committed one after the other, so none may be missing
        // between two that are there.
        let last = sizes.keys().next_back().copied().unwrap_or(0);
        if i64::try_from(sizes.len()) != Ok(last) {
            return Err(format!("of {last} transactions only {} are there", sizes.len()));
        }
        let earlier = whole_transactions(self.before);
        Ok(Outcome { equal: self.before.len(), later_transactions: (sizes.len() - earlier) as u64 })
    }
}

fn transaction(entry: &Entry) -> Option<i64> {
    match entry.metadata().get(KEY) {
        Some(MetadataValue::Int(number)) => Some(*number),
        _ => None,
    }
}

/// How many entries of each transaction there are.
fn sizes(contents: &Contents) -> BTreeMap<i64, usize> {
    let mut sizes = BTreeMap::new();
    for number in contents.values().filter_map(transaction) {
        *sizes.entry(number).or_default() += 1;
    }
    sizes
}

fn whole_transactions(contents: &Contents) -> usize {
    sizes(contents).values().filter(|size| **size == WHOLE).count()
}

/// Equal in every bit: `==` takes 0.0 for -0.0.
fn identical(one: &Entry, other: &Entry) -> bool {
    let bits = |entry: &Entry| {
        entry.embedding().map(|v| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    one == other && bits(one) == bits(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported() -> Contents {
        let entry = Entry::fact("imported").with_id("a").with_embedding([0.0, 1.0]);
        Contents::from([(("journal".to_owned(), "a".to_owned()), entry)])
    }

    fn transaction(contents: &mut Contents, number: i64, size: usize) {
        for i in 0..size {
            let id = format!("writer-{number}-{i}");
            let entry = Entry::fact("x").with_id(&id).with_metadata(KEY, number);
            contents.insert(("facts".to_owned(), id), entry);
        }
    }

    fn outcome(restored: Contents, live: Contents) -> Result<Outcome, String> {
        Comparison { before: &imported(), restored, live }.outcome()
    }

    #[test]
    fn whole_later_transactions_are_counted() {
        let mut restored = imported();
        transaction(&mut restored, 1, WHOLE);
        let mut live = restored.clone();
        transaction(&mut live, 2, WHOLE);
        assert_eq!(outcome(restored, live), Ok(Outcome { equal: 1, later_transactions: 1 }));
    }

    #[test]
    fn a_missing_or_changed_entry_is_found() {
        assert!(outcome(Contents::new(), imported()).is_err_and(|e| e.contains("missing")));
        let mut changed = imported();
        for entry in changed.values_mut() {
            *entry = entry.clone().with_embedding([-0.0, 1.0]);
        }
        assert!(outcome(changed, imported()).is_err_and(|e| e.contains("another entry")));
    }

    #[test]
    fn half_a_transaction_a_gap_and_an_invention_are_found() {
        let mut half = imported();
        transaction(&mut half, 1, WHOLE - 1);
        assert!(outcome(half.clone(), half).is_err_and(|e| e.contains("4 of 5")));
        let mut gap = imported();
        transaction(&mut gap, 2, WHOLE);
        assert!(outcome(gap.clone(), gap).is_err_and(|e| e.contains("only 1 are there")));
        let mut invented = imported();
        transaction(&mut invented, 1, WHOLE);
        assert!(outcome(invented, imported()).is_err_and(|e| e.contains("never written")));
    }
}
