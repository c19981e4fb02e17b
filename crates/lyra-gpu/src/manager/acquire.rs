use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time;

use super::GpuManager;
use super::contain::{Contained, Panicked, contained};
use super::handle::ModelHandle;
use super::reservation::refused;
use super::shared::{Resident, Shared};
use crate::error::GpuError;
use crate::load::{Grant, LoadError, Loaded};
use crate::model::ModelSpec;
use crate::policy::LONGEST;
use crate::scheduler::{Key, Outcome, Ticket};

impl GpuManager {
    /// Gives a handle on a model, waiting for up to `timeout`: at once if it is
    /// loaded, else once it is.
    ///
    /// Its candidates are tried from the best on. Models that nobody uses are
    /// evicted to make room, as the policy's
    /// [`degrade`](crate::Policy::with_degrade) says; those in use are waited
    /// for, in the order of priority and then of arrival. Callers of the same
    /// model share one load.
    ///
    /// `load` is called with what was reserved, in a task of its own that goes
    /// on when the caller goes away. If it says
    /// [out of memory](LoadError::out_of_memory), whatever is idle is evicted
    /// and it is called once more, then with the next candidate.
    ///
    /// A name is one model: where one of this name is loaded, or is being
    /// loaded, that is what the handle is on, whatever else this spec says.
    ///
    /// Whoever holds a model and acquires another one may wait for itself:
    /// until its timeout, if both do not fit together.
    ///
    /// # Errors
    ///
    /// [`Timeout`](GpuError::Timeout); [`TooLarge`](GpuError::TooLarge) or
    /// [`NoDevice`](GpuError::NoDevice) at once, if no candidate can ever fit;
    /// [`LoadFailed`](GpuError::LoadFailed);
    /// [`NotRunning`](GpuError::NotRunning), [`Closed`](GpuError::Closed) and
    /// [`Invalid`](GpuError::Invalid).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has left the line; a load that has begun goes
    /// on, and the model is there for the next.
    ///
    /// # Panics
    ///
    /// In a runtime that was made without its timer.
    #[track_caller]
    pub fn acquire<'a, F, L>(
        &'a self,
        spec: &'a ModelSpec,
        timeout: Duration,
        load: F,
    ) -> impl Future<Output = Result<ModelHandle, GpuError>> + Send + 'a
    where
        F: Fn(Grant) -> L + Send + Sync + 'static,
        L: Future<Output = Result<Loaded, LoadError>> + Send + 'static,
    {
        let location = Location::caller();
        async move {
            spec.check()?;
            self.0.is_at_work(location)?;
            if Handle::try_current().is_err() {
                return Err(GpuError::NotRunning { reason: NO_RUNTIME, location });
            }
            self.0.look_at_the_clock();
            let started = time::Instant::now();
            let load = Arc::new(load);
            let failure = Failure::default();
            let mut place = Place::take(&self.0, spec);
            let mut sleep = pin!(time::sleep_until(started + timeout.min(LONGEST)));
            poll_fn(|context| {
                loop {
                    match place.look(context.waker().clone()) {
                        Some(Outcome::Use(key)) => {
                            return Poll::Ready(Ok(ModelHandle::new(&self.0, key)));
                        }
                        Some(Outcome::Load(key)) => {
                            let load = Arc::clone(&load);
                            let loading = Loading::new(&self.0, key, place.ticket, &failure);
                            tokio::spawn(async move { loading.run(&*load).await });
                        }
                        Some(Outcome::Failed) => {
                            let (model, source) = (Arc::clone(&spec.name), failure.take());
                            return Poll::Ready(Err(GpuError::LoadFailed {
                                model,
                                source,
                                location,
                            }));
                        }
                        Some(Outcome::Refused(refusal)) => {
                            return Poll::Ready(Err(refused(spec, refusal, location)));
                        }
                        None => break,
                    }
                }
                sleep.as_mut().poll(context).map(|()| {
                    let (model, waited) = (Arc::clone(&spec.name), started.elapsed());
                    Err(GpuError::Timeout { model, waited, location })
                })
            })
            .await
        }
    }
}

/// Nothing can be spawned there, and nobody wakes who waits.
pub(super) const NO_RUNTIME: &str = "this is not inside a tokio runtime";

impl Shared {
    /// Whether somebody loads and unloads; else why not.
    pub(super) fn is_at_work(&self, location: &'static Location<'static>) -> Result<(), GpuError> {
        if self.is_running() {
            return Ok(());
        }
        if self.lock().scheduler.is_closed() {
            return Err(GpuError::Closed { location });
        }
        let reason = match self.was_started.load(Ordering::Acquire) {
            true => "the runtime that the manager was started in has ended",
            false => "the manager was not started",
        };
        Err(GpuError::NotRunning { reason, location })
    }
}

/// A place in line; dropped, it is given up, and what it came to as well.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    ticket: Ticket,
}

impl<'a> Place<'a> {
    fn take(shared: &'a Arc<Shared>, spec: &ModelSpec) -> Self {
        let ticket = shared.drive(|state, now| state.scheduler.request(now, spec.clone()));
        Self { shared, ticket }
    }

    fn look(&mut self, waker: std::task::Waker) -> Option<Outcome> {
        let mut waker = Some(waker);
        // What is left of the wakers is dropped when the lock is free.
        self.shared.drive(|state, _| state.scheduler.look(self.ticket, &mut waker))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let waker = self.shared.drive(|state, now| state.scheduler.leave(now, self.ticket));
        drop(waker);
    }
}

/// What the loader said when it failed last.
#[derive(Default, Clone)]
struct Failure(Arc<Mutex<Option<LoadError>>>);

impl Failure {
    fn note(&self, error: LoadError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> LoadError {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        noted.unwrap_or_else(|| LoadError::new("the load was given up"))
    }
}

/// A load under way. Dropped before its end, with its runtime for instance, it
/// has failed.
struct Loading {
    shared: Arc<Shared>,
    key: Key,
    ticket: Ticket,
    failure: Failure,
    is_open: bool,
}

impl Loading {
    fn new(shared: &Arc<Shared>, key: Key, ticket: Ticket, failure: &Failure) -> Self {
        let (shared, failure) = (Arc::clone(shared), failure.clone());
        Self { shared, key, ticket, failure, is_open: true }
    }

    async fn run<F, L>(mut self, load: &F)
    where
        F: Fn(Grant) -> L,
        L: Future<Output = Result<Loaded, LoadError>>,
    {
        let (grant, limit) = {
            let scheduler = &self.shared.lock().scheduler;
            (scheduler.grant_of(self.key), scheduler.policy.load_timeout)
        };
        let loaded = time::timeout(limit, unwound(load, grant)).await;
        let too_long = || LoadError::new(format!("it took longer than {limit:?}"));
        match loaded.unwrap_or_else(|_| Err(too_long())) {
            Ok(loaded) => {
                let observed = loaded.observed;
                let resident = Resident::of(loaded);
                self.is_open = false;
                self.shared.drive(|state, now| {
                    state.residents.insert(self.key, resident);
                    let observed = state.believable(self.key, observed);
                    state.scheduler.loaded(now, self.key, observed);
                });
            }
            Err(error) => {
                let is_out_of_memory = error.is_out_of_memory();
                self.is_open = false;
                self.failure.note(error);
                self.failed(is_out_of_memory);
            }
        }
        self.shared.stir.notify_one();
    }

    fn failed(&self, is_out_of_memory: bool) {
        self.shared.drive(|state, now| {
            let loader = Some(self.ticket);
            state.scheduler.load_failed(now, self.key, loader, is_out_of_memory);
        });
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if self.is_open {
            self.failed(false);
        }
    }
}

/// Loads; a panic is a failure like others.
async fn unwound<F, L>(load: &F, grant: Grant) -> Result<Loaded, LoadError>
where
    F: Fn(Grant) -> L,
    L: Future<Output = Result<Loaded, LoadError>>,
{
    let loading = contained(|| load(grant)).map_err(|panic| panicked(&panic))?;
    Contained::new(loading).await.map_err(|panic| panicked(&panic))?
}

fn panicked(panic: &Panicked) -> LoadError {
    LoadError::new(format!("the loader panicked: {}", panic.text()))
}
