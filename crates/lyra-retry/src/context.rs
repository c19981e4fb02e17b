use lyra_errors::Classify;

use crate::call::Retry;
use crate::course::{Progress, Start};
use crate::rule::{ByRecovery, Quiet};
use crate::{RetryError, RetryPolicy};

/// Several operations that share one budget of retries: what one has used up,
/// the next has no longer. The delays go on where they were, and the deadline
/// is that of the whole, from the making of the context on.
///
/// ```
/// use lyra_errors::{Error, Recovery};
/// use lyra_retry::{ManualClock, RetryPolicy};
///
/// let clock = ManualClock::new(); // nothing really waits
/// let policy = RetryPolicy::exponential().with_manual_time(&clock).build()?;
/// let mut context = policy.context();
/// let mut fails = [true, true, false].into_iter();
/// let fetched = context.run_blocking(|| match fails.next() {
///     Some(true) => Err(Error::router("no route").with_recovery(Recovery::RETRY)),
///     _ => Ok("page"),
/// });
/// assert_eq!(fetched?, "page");
/// assert_eq!(context.retries_left(), 1); // of 3, for the operations to come
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct RetryContext {
    policy: RetryPolicy,
    progress: Progress,
}

impl RetryContext {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        let started = policy.deadline().map(|_| policy.now());
        Self { policy, progress: Progress { started, ..Progress::default() } }
    }

    /// As [`RetryPolicy::run`], with the retries that are left.
    ///
    /// # Errors
    ///
    /// [`RetryError`] with the last error, the history and the reason.
    ///
    /// # Cancel safety
    ///
    /// As [`RetryPolicy::run`]; retries that were made stay used up.
    #[cfg(feature = "tokio")]
    #[track_caller]
    pub fn run<F, Fut, T, E>(
        &mut self,
        operation: F,
    ) -> impl Future<Output = Result<T, RetryError<E>>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Classify,
    {
        self.retry(operation).into_future()
    }

    /// As [`RetryPolicy::run_blocking`], with the retries that are left.
    ///
    /// # Errors
    ///
    /// [`RetryError`] with the last error, the history and the reason.
    #[track_caller]
    pub fn run_blocking<F, T, E>(&mut self, operation: F) -> Result<T, RetryError<E>>
    where
        F: FnMut() -> Result<T, E>,
        E: Classify,
    {
        self.retry_blocking(operation).call()
    }

    /// As [`RetryPolicy::retry`], with the retries that are left.
    #[cfg(feature = "tokio")]
    #[track_caller]
    pub fn retry<F, Fut, T, E>(&mut self, operation: F) -> Retry<'_, F, E, ByRecovery, Quiet>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Retry::new(self.start(), operation)
    }

    /// As [`RetryPolicy::retry_blocking`], with the retries that are left.
    #[track_caller]
    pub fn retry_blocking<F, T, E>(&mut self, operation: F) -> Retry<'_, F, E, ByRecovery, Quiet>
    where
        F: FnMut() -> Result<T, E>,
    {
        Retry::new(self.start(), operation)
    }

    #[track_caller]
    fn start(&mut self) -> Start<'_> {
        let location = std::panic::Location::caller();
        Start { policy: &self.policy, shared: Some(&mut self.progress), location }
    }

    /// How many retries the operations so far have used up.
    #[must_use]
    pub fn retries_used(&self) -> u32 {
        self.progress.retries
    }

    /// How many are left for the operations to come.
    #[must_use]
    pub fn retries_left(&self) -> u32 {
        self.policy.max_retries().saturating_sub(self.progress.retries)
    }
}
