use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{self, Instant, timeout_at};

use super::GpuManager;
use super::acquire::NO_RUNTIME;
use super::sample::Readings;
use super::shared::{Shared, Task};
use crate::error::{GpuError, InvalidSnafu};
use crate::policy::LONGEST;

/// While something moves the devices are read so many times as often.
const FASTER: u32 = 4;

/// How soon memory that is to come back is looked after.
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// A manager at work, until this is [shut down](Self::shutdown) or dropped.
#[must_use = "dropped, the manager stops"]
pub struct Monitor {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl GpuManager {
    /// Starts to read the devices again and again, and to unload what has to
    /// leave.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](GpuError::NotRunning) outside of a tokio runtime;
    /// [`Invalid`](GpuError::Invalid) if it is started already;
    /// [`Closed`](GpuError::Closed) if it was shut down.
    ///
    /// # Panics
    ///
    /// Its tasks, in a runtime that was made without its timer.
    #[track_caller]
    pub fn start(&self) -> Result<Monitor, GpuError> {
        let location = Location::caller();
        let Ok(handle) = Handle::try_current() else {
            let reason = NO_RUNTIME;
            return Err(GpuError::NotRunning { reason, location });
        };
        if self.0.lock().scheduler.is_closed() {
            return Err(GpuError::Closed { location });
        }
        if self.0.was_started.swap(true, Ordering::AcqRel) {
            let (reason, given) = ("it can be started once", "a second start");
            return InvalidSnafu { setting: "monitor", reason, given }.fail();
        }
        self.0.is_running.store(true, Ordering::Release);
        let (stop, stopped) = watch::channel(false);
        let at_work = || AtWork(Arc::clone(&self.0));
        let sampling = handle.spawn(sample_on(at_work(), stopped.clone()));
        let unloading = handle.spawn(unload_on(at_work(), stopped));
        Ok(Monitor { shared: Arc::clone(&self.0), stop, tasks: vec![sampling, unloading] })
    }
}

impl Monitor {
    /// Ends the manager: whoever waits is refused with
    /// [`Closed`](GpuError::Closed), nothing is admitted any more, and unloads
    /// that were begun get up to `patience` to end: an unloader that fails is
    /// asked once more and then killed, as always. Models that are loaded stay
    /// so, with their handles.
    ///
    /// # Cancel safety
    ///
    /// Dropped after the first poll, the manager is closed, and what it was
    /// doing is left where it stands.
    pub async fn shutdown(mut self, patience: Duration) {
        self.shared.drive(|state, _| state.scheduler.close());
        self.stop.send_replace(true);
        let deadline = Instant::now() + patience.min(LONGEST);
        for task in self.tasks.drain(..) {
            let abort = task.abort_handle();
            if timeout_at(deadline, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.drive(|state, _| state.scheduler.close());
        self.stop.send_replace(true);
        self.shared.is_running.store(false, Ordering::Release);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// One of the monitor's tasks: however it ends, nothing is loaded any more
/// that nobody would watch and unload.
struct AtWork(Arc<Shared>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

async fn sample_on(at_work: AtWork, mut stopped: watch::Receiver<bool>) {
    let shared = &at_work.0;
    let mut readings = Readings::default();
    loop {
        let began = Instant::now();
        readings.begin(shared);
        // A source that does not block has answered by the first look; for one
        // that does nothing waits.
        readings.look().await;
        shared.drive(|state, now| state.scheduler.tick(now));
        loop {
            // What was read meanwhile may change how soon the next look is.
            let pause = time::sleep_until(began + pause(shared));
            let due = async { _ = first_of(shared.stir.notified(), pause).await };
            let mut is_due = false;
            let rest = async { is_due = !first_of(readings.next(), due).await };
            if first_of(is_set(&mut stopped), rest).await {
                return;
            }
            if is_due {
                break;
            }
        }
    }
}

fn pause(shared: &Shared) -> Duration {
    let now = shared.now();
    let state = shared.lock();
    let scheduler = &state.scheduler;
    let interval = scheduler.policy.sample_interval;
    let fast = interval / FASTER;
    match scheduler.verifying_for(now) {
        // Soon at first, then less and less often.
        Some(waited) => (waited / 2).max(FIRST_LOOK).min(fast.max(FIRST_LOOK)),
        None if scheduler.is_busy() => fast,
        None => interval,
    }
}

async fn unload_on(at_work: AtWork, mut stopped: watch::Receiver<bool>) {
    let shared = &at_work.0;
    let mut unloads = JoinSet::new();
    let mut is_stopping = false;
    loop {
        while let Some(task) = next(shared) {
            let shared = Arc::clone(shared);
            unloads.spawn(async move {
                match task {
                    Task::Unload(key) => shared.unload(key).await,
                    Task::Kill(key) => shared.kill(key),
                }
            });
        }
        if is_stopping {
            // One that failed is asked once more, and then killed.
            if unloads.join_next().await.is_none() {
                return;
            }
        } else {
            // Those that ended by now; the others are looked after with the
            // next.
            while unloads.try_join_next().is_some() {}
            is_stopping = first_of(is_set(&mut stopped), shared.work.notified()).await;
        }
    }
}

/// Ends when the monitor is told to stop, or is gone.
async fn is_set(stopped: &mut watch::Receiver<bool>) {
    _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Ends with whichever ends first; whether that was `one`.
async fn first_of(one: impl Future<Output = ()>, other: impl Future<Output = ()>) -> bool {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => other.as_mut().poll(context).map(|()| false),
    })
    .await
}

fn next(shared: &Shared) -> Option<Task> {
    shared.lock().to_unload.pop_front()
}
