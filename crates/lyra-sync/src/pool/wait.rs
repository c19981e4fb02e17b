//! The two ways to wait in line, as a task and as a thread. Both look what the
//! line says, and sleep until it is worth to look again.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lyra_errors::Location;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::creation::Creation;
use super::deadline::Deadline;
use super::error::PoolError;
use super::item::Item;
use super::manager::{BlockingManager, Manager};
use super::shared::Shared;
use super::state::{Granted, Turn};
use crate::atomics::{self, thread};
use crate::series;
use crate::wake::{Wake, discard};

type Outcome<M> = Result<Item<M>, PoolError<<M as Manager>::Error>>;

/// A place in line. Dropped, it is free, and what it was given is passed on.
struct Place<'a, M: Manager> {
    shared: &'a Arc<Shared<M>>,
    ticket: u64,
    location: Location,
}

enum Step<M: Manager> {
    Done(Outcome<M>),
    TimedOut,
    Make(Creation<M>),
    Wait(Option<Instant>),
}

impl<M: Manager> Shared<M> {
    /// In a box, and out of line: the usual way is not to carry it.
    #[cold]
    pub(crate) fn wait_boxed<'a>(
        self: &'a Arc<Self>,
        ticket: Option<u64>,
        deadline: &'a mut Deadline,
        location: Location,
    ) -> Pin<Box<dyn Future<Output = Outcome<M>> + Send + 'a>> {
        Box::pin(self.wait(ticket, deadline, location))
    }

    /// Waits as a task for a resource.
    async fn wait(
        self: &Arc<Self>,
        ticket: Option<u64>,
        deadline: &mut Deadline,
        location: Location,
    ) -> Outcome<M> {
        let (started, at) = (deadline.started(), deadline.at());
        let place = match self.enter(ticket, location) {
            Ok(item) => return Ok(item),
            Err(place) => place,
        };
        let _wait = series::wait("pool", &self.name);
        let mut sleep = None;
        let mut time_is_up = false;
        poll_fn(|context| {
            let mut is_second = false;
            loop {
                let now = Instant::now();
                match place.look(now, time_is_up, Wake::Task(context.waker().clone())) {
                    Step::Done(outcome) => return Poll::Ready(outcome),
                    Step::TimedOut => {
                        let waited = now.saturating_duration_since(started);
                        return Poll::Ready(Err(self.timed_out(waited, location)));
                    }
                    Step::Make(creation) => {
                        if creation.start(context).is_err() {
                            return Poll::Ready(Err(self.no_runtime(location)));
                        }
                        // What ends at once without a word, as in a runtime
                        // that shuts down, is not begun again and again here.
                        if mem::replace(&mut is_second, true) {
                            context.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                    }
                    // It has looked at least once: without time to wait, too,
                    // one takes what is there or can be made at once.
                    Step::Wait(_) if now >= at => time_is_up = true,
                    Step::Wait(until) => {
                        let until = until.map_or(at, |until| until.min(at));
                        match nap(&mut sleep, until, context) {
                            Some(Poll::Ready(())) => {}
                            Some(Poll::Pending) => return Poll::Pending,
                            None => return Poll::Ready(Err(self.no_runtime(location))),
                        }
                    }
                }
            }
        })
        .await
    }

    fn enter(
        self: &Arc<Self>,
        ticket: Option<u64>,
        location: Location,
    ) -> Result<Item<M>, Place<'_, M>> {
        let note = self.note(location);
        let ticket = ticket.expect("one is given at the first attempt to take");
        let (late, item) = {
            let mut state = self.lock();
            // Shut before it looks at what is idle: what comes back from now
            // on comes to the line.
            let late = self.hot.shut().map(|item| state.put(item));
            (late, state.take_or_enter(ticket, note))
        };
        if let Some(late) = late {
            self.settle(late);
        }
        match item {
            Some(item) => Ok(item),
            None => Err(Place { shared: self, ticket, location }),
        }
    }
}

impl<M: BlockingManager> Shared<M> {
    /// The same, as a thread, on the system's clock.
    pub(crate) fn wait_blocking(
        self: &Arc<Self>,
        ticket: Option<u64>,
        started: atomics::Instant,
        timeout: Duration,
        location: Location,
    ) -> Outcome<M> {
        let place = match self.enter(ticket, location) {
            Ok(item) => return Ok(item),
            Err(place) => place,
        };
        let _wait = series::wait("pool", &self.name);
        let mut time_is_up = false;
        loop {
            let now = Instant::now();
            match place.look(now, time_is_up, Wake::Thread(thread::current())) {
                Step::Done(outcome) => return outcome,
                Step::TimedOut => return Err(self.timed_out(started.elapsed(), location)),
                Step::Make(creation) => {
                    creation.run_blocking(timeout.saturating_sub(started.elapsed()));
                }
                Step::Wait(until) => {
                    let left = timeout.saturating_sub(started.elapsed());
                    time_is_up = left.is_zero();
                    let nap = until.map(|until| until.saturating_duration_since(now));
                    thread::park_timeout(nap.unwrap_or(left).min(left));
                }
            }
        }
    }
}

impl<M: Manager> Place<'_, M> {
    fn look(&self, now: Instant, time_is_up: bool, wake: Wake) -> Step<M> {
        let note = self.shared.note(self.location);
        let mut wake = Some(wake);
        let turn = self.shared.lock().turn(self.ticket, note, now, time_is_up, &mut wake);
        discard(wake);
        match turn {
            Turn::Take(item) => Step::Done(Ok(item)),
            Turn::Failed(failure) => {
                Step::Done(Err(self.shared.create_failed(failure, self.location)))
            }
            Turn::Closed => Step::Done(Err(self.shared.closed(self.location))),
            Turn::TimedOut => Step::TimedOut,
            Turn::Make(making, next) => {
                let creation = Creation::new(self.shared, making);
                if let Some(next) = next {
                    next.call();
                }
                Step::Make(creation)
            }
            Turn::Wait(until) => Step::Wait(until),
        }
    }
}

impl<M: Manager> Drop for Place<'_, M> {
    fn drop(&mut self) {
        let (wakes, granted) = self.shared.lock().leave(self.ticket);
        drop(wakes);
        if let Some(Granted::Resource(item)) = granted {
            self.shared.put(item);
        }
    }
}

/// Sleeps until then; nothing, if there is no runtime to time it.
fn nap(
    sleep: &mut Option<Pin<Box<Sleep>>>,
    until: Instant,
    context: &mut Context<'_>,
) -> Option<Poll<()>> {
    if sleep.is_none() {
        Handle::try_current().ok()?;
    }
    let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
    if sleep.deadline() != until {
        sleep.as_mut().reset(until);
    }
    Some(sleep.as_mut().poll(context))
}
