use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time;

use super::GpuManager;
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
            if !self.0.is_running() {
                // Closed or never started: the one is told from the other.
                return match self.0.lock().scheduler.is_closed() {
                    true => Err(GpuError::Closed { location }),
                    false => Err(GpuError::NotRunning { location }),
                };
            }
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
        let grant = self.shared.lock().scheduler.grant_of(self.key);
        let loaded = unwound(load, grant).await;
        self.is_open = false;
        match loaded {
            Ok(loaded) => {
                let observed = loaded.observed;
                let resident = Resident::of(loaded);
                self.shared.drive(|state, now| {
                    state.residents.insert(self.key, resident);
                    state.scheduler.loaded(now, self.key, observed);
                });
            }
            Err(error) => {
                let is_out_of_memory = error.is_out_of_memory();
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
    let begun = catch_unwind(AssertUnwindSafe(|| load(grant)));
    let mut loading = pin!(begun.map_err(panicked)?);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| loading.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic))))
    })
    .await
}

fn panicked(panic: Box<dyn Any + Send>) -> LoadError {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    // What it carries may panic in turn.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(std::mem::forget);
    LoadError::new(format!("the loader panicked: {}", text.as_deref().unwrap_or("without a word")))
}
