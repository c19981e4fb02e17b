//! The two ways to wait in line: as a task and as a thread. Both ask the line
//! what to do, and sleep until it is worth to ask again.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use futures_timer::Delay;
use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time;

use crate::clock::Clock;
use crate::error::RateLimitError;
use crate::events;
use crate::line::{Refusal, Turn};
use crate::queue::{Entered, Late, Place, Queue};
use crate::waiter::{Costs, Keeps, Stamp, Wake};

/// The longest wait that timers are asked for: a timeout beyond it is as good
/// as one of this length, and adding it to any time does not overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What became of a wait: the charge, or why there is none.
type Outcome = Result<Stamp, Refusal>;

impl<C: Clock> Queue<C> {
    /// Takes `costs`, waiting as a task.
    pub(crate) async fn wait(
        &self,
        costs: Costs,
        keeps: Keeps,
        timeout: Duration,
        location: Location,
    ) -> Result<Stamp, RateLimitError> {
        let timeout = timeout.min(LONGEST_WAIT);
        let place = match self.enter(&costs, keeps, timeout, location)? {
            Entered::Granted(stamp) => return Ok(stamp),
            Entered::InLine(place) => place,
        };
        if Handle::try_current().is_err() {
            return Err(RateLimitError::NoRuntime { limiter: self.name.clone(), location });
        }
        let deadline = time::Instant::now() + timeout;
        let mut sleep = pin!(time::sleep_until(deadline));
        let mut fine = None;
        let outcome = poll_fn(|context| {
            loop {
                let time_is_up = time::Instant::now() >= deadline;
                let nap = match place.ask(time_is_up, || Wake::Task(context.waker().clone())) {
                    Ok(outcome) => return Poll::Ready(outcome),
                    Err(nap) => nap,
                };
                // The runtime's own clock has the last word on the timeout,
                // whatever the limiter's does.
                let is_over = match place.is_tight {
                    true => poll_fine(&mut fine, nap, context),
                    false => {
                        sleep.as_mut().reset((time::Instant::now() + nap).min(deadline));
                        false
                    }
                };
                if !is_over && sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        place.end(outcome, location)
    }

    /// The same, waiting as a thread.
    pub(crate) fn wait_blocking(
        &self,
        costs: Costs,
        keeps: Keeps,
        timeout: Duration,
        location: Location,
    ) -> Result<Stamp, RateLimitError> {
        let timeout = timeout.min(LONGEST_WAIT);
        let place = match self.enter(&costs, keeps, timeout, location)? {
            Entered::Granted(stamp) => return Ok(stamp),
            Entered::InLine(place) => place,
        };
        let started = Instant::now();
        let outcome = loop {
            let time_is_up = started.elapsed() >= timeout;
            match place.ask(time_is_up, || Wake::Thread(thread::current())) {
                Ok(outcome) => break outcome,
                Err(nap) => self.clock.park(nap.min(timeout.saturating_sub(started.elapsed()))),
            }
        };
        place.end(outcome, location)
    }
}

impl<C: Clock> Place<'_, C> {
    /// What became of it, or how long to sleep before asking again.
    fn ask(&self, time_is_up: bool, wake: impl FnOnce() -> Wake) -> Result<Outcome, Duration> {
        let mut line = self.queue.lock();
        let now = line.now;
        let time_is_up = time_is_up || now >= self.deadline;
        match line.get().turn(now, self.ticket, time_is_up) {
            Turn::Granted => Ok(Ok(line.get().stamp(now, self.keeps))),
            Turn::Refused(refusal) => Ok(Err(refusal)),
            Turn::LookAgain { at } => {
                line.get().set_wake(self.ticket, wake());
                Err(Duration::from_nanos(at.saturating_sub(now)))
            }
        }
    }

    fn end(self, outcome: Outcome, location: Location) -> Result<Stamp, RateLimitError> {
        let (queue, costs, timeout) = (self.queue, *self.costs(), self.timeout);
        let waited = Duration::from_nanos(queue.clock.now().saturating_sub(self.since));
        queue.series.waited(waited);
        events::waited(queue.name.as_deref(), waited);
        self.given_up();
        match outcome {
            Ok(stamp) => {
                queue.series.granted();
                Ok(stamp)
            }
            Err(refusal) => {
                let late = Late { timeout, waited: true };
                Err(queue.refused(refusal, &costs, Some(late), location))
            }
        }
    }
}

/// Sleeps for `nap` on a timer that is late by a fifth of a millisecond, and
/// has a thread of its own.
fn poll_fine(fine: &mut Option<Delay>, nap: Duration, context: &mut Context<'_>) -> bool {
    let delay = fine.get_or_insert_with(|| Delay::new(nap));
    delay.reset(nap);
    Pin::new(delay).poll(context).is_ready()
}
