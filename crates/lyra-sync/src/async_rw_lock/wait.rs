//! The two ways to wait for the gate: as a task and as a thread. Both stand in
//! the same line.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time;

use super::access::Access;
use super::gate::Gate;
use crate::atomics::{Instant, thread};
use crate::error::SyncError;
use crate::events;
use crate::holder::this_thread;
use crate::order::Within;
use crate::series;
use crate::wake::Wake;

/// The longest wait that tokio's timer is asked for: to add it to any time
/// does not overflow, and a longer timeout is as good as this.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Gate {
    /// Waits as a task for what could not be had at once, and enters.
    pub(super) async fn wait(
        &self,
        access: Access,
        timeout: Duration,
        location: Location,
    ) -> Result<(), SyncError> {
        if timeout.is_zero() {
            return Err(self.timed_out(Duration::ZERO, location));
        }
        if Handle::try_current().is_err() {
            return Err(SyncError::NoRuntime { name: self.name.clone(), location });
        }
        let _wait = series::wait("rw_lock", &self.name);
        let started = time::Instant::now();
        let mut sleep = pin!(time::sleep_until(started + timeout.min(LONGEST_WAIT)));
        let mut place = Place::take(self, access, location);
        let is_in = poll_fn(|context| {
            if place.is_in(Wake::Task(context.waker().clone())) {
                return Poll::Ready(true);
            }
            sleep.as_mut().poll(context).map(|()| place.has_come_in())
        });
        let is_in = is_in.await;
        self.settle(access, is_in, started.elapsed(), location)
    }

    /// The same as a thread.
    #[cold]
    pub(super) fn wait_blocking(
        &self,
        access: Access,
        timeout: Duration,
        location: Location,
    ) -> Result<(), SyncError> {
        if timeout.is_zero() {
            return Err(self.timed_out(Duration::ZERO, location));
        }
        let _wait = series::wait("rw_lock", &self.name);
        let started = Instant::now();
        let mut place = Place::take(self, access, location);
        while !place.is_in(Wake::Thread(thread::current())) {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return self.settle(access, place.has_come_in(), started.elapsed(), location);
            }
            thread::park_timeout(left);
        }
        Ok(())
    }

    /// How a wait ended.
    fn settle(
        &self,
        access: Access,
        is_in: bool,
        waited: Duration,
        location: Location,
    ) -> Result<(), SyncError> {
        if !is_in {
            // Not before: another branch of the same task may have given it
            // back in time. Who holds it while somebody writes is the writer.
            self.order.wait(&self.name, location, Within::Itself, || match access {
                Access::Write => true,
                Access::Read | Access::Upgradable => self.is_writing(),
                Access::Upgrade => false,
            });
            return Err(self.timed_out(waited, location));
        }
        // It may run on another thread than the one that joined.
        self.note.set(location);
        Ok(())
    }

    fn timed_out(&self, waited: Duration, location: Location) -> SyncError {
        series::timed_out("rw_lock", &self.name);
        let (holder, unnamed) = self.holders();
        events::timed_out("rw_lock", &self.name, waited, holder.as_ref(), location);
        SyncError::Timeout { name: self.name.clone(), waited, holder, unnamed, location }
    }
}

/// A place in line. Dropped, it is given up, or what it has come to is.
struct Place<'a> {
    gate: &'a Gate,
    access: Access,
    /// What it is noted by when it is let in.
    thread: u64,
    location: Location,
    ticket: u64,
    is_settled: bool,
}

impl<'a> Place<'a> {
    fn take(gate: &'a Gate, access: Access, location: Location) -> Self {
        let (thread, ticket) = (this_thread(), gate.join(access, location));
        let place = Self { gate, access, thread, location, ticket, is_settled: false };
        // Where a report panics, as a test may want it, the place is given up.
        gate.order.wait(&gate.name, location, Within::Read, || {
            gate.is_behind_a_writer(place.ticket, access)
        });
        place
    }

    /// Whether it was let in. If not, it is called when that changes.
    fn is_in(&mut self, wake: Wake) -> bool {
        self.is_settled = self.gate.is_in(self.ticket, self.access, wake);
        self.is_settled
    }

    /// Gives up the place, unless it was let in at the last moment.
    fn has_come_in(&mut self) -> bool {
        self.is_settled = true;
        !self.gate.give_up(self.ticket, self.access)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_settled || self.gate.give_up(self.ticket, self.access) {
            return;
        }
        // It was let in, and does not want it any more.
        match self.access {
            Access::Upgrade => self.gate.lower(Access::Write, Access::Upgradable),
            access => {
                self.gate.unnote(self.thread, self.location);
                self.gate.leave(access);
            }
        }
    }
}
