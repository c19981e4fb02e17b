use std::sync::Arc;

use crate::clock::nanos;
use crate::error::RateLimitError;
use crate::hold::Hold;
use crate::meter::{Meter, Ready};
use crate::pace::Pace;
use crate::quota::{Quota, Shape};

/// One limit of a line: its meter, what it was told, and how it treads.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) meter: Meter,
    quota: Option<Quota>,
    pace: Pace,
    /// Its service said that nothing is left.
    hold: Hold,
}

impl Limit {
    #[track_caller]
    pub(crate) fn new(
        name: Option<Arc<str>>,
        quota: Quota,
        step_after: u64,
    ) -> Result<Self, RateLimitError> {
        let meter = Meter::new(quota.shape()?);
        let pace = Pace::new(step_after);
        Ok(Self { name, meter, quota: Some(quota), pace, hold: Hold::default() })
    }

    pub(crate) fn slots(name: Option<Arc<str>>, most: u64) -> Self {
        let meter = Meter::Slots { most, in_use: 0 };
        Self { name, meter, quota: None, pace: Pace::new(1), hold: Hold::default() }
    }

    /// What it was told; none for slots.
    pub(crate) const fn quota(&self) -> Option<Quota> {
        self.quota
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    pub(crate) fn is_slots(&self) -> bool {
        matches!(self.meter, Meter::Slots { .. })
    }

    pub(crate) fn pace_percent(&self) -> u64 {
        self.pace.percent()
    }

    /// Whether tokio's timer, of which a wake-up comes a millisecond late on
    /// average, would cost more than a two-hundredth of the rate: the bucket
    /// fills quickly, and has no burst in which the lost time is made up.
    pub(crate) const fn is_tight(&self) -> bool {
        const LATE: u64 = 2_000_000;
        match &self.meter {
            Meter::Bucket(bucket) => {
                let rate = bucket.rate();
                rate.interval() < 200 * LATE && rate.tolerance() - rate.interval() < LATE
            }
            Meter::Window(_) | Meter::Slots { .. } => false,
        }
    }

    /// Whether a bucket in the gate can decide alone.
    pub(crate) const fn is_plain(&self) -> bool {
        matches!(&self.meter, Meter::Bucket(bucket) if !bucket.is_overdrawn()) && self.is_at_ease()
    }

    /// Whether its service has no complaint that still counts.
    pub(crate) const fn is_at_ease(&self) -> bool {
        self.pace.is_full() && !self.hold.is_on()
    }

    pub(crate) fn ready_at(&self, now: u64, cost: u64) -> Ready {
        let mut ready = self.meter.ready_at(now, cost);
        if cost == 0 {
            return ready;
        }
        // While it recovers, each step brings the rest nearer.
        if !self.pace.is_full() && matches!(self.meter, Meter::Bucket(_)) {
            let mut ahead = self.clone();
            while let Some(step) = ahead.pace.next_step().filter(|step| *step < ready.at) {
                ahead.tick(step);
                ready = ahead.meter.ready_at(step.max(now), cost);
            }
        }
        Ready { at: ready.at.max(self.hold.until()), ..ready }
    }

    #[track_caller]
    pub(crate) fn set_quota(
        &mut self,
        now: u64,
        charge: u64,
        quota: Quota,
    ) -> Result<(), RateLimitError> {
        let shape = quota.shape()?;
        self.quota = Some(quota);
        self.meter.reshape(now, charge, paced(shape, self.pace.percent()));
        Ok(())
    }

    /// What was taken of another, and how that treads, is so here.
    pub(crate) fn take_after(&mut self, now: u64, charge: u64, other: &Self) {
        let Some(quota) = self.quota.filter(|_| other.quota.is_some()) else { return };
        let (meter, step) = (other.meter.clone(), self.pace);
        (self.meter, self.hold) = (meter, other.hold);
        self.pace = other.pace.with_steps_of(&step);
        if let Ok(shape) = quota.shape() {
            self.meter.reshape(now, charge, paced(shape, self.pace.percent()));
        }
    }

    /// Its service asked for less, without saying which limit it meant.
    pub(crate) fn complain(&mut self, now: u64) {
        self.pace.complain(now);
        self.keep_pace(now);
    }

    /// Its service allows `amount` in `period` nanoseconds. Only a period of
    /// up to ours, or of a minute, says how fast we may be; of a longer one,
    /// such as a day, all can be used at once, and what counts is what is left.
    pub(crate) fn cap(&mut self, now: u64, amount: u64, period: u64) {
        const MINUTE: u64 = 60_000_000_000;
        let Some(quota) = self.quota else { return };
        if period > nanos(quota.period()).max(MINUTE) {
            return;
        }
        let ours = u128::from(quota.amount()) * u128::from(period);
        let theirs = u128::from(amount) * quota.period().as_nanos();
        let percent = u64::try_from((theirs * 100 / ours).min(100)).unwrap_or(100);
        self.pace.cap(now, percent);
        self.keep_pace(now);
    }

    pub(crate) fn hold(&mut self, now: u64, length: u64) {
        self.hold.extend(now, length);
    }

    pub(crate) const fn held_until(&self) -> u64 {
        self.hold.until()
    }

    /// Its service has something left again.
    pub(crate) fn release(&mut self) {
        self.hold = Hold::default();
    }

    /// Does what time asks for: a hold that ends, a step back to full speed,
    /// and what a clock that was set back has upset. Whether it is faster now.
    pub(crate) fn tick(&mut self, now: u64) -> bool {
        self.meter.mend(now);
        self.hold.tick(now);
        let mut is_faster = false;
        // One after the other: it fills at the speed of each step.
        while let Some(step) = self.pace.next_step().filter(|step| *step <= now) {
            is_faster |= self.pace.tick(step);
            self.keep_pace(step);
        }
        self.pace.tick(now);
        is_faster
    }

    fn keep_pace(&mut self, now: u64) {
        if let Some(Ok(shape)) = self.quota.map(Quota::shape) {
            self.meter.reshape(now, 0, paced(shape, self.pace.percent()));
        }
    }
}

/// A bucket fills more slowly. A window stays what it is: its amount is the
/// service's own rule, and what a complaint asks for is done by the hold.
fn paced(shape: Shape, percent: u64) -> Shape {
    match shape {
        Shape::Bucket(rate) => Shape::Bucket(rate.slowed(percent)),
        window @ Shape::Window { .. } => window,
    }
}
