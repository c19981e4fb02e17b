//! Models by name, as a host knows them.

use std::time::Duration;

use super::loads::{NotReserved, observe};
use super::{Condition, Effect, Entry, Key, Refusal, Scheduler, Share, State};
use crate::load::Grant;
use crate::model::ModelSpec;

/// Why a model was not given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unregistered {
    Unknown,
    InUse(usize),
}

impl Scheduler {
    /// Enters a model that is loaded already, whatever room there is.
    pub(crate) fn register(
        &mut self,
        now: Duration,
        spec: ModelSpec,
        observed: Option<u64>,
    ) -> Result<Key, NotReserved> {
        if self.is_closed() {
            return Err(NotReserved::Refused(Refusal::Closed));
        }
        if self.named(&spec.name).is_some() {
            return Err(NotReserved::NameTaken);
        }
        let Some(shares) = self.where_it_is(&spec) else {
            let reason = self.what_there_is();
            return Err(NotReserved::Refused(Refusal::NoDevice { reason }));
        };
        let name = spec.name.clone();
        let mut entry = Entry {
            spec,
            rung: 0,
            shares,
            state: State::Ready,
            refs: 0,
            uses: 0,
            last_used: now,
            ready_since: now,
            is_draining: false,
        };
        observe(&mut entry, observed);
        let key = self.enter(now, entry);
        self.names.insert(name, key);
        self.disturb(key);
        Ok(key)
    }

    /// The devices of the first candidate: that which it names, or the first
    /// ones of its kind.
    fn where_it_is(&self, spec: &ModelSpec) -> Option<Vec<Share>> {
        let candidate = spec.candidates.first()?;
        let devices = self.devices.iter().enumerate().filter(|(_, device)| {
            let is_wanted = candidate.device.as_ref().is_none_or(|id| *id == device.info.id);
            is_wanted && device.info.kind == candidate.kind && device.condition != Condition::Lost
        });
        let shares: Vec<Share> = devices
            .zip(&candidate.peaks)
            .map(|((index, _), peak)| Share::new(index, *peak))
            .collect();
        (shares.len() == candidate.peaks.len()).then_some(shares)
    }

    /// Takes a model off the books that the host has unloaded by itself.
    pub(crate) fn unregister(&mut self, now: Duration, name: &str) -> Result<(), Unregistered> {
        let key = self.unused(name)?;
        self.disturb(key);
        self.strike(now, key);
        self.effects.push(Effect::Forget(key));
        self.serve(now);
        Ok(())
    }

    /// The instance of this name, if it is loaded and nobody uses it.
    pub(crate) fn unused(&self, name: &str) -> Result<Key, Unregistered> {
        match self.named(name) {
            Some((key, entry)) if entry.state == State::Ready => match entry.refs {
                0 => Ok(key),
                refs => Err(Unregistered::InUse(refs)),
            },
            _ => Err(Unregistered::Unknown),
        }
    }

    /// One more handle, if it is loaded.
    pub(crate) fn use_if_ready(&mut self, now: Duration, name: &str) -> Option<Key> {
        let (key, entry) = self.named(name)?;
        if entry.state != State::Ready || !entry.is_usable() {
            return None;
        }
        self.hold(now, key);
        Some(key)
    }

    /// What was reserved for this instance.
    pub(crate) fn grant_of(&self, key: Key) -> Grant {
        let Some(entry) = self.entries.get(&key) else { return Grant::default() };
        let id = |share: &Share| (self.devices[share.device].info.id.clone(), share.estimate);
        let first = entry.spec.candidates.first().filter(|_| entry.rung > 0);
        Grant {
            model: entry.name(),
            rung: entry.rung,
            variant: entry.variant(),
            shares: entry.shares.iter().map(id).collect(),
            instead_of: first.map(|candidate| candidate.variant.clone()),
        }
    }
}
