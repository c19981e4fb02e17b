//! From the decision that a model leaves until the device shows its memory as
//! free: asked twice, ended by force, and kept on the books.

use std::time::Duration;

use super::{Condition, Effect, Entry, Key, Scheduler, Share, State};
use crate::event::{EventKind, UnloadReason};

/// How often its unloader is asked before it is ended by force.
const ATTEMPTS: u8 = 2;

/// After this part of the time to verify, a tenth of an estimate that came back
/// is believed to be all there was.
const BELIEVED_AFTER: u32 = 4;

impl Scheduler {
    /// Begins to unload what nobody uses.
    pub(crate) fn begin_unload(&mut self, now: Duration, key: Key, reason: UnloadReason) {
        let Some(entry) = self.entries.get(&key) else { return };
        // Once it is closed nobody is there to ask an unloader.
        if entry.state != State::Ready || entry.refs > 0 || self.is_closed {
            return;
        }
        let (model, bytes) = (entry.name(), entry.bytes());
        let shares = entry.shares.iter();
        let before: Vec<u64> =
            shares.map(|share| self.devices[share.device].unavailable()).collect();
        self.counts.evicted += 1;
        self.disturb(key);
        self.change(now, key, |entry| {
            entry.state = State::Unloading { since: now, attempt: 1, reason };
            for (share, before) in entry.shares.iter_mut().zip(before) {
                (share.is_back, share.before) = (false, Some((before, 0)));
            }
        });
        self.tell(now, EventKind::Unloading { model, bytes, reason });
        self.effects.push(Effect::Unload(key));
    }

    /// Its unloader is done, or has failed, or took too long.
    pub(crate) fn unload_answered(&mut self, now: Duration, key: Key, is_done: bool) {
        let Some(entry) = self.entries.get(&key) else { return };
        let State::Unloading { since, attempt, reason } = entry.state else { return };
        let model = entry.name();
        if is_done {
            self.begin_verify(now, key, since, false);
            return self.serve(now);
        }
        self.tell(now, EventKind::UnloadFailed { model: model.clone(), attempt });
        if attempt < ATTEMPTS {
            let state = State::Unloading { since, attempt: attempt + 1, reason };
            self.change(now, key, |entry| entry.state = state);
            self.effects.push(Effect::Unload(key));
        } else {
            self.tell(now, EventKind::Killed { model });
            self.effects.push(Effect::Kill(key));
            self.begin_verify(now, key, since, true);
        }
    }

    pub(super) fn begin_verify(
        &mut self,
        now: Duration,
        key: Key,
        asked: Duration,
        is_killed: bool,
    ) {
        self.change(now, key, |entry| {
            entry.state = State::Verifying { since: now, asked, is_killed };
        });
        // A device that cannot be read can show nothing.
        self.verify_blind(now, key);
    }

    pub(super) fn verify_blind(&mut self, now: Duration, key: Key) {
        let Some(entry) = self.entries.get(&key) else { return };
        if entry.shares.iter().all(|share| share.is_back || self.is_blind(share.device)) {
            self.gone(now, key);
        }
    }

    fn is_blind(&self, device: usize) -> bool {
        matches!(self.devices[device].condition, Condition::Lost | Condition::Unmeasured)
    }

    /// Looks what has come back to a device that was just read.
    pub(super) fn verify(&mut self, now: Duration, device: usize) {
        let mut freed = self.devices[device].freed().max(self.freed_for_certain(device));
        let waiting = self.entries.iter().filter(|(_, entry)| entry.share_on(device).is_some());
        let mut keys: Vec<(bool, Duration, Key)> = waiting
            .filter_map(|(key, entry)| match entry.state {
                State::Verifying { since, .. } => Some((false, since, *key)),
                State::Quarantined => Some((true, Duration::ZERO, *key)),
                _ => None,
            })
            .collect();
        // What was unloaded first is back first; what is in quarantine last.
        keys.sort_unstable();
        for (.., key) in keys {
            let Some(share) = self.entries.get(&key).and_then(|entry| entry.share_on(device))
            else {
                continue;
            };
            let expected = i128::from(share.expected());
            // Nine tenths, as a driver keeps some for itself.
            if share.is_back || freed * 10 < expected * 9 {
                continue;
            }
            freed -= expected;
            // Each device has its part back on its own.
            self.change(now, key, |entry| {
                let share = entry.shares.iter_mut().find(|share| share.device == device);
                share.into_iter().for_each(|share| share.shrink_to(0));
            });
            self.verify_blind(now, key);
        }
    }

    /// How much of what is to come back cannot be there any more, whatever
    /// strangers do: all that is left has to be within what is not free beside
    /// what models that are ready are known to take.
    ///
    /// So a runner that had died before it was unloaded is seen as gone.
    fn freed_for_certain(&self, index: usize) -> i128 {
        let shares = |is_it: fn(&Entry) -> bool| {
            let entries = self.entries.values().filter(move |entry| is_it(entry));
            entries.filter_map(move |entry| entry.share_on(index))
        };
        let ready = shares(|entry| entry.state == State::Ready);
        let known: u64 = ready.filter_map(|share| share.observed).sum();
        let leaving =
            shares(|entry| matches!(entry.state, State::Verifying { .. } | State::Quarantined));
        let leaving: u64 = leaving.map(Share::expected).sum();
        let left = self.devices[index].unavailable().saturating_sub(known);
        i128::from(leaving) - i128::from(left)
    }

    /// Where nothing moves, no more is in quarantine than the device shows
    /// beyond what others have: what others give back meanwhile is taken for
    /// it, and what they take keeps it longer, but the sum is what is there.
    pub(super) fn shrink_quarantine(&mut self, now: Duration, device: usize) {
        let Some(left) = self.devices[device].in_quarantine() else { return };
        let mut back = self.devices[device].sums.quarantined.saturating_sub(left);
        if back == 0 {
            return;
        }
        let quarantined = self.entries.iter().filter(|(_, entry)| {
            entry.state == State::Quarantined && entry.share_on(device).is_some()
        });
        let keys: Vec<Key> = quarantined.map(|(key, _)| *key).collect();
        for key in keys {
            self.change(now, key, |entry| {
                for share in entry.shares.iter_mut().filter(|share| share.device == device) {
                    let bytes = share.bytes();
                    share.shrink_to(bytes.saturating_sub(back));
                    back = back.saturating_sub(bytes);
                }
            });
            self.verify_blind(now, key);
        }
    }

    /// What does not come back in time is ended by force, and then stays on
    /// the books, unless nobody said how much it was: then what is lacking is
    /// somebody else's from now on.
    pub(super) fn verify_in_time(&mut self, now: Duration) {
        self.believe(now);
        let late: Vec<(Key, bool)> = self
            .entries
            .iter()
            .filter_map(|(key, entry)| match entry.state {
                State::Verifying { since, is_killed, .. }
                    if now.saturating_sub(since) >= self.policy.verify_timeout
                        && !self.is_hidden(entry)
                        && (!is_killed || self.is_shown(entry)) =>
                {
                    Some((*key, is_killed))
                }
                _ => None,
            })
            .collect();
        for (key, is_killed) in late {
            let Some(entry) = self.entries.get(&key) else { continue };
            let (model, bytes) = (entry.name(), entry.bytes());
            let is_told = entry.shares.iter().all(|share| share.is_told);
            match (is_killed, is_told) {
                (false, _) => {
                    self.tell(now, EventKind::Killed { model });
                    self.effects.push(Effect::Kill(key));
                    self.change(now, key, |entry| {
                        if let State::Verifying { since, is_killed, .. } = &mut entry.state {
                            (*since, *is_killed) = (now, true);
                        }
                    });
                }
                (true, true) => {
                    self.counts.unverified += 1;
                    self.names.remove(&model);
                    self.change(now, key, |entry| {
                        entry.state = State::Quarantined;
                        entry.shares.iter_mut().for_each(Share::quarantine);
                    });
                    self.tell(now, EventKind::Quarantined { model, bytes });
                }
                (true, false) => {
                    self.counts.unverified += 1;
                    let missing = bytes.min(self.missing(&entry.devices()));
                    self.strike(now, key);
                    self.effects.push(Effect::Forget(key));
                    self.tell(now, EventKind::UnloadUnverified { model, missing });
                }
            }
        }
    }

    /// Those of which nobody said how much they take, and which gave back some
    /// of it: that is all they had, as far as one knows.
    fn believe(&mut self, now: Duration) {
        let patience = self.policy.verify_timeout / BELIEVED_AFTER;
        let keys: Vec<Key> = self
            .entries
            .iter()
            .filter(|(_, entry)| match entry.state {
                State::Verifying { since, is_killed: false, .. } => {
                    now.saturating_sub(since) >= patience
                        && !self.is_hidden(entry)
                        && self.is_shown(entry)
                        && entry.shares.iter().all(|share| share.is_back || self.gave_back(share))
                }
                _ => false,
            })
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            self.gone(now, key);
        }
    }

    fn gave_back(&self, share: &Share) -> bool {
        let before = share.before.filter(|_| share.observed.is_none());
        before.is_some_and(|(before, _)| {
            let came_back = before.saturating_sub(self.devices[share.device].unavailable());
            u128::from(came_back) * 10 >= u128::from(share.estimate)
        })
    }

    /// Whether a load on one of its devices may hide what came back.
    fn is_hidden(&self, entry: &Entry) -> bool {
        entry.shares.iter().any(|share| self.devices[share.device].sums.loading > 0)
    }

    /// Whether its devices were read since anything moved: who is lacking
    /// memory otherwise cannot tell how much.
    fn is_shown(&self, entry: &Entry) -> bool {
        let is_current = |share: &Share| self.devices[share.device].is_current;
        entry.shares.iter().all(|share| self.is_blind(share.device) || is_current(share))
    }

    fn missing(&self, devices: &[usize]) -> u64 {
        let lacking = devices.iter().map(|index| {
            let device = &self.devices[*index];
            i128::from(device.sums.coming()) - device.freed()
        });
        lacking.map(|lacking| u64::try_from(lacking).unwrap_or(0)).sum()
    }

    /// Its memory is back.
    fn gone(&mut self, now: Duration, key: Key) {
        let Some(entry) = self.strike(now, key) else { return };
        let (model, bytes) = (entry.name(), entry.size());
        self.counts.unloaded += 1;
        self.effects.push(Effect::Forget(key));
        let kind = match entry.state {
            State::Verifying { asked, .. } => {
                EventKind::Unloaded { model, bytes, took: now.saturating_sub(asked) }
            }
            _ => EventKind::QuarantineEnded { model, bytes },
        };
        self.tell(now, kind);
    }
}
