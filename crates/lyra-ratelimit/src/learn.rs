//! What a limiter makes of a response: it stays away for as long as it was
//! asked to, goes on more slowly, and counts no more than the service has left.

use crate::clock::{Clock, nanos};
use crate::events;
use crate::feedback::{Feedback, LimitUnit, ObservedLimit};
use crate::limit::Limit;
use crate::line::Line;
use crate::queue::Queue;

impl<C: Clock> Queue<C> {
    pub(crate) fn learn(&self, feedback: &Feedback) {
        let mut line = self.lock();
        let now = line.now;
        if line.get().learn(now, feedback) {
            line.get().changed(now);
        }
        drop(line);
        if feedback.is_throttled() {
            self.series.complained();
            events::complained(self.name.as_deref(), feedback.pause());
        }
    }
}

impl Line {
    /// Whether there was anything to learn.
    fn learn(&mut self, now: u64, feedback: &Feedback) -> bool {
        let longest_hold = self.longest_hold;
        let at_most = |wait| nanos(wait).min(longest_hold);
        if feedback.is_throttled() {
            // It does not say which limit it was.
            self.limits.iter_mut().for_each(|limit| limit.complain(now));
            if let Some(pause) = feedback.pause() {
                self.hold(now, at_most(pause));
            }
        }
        let charge = self.next_charge();
        let mut learnt = feedback.is_throttled();
        for observed in feedback.limits() {
            let Some(limit) = meant_by(observed, &mut self.limits) else { continue };
            if let (Some(amount), Some(window)) = (observed.limit(), observed.window()) {
                limit.cap(now, amount, nanos(window));
            }
            if let Some(left) = observed.remaining() {
                limit.meter.drain_to(now, charge, left);
                if left > 0 {
                    limit.release();
                }
            }
            if let (true, Some(reset)) = (observed.is_exhausted(), observed.reset()) {
                limit.hold(now, at_most(reset));
            }
            learnt = true;
        }
        learnt
    }
}

/// The limit of ours that a service means: the one of the same name, or of
/// the same unit.
fn meant_by<'a>(observed: &ObservedLimit, limits: &'a mut [Limit]) -> Option<&'a mut Limit> {
    let named = |name: &str| {
        let same =
            |limit: &Limit| limit.name.as_ref().is_some_and(|ours| ours.eq_ignore_ascii_case(name));
        limits.iter().position(same)
    };
    let index = named(observed.name()).or_else(|| match observed.unit() {
        LimitUnit::Requests if limits.len() == 1 => Some(0),
        LimitUnit::Requests => named("requests"),
        LimitUnit::Tokens => named("tokens"),
        _ => None,
    })?;
    limits.get_mut(index).filter(|limit| !limit.is_slots())
}
