mod builder;
mod key;
mod strangers;
mod table;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, MonotonicClock};
use crate::error::RateLimitError;
use crate::feedback::Feedback;
use crate::limit_set::LimitSet;
use crate::limits::Limits;
use crate::permit::Permit;
use crate::queue::{Calls, Queue};
use crate::status::Status;
use crate::waiter::{Costs, Keeps, USUAL};
use strangers::Strangers;
use table::Table;

pub use builder::ServiceLimitsBuilder;

/// The limits of all services that a program calls, by name.
///
/// Services are [registered](Self::register) with their limits, or come with
/// the [presets](crate::presets). One that nobody registered gets a bucket of
/// its own with the default limit, so a new service is never unlimited. There
/// is room for 1,024 of those at a time (a setting): buckets that are full
/// again make way for new ones, which loses nothing, and where none is, the
/// rest shares one bucket.
///
/// To look up a registered name takes a few nanoseconds; a [handle](Self::handle)
/// that was resolved once takes none.
///
/// ```
/// use std::time::Duration;
/// use lyra_ratelimit::{Quota, RateLimitError, ServiceLimits};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), RateLimitError> {
/// let services = ServiceLimits::with_presets();
/// services.register("my_api", Quota::per_minute(100))?;
/// services.acquire("my_api", Duration::from_secs(10)).await?;
/// services.acquire_blocking("wikipedia", Duration::from_secs(10))?;
///
/// let status = services.status();
/// assert_eq!(status["my_api"].granted, 1);
/// assert_eq!(status["wikipedia"].limits[0].burst, 100);
/// # Ok(())
/// # }
/// ```
pub struct ServiceLimits<C = MonotonicClock>(Arc<Services<C>>);

struct Services<C> {
    registered: Table<C>,
    strangers: Strangers<C>,
    settings: builder::Settings<C>,
}

impl ServiceLimits {
    /// No service yet; unknown ones get 60 calls a minute.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build().expect("the defaults are valid; a test builds them")
    }

    /// With the numbers that lyra's first version promised:
    /// [`presets::promised`](crate::presets::promised).
    #[must_use]
    pub fn with_presets() -> Self {
        let services = Self::new();
        for (name, limits) in crate::presets::promised() {
            services.register(name, limits).expect("the presets are valid; a test registers them");
        }
        services
    }

    /// A builder; it lists its defaults.
    pub fn builder() -> ServiceLimitsBuilder {
        ServiceLimitsBuilder::new()
    }
}

impl<C: Clock + Clone> ServiceLimits<C> {
    fn of(settings: builder::Settings<C>) -> Result<Self, RateLimitError> {
        let strangers = Strangers::new(&settings)?;
        Ok(Self(Arc::new(Services { registered: Table::new(), strangers, settings })))
    }

    /// Sets the limits of a service, of a new one or of one that is known.
    ///
    /// A known one keeps what was taken, and who waits: its limits are changed
    /// as by [`LimitSet::set_quota`]. It has to keep their names and kinds. A
    /// service that was called before it was registered keeps what it took of
    /// limits of the same name (an unknown one has `requests`), who waits for
    /// it, and the handles to it; except where its default limits are not all
    /// among the new ones, or someone waits and there are slots now: then those
    /// who wait and the handles stay with the default.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid) if the name is empty or longer
    /// than 128 bytes, the limits cannot be meant, a known service had other
    /// ones, or 512 services are registered. Then nothing has changed.
    #[track_caller]
    pub fn register(
        &self,
        service: &str,
        limits: impl Into<Limits>,
    ) -> Result<LimitSet<C>, RateLimitError> {
        let limits = limits.into();
        limits.check()?;
        check_name(service)?;
        let Services { registered, strangers, settings } = &*self.0;
        let mut calls = Calls::default();
        // Nobody becomes a stranger meanwhile, and so slips through between.
        let mut strangers = strangers.lock();
        let (queue, was_known) = registered.insert(service, || {
            let line = limits.line(settings.care)?;
            let new = |line| Arc::new(settings.queue(line, service));
            let Some(known) = strangers.remove(service) else { return Ok(new(line)) };
            let (queue, called) = known.become_registered(line, new);
            calls.and(called);
            Ok(queue)
        })?;
        drop(strangers);
        drop(calls);
        if was_known {
            queue.change_all(&limits)?;
        }
        Ok(LimitSet::of(queue))
    }

    /// The limits of a service, resolved once: of the registered one, or what
    /// an unknown one gets.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RateLimitError::Invalid) if the name is empty or longer
    /// than 128 bytes.
    #[track_caller]
    pub fn handle(&self, service: &str) -> Result<LimitSet<C>, RateLimitError> {
        self.0.queue(service).map(LimitSet::of)
    }

    /// Takes one of each limit of the service, waiting in line for up to
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// As [`LimitSet::acquire`] and [`handle`](Self::handle).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn acquire(
        &self,
        service: &str,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        self.acquire_n(service, 1, timeout)
    }

    /// Takes `cost` of the first limit of the service and one of each other,
    /// waiting in line for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire), and
    /// [`TooLarge`](RateLimitError::TooLarge) if `cost` is above the burst.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn acquire_n(
        &self,
        service: &str,
        cost: u64,
        timeout: Duration,
    ) -> impl Future<Output = Result<(), RateLimitError>> {
        let location = Location::caller();
        async move {
            match self.0.quick(service, cost) {
                true => Ok(()),
                false => self.0.queue(service)?.acquire(&usual(cost), timeout, location).await,
            }
        }
    }

    /// [`acquire`](Self::acquire) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire); it needs no runtime.
    #[track_caller]
    pub fn acquire_blocking(&self, service: &str, timeout: Duration) -> Result<(), RateLimitError> {
        self.acquire_n_blocking(service, 1, timeout)
    }

    /// [`acquire_n`](Self::acquire_n) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`acquire_n`](Self::acquire_n); it needs no runtime.
    #[track_caller]
    pub fn acquire_n_blocking(
        &self,
        service: &str,
        cost: u64,
        timeout: Duration,
    ) -> Result<(), RateLimitError> {
        let location = Location::caller();
        match self.0.quick(service, cost) {
            true => Ok(()),
            false => self.0.queue(service)?.acquire_blocking(&usual(cost), timeout, location),
        }
    }

    /// Takes one of each limit of the service, if they are there and nobody
    /// waits.
    ///
    /// # Errors
    ///
    /// As [`LimitSet::try_acquire`] and [`handle`](Self::handle).
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self, service: &str) -> Result<(), RateLimitError> {
        match self.0.quick(service, 1) {
            true => Ok(()),
            false => self.0.queue(service)?.try_acquire(&USUAL, Location::caller()),
        }
    }

    /// Takes what a call to the service costs, waiting in line for up to
    /// `timeout`, and gives the permit that the call has to hold while it
    /// runs: the way for services that limit how many calls run at once.
    ///
    /// # Errors
    ///
    /// As [`LimitSet::enter`] and [`handle`](Self::handle).
    ///
    /// # Cancel safety
    ///
    /// Dropped at any moment, it has taken nothing.
    #[track_caller]
    pub fn enter(
        &self,
        service: &str,
        costs: &[(&str, u64)],
        timeout: Duration,
    ) -> impl Future<Output = Result<Permit<C>, RateLimitError>> {
        let location = Location::caller();
        let found = self.0.queue(service);
        let costs = found.and_then(|queue| Ok((queue.costs(costs, &USUAL)?, queue)));
        async move {
            let (costs, queue) = costs?;
            let stamp = queue.wait(costs, Keeps::Something, timeout, location).await?;
            Ok(Permit::new(queue, costs, stamp))
        }
    }

    /// [`enter`](Self::enter) for threads: blocks for up to `timeout`.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter); it needs no runtime.
    #[track_caller]
    pub fn enter_blocking(
        &self,
        service: &str,
        costs: &[(&str, u64)],
        timeout: Duration,
    ) -> Result<Permit<C>, RateLimitError> {
        self.handle(service)?.enter_blocking(costs, timeout)
    }

    /// Takes in what a response of the service said about its limits; see
    /// [`LimitSet::learn`].
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    #[track_caller]
    pub fn learn(&self, service: &str, feedback: &Feedback) -> Result<(), RateLimitError> {
        self.0.queue(service).map(|queue| queue.learn(feedback))
    }

    /// How each service stands, registered or not, by name.
    #[must_use]
    pub fn status(&self) -> std::collections::BTreeMap<Arc<str>, Status> {
        let strangers = self.0.strangers.queues();
        // Of two with one name, the registered one counts.
        strangers
            .chain(self.0.registered.queues())
            .filter_map(|queue| Some((queue.name.clone()?, queue.status())))
            .collect()
    }
}

impl<C: Clock + Clone> Services<C> {
    /// Whether a registered service with one bucket granted it at once.
    #[inline]
    fn quick(&self, service: &str, cost: u64) -> bool {
        // Read first, the clock ticks while the name is looked up: it is most
        // of what either takes, and neither has to wait for the other.
        let now = self.settings.clock.now();
        self.registered.find(service).is_some_and(|queue| queue.quick_at(now, cost))
    }

    #[track_caller]
    fn queue(&self, service: &str) -> Result<Arc<Queue<C>>, RateLimitError> {
        if let Some(queue) = self.registered.find(service) {
            return Ok(Arc::clone(queue));
        }
        check_name(service)?;
        self.strangers.queue(service, &self.settings, &self.registered)
    }
}

impl Default for ServiceLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Clone for ServiceLimits<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Clock + Clone> fmt::Debug for ServiceLimits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceLimits").field(&self.status()).finish()
    }
}

/// So much of the first limit, and one of each other.
const fn usual(cost: u64) -> Costs {
    let mut costs = USUAL;
    costs[0] = cost;
    costs
}

#[track_caller]
fn check_name(service: &str) -> Result<(), RateLimitError> {
    let holds = (1..=128).contains(&service.len());
    // It may come from outside, and errors are logged.
    let given: String = service.chars().take(32).collect();
    crate::error::require(holds, "service", "its name has to have 1 to 128 bytes", given)
}
