//! What the devices tell.

use std::time::Duration;

use super::{Condition, Key, Scheduler, State};
use crate::event::EventKind;
use crate::source::{MemoryReading, SourceError};

/// A reading of one device.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    /// When it was asked.
    pub(crate) began: Duration,
    /// What time it is for people, since the beginning of 1970.
    pub(crate) unix: Duration,
    pub(crate) memory: Result<MemoryReading, SourceError>,
    /// What the processes of this manager's models have, if the driver told.
    pub(crate) own: Option<u64>,
}

impl Scheduler {
    /// Takes what was read of a device.
    pub(crate) fn read(&mut self, now: Duration, index: usize, read: Read) {
        let reading = match read.memory {
            Ok(reading) => reading,
            Err(error) => return self.unread(now, index, &error),
        };
        let device = &mut self.devices[index];
        if matches!(device.condition, Condition::Stale | Condition::Lost) {
            let id = device.info.id.clone();
            self.tell(now, EventKind::Back { device: id });
        }
        self.devices[index].take(now, read.began, reading, read.own);
        let is_current = self.devices[index].is_current;
        // What was asked while it was still loading does not tell all that a
        // model takes.
        if Some(read.began) >= self.devices[index].changed_at {
            self.learn(now, index);
        }
        if is_current {
            self.verify(now, index);
            self.shrink_quarantine(now, index);
            // What came back is nobody's any more.
            self.devices[index].tell_strangers(read.own, true);
        }
        self.relieve(now, index);
        self.devices[index].remember(now, read.unix);
        self.serve(now);
    }

    fn unread(&mut self, now: Duration, index: usize, error: &SourceError) {
        self.counts.read_errors += 1;
        let device = &mut self.devices[index];
        let before = device.condition;
        match error {
            SourceError::Lost | SourceError::Absent { .. } => device.condition = Condition::Lost,
            SourceError::NotSupported => device.condition = Condition::Unmeasured,
            // It is trusted until its last answer is too old.
            SourceError::TimedOut | SourceError::Failed { .. } => return,
        }
        if before != device.condition && device.condition == Condition::Lost {
            let id = device.info.id.clone();
            self.tell(now, EventKind::Lost { device: id });
        }
        let verifying = self.entries.iter().filter(|(_, entry)| {
            matches!(entry.state, State::Verifying { .. }) && entry.share_on(index).is_some()
        });
        let keys: Vec<Key> = verifying.map(|(key, _)| *key).collect();
        for key in keys {
            self.verify_blind(now, key);
        }
        self.serve(now);
    }

    /// A model that was loaded while nothing else moved takes what is not free
    /// since.
    fn learn(&mut self, now: Duration, index: usize) {
        let device = &self.devices[index];
        let (unavailable, moves) = (device.unavailable(), device.moves);
        let fresh = self.entries.iter().filter_map(|(key, entry)| {
            let share = entry.share_on(index)?;
            let (before, moved) = share.before.filter(|_| entry.state == State::Ready)?;
            Some((*key, unavailable.saturating_sub(before), moved == moves))
        });
        for (key, observed, is_its_own) in fresh.collect::<Vec<_>>() {
            let told = self.change(now, key, |entry| {
                let name = entry.name();
                let share = entry.shares.iter_mut().find(|share| share.device == index)?;
                share.before = None;
                // Nothing to see: it may be shared, or lazily taken.
                if !is_its_own || observed == 0 {
                    return None;
                }
                share.observed = Some(observed);
                Some((name, share.estimate))
            });
            if let Some(Some((model, estimate))) = told {
                self.tell_exceeded(now, model, estimate, observed);
            }
        }
    }
}
