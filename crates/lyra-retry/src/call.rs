use std::marker::PhantomData;
use std::time::Duration;

use crate::course::{Course, Failure, Start};
#[cfg(feature = "tokio")]
use crate::future::RetryFuture;
use crate::retry_error::RetryError;
use crate::rule::{ByRecovery, OnRetry, Quiet, RetryAfter, RetryEvent, RetryRule, When};

/// One call that is about to be made: awaited where it came from `retry`,
/// ended with [`call`](Self::call) where it came from `retry_blocking`.
#[derive(Debug)]
#[must_use = "nothing is called until it is awaited, or ended with `call`"]
pub struct Retry<'p, F, E, R, N> {
    pub(crate) start: Start<'p>,
    pub(crate) operation: F,
    pub(crate) rule: R,
    pub(crate) on_retry: N,
    /// The error of the operation, so that `when` knows its type.
    pub(crate) error: PhantomData<fn() -> E>,
}

impl<'p, F, E> Retry<'p, F, E, ByRecovery, Quiet> {
    pub(crate) fn new(start: Start<'p>, operation: F) -> Self {
        Self { start, operation, rule: ByRecovery, on_retry: Quiet, error: PhantomData }
    }
}

impl<'p, F, E, N> Retry<'p, F, E, ByRecovery, N> {
    /// Retries the errors for which `predicate` is true, and no others,
    /// whatever they say of themselves; so errors of any type will do.
    ///
    /// A predicate knows of no wait that an error asks for: add `retry_after`
    /// where there is one. It comes after this: a predicate put over it would
    /// hide it, so that order does not compile.
    pub fn when<P: FnMut(&E) -> bool>(self, predicate: P) -> Retry<'p, F, E, When<P>, N> {
        let Self { start, operation, on_retry, error, .. } = self;
        Retry { start, operation, rule: When(predicate), on_retry, error }
    }
}

impl<'p, F, E, R, N> Retry<'p, F, E, R, N> {
    /// Takes the shortest wait from the error by `after`, in addition to what
    /// the rule so far knows: the longer one holds.
    pub fn retry_after<A>(self, after: A) -> Retry<'p, F, E, RetryAfter<R, A>, N>
    where
        A: FnMut(&E) -> Option<Duration>,
    {
        let Self { start, operation, rule, on_retry, error } = self;
        Retry { start, operation, rule: RetryAfter { rule, after }, on_retry, error }
    }

    /// Tells `callback` of each retry, before it is waited for.
    ///
    /// When it panics, the panic is passed on and the call is over: there is
    /// no further attempt, and budget and circuit breaker are as after a
    /// cancelled wait.
    pub fn on_retry<C>(self, callback: C) -> Retry<'p, F, E, R, C>
    where
        C: FnMut(&RetryEvent<'_, E>),
    {
        let Self { start, operation, rule, error, .. } = self;
        Retry { start, operation, rule, on_retry: callback, error }
    }

    /// Makes the call, blocking the thread while it waits.
    ///
    /// # Errors
    ///
    /// [`RetryError`] with the last error, the history and the reason.
    pub fn call<T>(mut self) -> Result<T, RetryError<E>>
    where
        F: FnMut() -> Result<T, E>,
        R: RetryRule<E>,
        N: OnRetry<E>,
    {
        if !self.start.policy.is_plain() {
            let course = self.start.course();
            return self.go_on(course, None);
        }
        // Most calls end here, at the price of the operation alone.
        match (self.operation)() {
            Ok(value) => {
                #[cfg(feature = "metrics")]
                crate::metrics::succeeded();
                Ok(value)
            }
            Err(error) => {
                let course = self.start.course_after_first();
                self.go_on(course, Some(error))
            }
        }
    }

    /// The further attempts, after one that failed or before the first.
    #[inline(never)]
    fn go_on<T>(
        mut self,
        mut course: Course<'p, E>,
        mut failed: Option<E>,
    ) -> Result<T, RetryError<E>>
    where
        F: FnMut() -> Result<T, E>,
        R: RetryRule<E>,
        N: OnRetry<E>,
    {
        loop {
            if let Some(error) = failed.take() {
                let failure = Failure::Error(error);
                let delay = course.failed(failure, &mut self.rule, &mut self.on_retry)?;
                course.policy().sleep(delay);
            }
            course.begin()?;
            match (self.operation)() {
                Ok(value) => {
                    course.succeeded();
                    return Ok(value);
                }
                Err(error) => failed = Some(error),
            }
        }
    }
}

#[cfg(feature = "tokio")]
impl<'p, F, Fut, T, E, R, N> IntoFuture for Retry<'p, F, E, R, N>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    R: RetryRule<E>,
    N: OnRetry<E>,
{
    type Output = Result<T, RetryError<E>>;
    type IntoFuture = RetryFuture<'p, F, Fut, E, R, N>;

    fn into_future(self) -> Self::IntoFuture {
        RetryFuture::new(self)
    }
}
