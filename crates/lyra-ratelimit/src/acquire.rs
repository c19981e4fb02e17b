//! What sets and services do with their queue: calls without a permit, costs
//! by name, and changes by name.

use std::time::Duration;

use lyra_errors::Location;

use crate::clock::Clock;
use crate::error::{RateLimitError, UnknownLimitSnafu, require};
use crate::limits::Rule;
use crate::meter::Meter;
use crate::queue::Queue;
use crate::waiter::{Costs, Keeps, Stamp};

impl<C: Clock> Queue<C> {
    pub(crate) async fn acquire(
        &self,
        costs: &Costs,
        timeout: Duration,
        location: Location,
    ) -> Result<(), RateLimitError> {
        if self.quick(costs[0]) {
            return Ok(());
        }
        self.needs_no_permit(location)?;
        self.wait(*costs, Keeps::Nothing, timeout, location).await.map(|_| ())
    }

    pub(crate) fn acquire_blocking(
        &self,
        costs: &Costs,
        timeout: Duration,
        location: Location,
    ) -> Result<(), RateLimitError> {
        if self.quick(costs[0]) {
            return Ok(());
        }
        self.needs_no_permit(location)?;
        self.wait_blocking(*costs, Keeps::Nothing, timeout, location).map(|_| ())
    }

    pub(crate) fn try_acquire(
        &self,
        costs: &Costs,
        location: Location,
    ) -> Result<(), RateLimitError> {
        if self.quick(costs[0]) {
            return Ok(());
        }
        self.needs_no_permit(location)?;
        self.try_all(costs, Keeps::Nothing, location).map(|_| ())
    }

    /// `usual`, with what `named` says instead.
    #[track_caller]
    pub(crate) fn costs(
        &self,
        named: &[(&str, u64)],
        usual: &Costs,
    ) -> Result<Costs, RateLimitError> {
        let mut costs = *usual;
        if named.is_empty() {
            return Ok(costs);
        }
        let mut line = self.lock();
        for (index, (name, cost)) in named.iter().enumerate() {
            let is_first = named[..index].iter().all(|(earlier, _)| earlier != name);
            require(is_first, "costs", "a limit is named twice", name)?;
            match line.get().limits.iter().position(|limit| limit.is_named(name)) {
                Some(index) => costs[index] = *cost,
                None => return UnknownLimitSnafu { limit: *name }.fail(),
            }
        }
        Ok(costs)
    }

    /// Another rule for the limit of this name; none where the kinds differ.
    #[track_caller]
    pub(crate) fn change(&self, name: &str, rule: Rule) -> Result<(), RateLimitError> {
        let mut line = self.lock();
        let now = line.now;
        let charge = line.get().next_charge();
        let limit = line.get().limits.iter_mut().find(|limit| limit.is_named(name));
        match (limit, rule) {
            (Some(limit), Rule::Quota(quota)) if limit.quota().is_some() => {
                limit.set_quota(now, charge, quota)?;
            }
            (Some(limit), Rule::Slots(slots)) if limit.quota().is_none() => {
                require(slots >= 1, "slots", "there has to be at least 1", slots)?;
                if let Meter::Slots { most, .. } = &mut limit.meter {
                    *most = slots;
                }
            }
            _ => return UnknownLimitSnafu { limit: name }.fail(),
        }
        line.get().changed(now);
        Ok(())
    }

    /// Corrects the rates of a charge; its slots are given back by themselves.
    pub(crate) fn settle_rates(&self, stamp: Stamp, charged: &Costs, used: &Costs) {
        let mut line = self.lock();
        let now = line.now;
        let mut used = *used;
        for (index, limit) in line.get().limits.iter().enumerate() {
            if limit.is_slots() {
                used[index] = charged[index];
            }
        }
        line.get().settle(now, stamp, charged, &used);
    }

    /// A permit ends: its slots are free.
    pub(crate) fn release_slots(&self, stamp: Stamp, costs: &Costs) {
        let mut line = self.lock();
        let now = line.now;
        let mut slots = Costs::default();
        for (index, limit) in line.get().limits.iter().enumerate() {
            if limit.is_slots() {
                slots[index] = costs[index];
            }
        }
        line.get().end_one();
        if slots != Costs::default() {
            line.get().refund(now, stamp, &slots);
        }
    }

    /// Refuses a call without a permit where slots are among the limits.
    fn needs_no_permit(&self, location: Location) -> Result<(), RateLimitError> {
        if self.lock().get().limits.iter().any(|limit| limit.is_slots()) {
            return Err(RateLimitError::NeedsPermit { limiter: self.name.clone(), location });
        }
        Ok(())
    }
}
