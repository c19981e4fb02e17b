//! A card as it truly is, whatever the scheduler thinks of it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::scheduler::Key;
use crate::source::{MemoryReading, SourceError};

#[derive(Debug, Clone)]
pub(in crate::scheduler) struct Card {
    pub(super) total: u64,
    pub(super) stranger: u64,
    /// What each instance has of it.
    pub(super) held: BTreeMap<Key, u64>,
    /// What was given back and is still on its way: whose, when, how much.
    returning: Vec<(Key, Option<Duration>, u64)>,
    pub(super) fault: Option<SourceError>,
}

impl Card {
    pub(super) fn new(total: u64, stranger: u64) -> Self {
        Self { total, stranger, held: BTreeMap::new(), returning: Vec::new(), fault: None }
    }

    pub(super) fn used(&self) -> u64 {
        let returning: u64 = self.returning.iter().map(|(.., bytes)| bytes).sum();
        self.held.values().sum::<u64>() + returning + self.stranger
    }

    pub(super) fn free(&self) -> u64 {
        self.total.saturating_sub(self.used())
    }

    /// Takes more for this instance; false if there is not so much.
    pub(super) fn take(&mut self, key: Key, bytes: u64) -> bool {
        let fits = bytes <= self.free();
        if fits {
            *self.held.entry(key).or_default() += bytes;
        }
        fits
    }

    /// What this instance has goes back, after a while or never.
    pub(super) fn give_back(&mut self, key: Key, at: Option<Duration>) {
        if let Some(bytes) = self.held.remove(&key) {
            self.returning.push((key, at, bytes));
        }
    }

    /// What was to come back by now is back.
    pub(super) fn settle(&mut self, now: Duration) {
        self.returning.retain(|(_, at, _)| at.is_none_or(|at| at > now));
    }

    /// Whatever was given back is back.
    pub(super) fn return_all(&mut self) {
        self.returning.clear();
    }

    pub(super) fn is_returning(&self) -> bool {
        !self.returning.is_empty()
    }

    /// What is still there of each instance.
    pub(super) fn left(&self) -> BTreeMap<Key, u64> {
        let mut left = self.held.clone();
        for (key, _, bytes) in &self.returning {
            *left.entry(*key).or_default() += bytes;
        }
        left
    }

    pub(super) fn read(&self) -> Result<MemoryReading, SourceError> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(MemoryReading::new(self.total, self.free())),
        }
    }
}
