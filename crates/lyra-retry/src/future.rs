use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::call::Retry;
use crate::course::{Course, Failure, Start};
use crate::retry_error::RetryError;
use crate::rule::{OnRetry, RetryRule};

pin_project! {
    /// The future of a call: attempts, and the waits between them.
    ///
    /// A type and no box, so that a success at once costs no allocation; and
    /// public, because `IntoFuture` has to name it, without a path by which
    /// anybody else could. See [`RetryPolicy::run`](crate::RetryPolicy::run)
    /// for what happens when it is dropped.
    #[must_use = "futures do nothing unless awaited"]
    pub struct RetryFuture<'p, F, Fut, E, R, N> {
        start: Start<'p>,
        course: Option<Course<'p, E>>,
        operation: F,
        rule: R,
        on_retry: N,
        state: State,
        #[pin]
        attempt: Option<Fut>,
        // Of the attempt's time, or of the wait after it.
        #[pin]
        timer: Option<Sleep>,
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    Beginning,
    Attempting,
    Waiting,
    /// Also while code of the caller runs, which may panic.
    Over,
}

impl<'p, F, Fut, E, R, N> RetryFuture<'p, F, Fut, E, R, N> {
    pub(crate) fn new(call: Retry<'p, F, E, R, N>) -> Self {
        let Retry { start, operation, rule, on_retry, error: _ } = call;
        let state = State::Beginning;
        Self { start, course: None, operation, rule, on_retry, state, attempt: None, timer: None }
    }
}

impl<F, Fut, T, E, R, N> Future for RetryFuture<'_, F, Fut, E, R, N>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    R: RetryRule<E>,
    N: OnRetry<E>,
{
    type Output = Result<T, RetryError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match std::mem::replace(this.state, State::Over) {
                State::Beginning => {
                    // A plain policy has no part in a first attempt.
                    if this.course.is_some() || !this.start.policy.is_plain() {
                        this.course.get_or_insert_with(|| this.start.course()).begin()?;
                    }
                    this.attempt.set(Some((this.operation)()));
                    *this.state = State::Attempting;
                }
                State::Attempting => {
                    let attempt = this.attempt.as_mut().as_pin_mut();
                    let failure = match attempt.expect("it is set on the way here").poll(cx) {
                        Poll::Ready(Ok(value)) => {
                            match this.course {
                                Some(course) => course.succeeded(),
                                #[cfg(feature = "metrics")]
                                None => crate::metrics::succeeded(),
                                #[cfg(not(feature = "metrics"))]
                                None => {}
                            }
                            this.attempt.set(None);
                            return Poll::Ready(Ok(value));
                        }
                        Poll::Ready(Err(error)) => Failure::Error(error),
                        Poll::Pending => {
                            *this.state = State::Attempting;
                            if this.timer.is_none() {
                                // Without a limit there is nothing to time.
                                let course = this.course.as_ref();
                                let Some(left) = course.and_then(Course::time_left) else {
                                    return Poll::Pending;
                                };
                                this.timer.set(Some(tokio::time::sleep(left)));
                            }
                            // An attempt that used up what tokio lets a task do
                            // at a time leaves nothing for the timer, which is
                            // pending then whatever the time is.
                            let course = this.course.as_ref();
                            let is_over = course
                                .and_then(Course::time_left)
                                .is_some_and(|left| left.is_zero());
                            if let Some(timer) = this.timer.as_mut().as_pin_mut()
                                && !is_over
                            {
                                ready!(timer.poll(cx));
                            }
                            *this.state = State::Over;
                            Failure::OutOfTime
                        }
                    };
                    // Cancelled before anything else is done.
                    this.attempt.set(None);
                    this.timer.set(None);
                    let course = this.course.get_or_insert_with(|| this.start.course_after_first());
                    let delay = course.failed(failure, this.rule, this.on_retry)?;
                    this.timer.set(Some(tokio::time::sleep(delay)));
                    *this.state = State::Waiting;
                }
                State::Waiting => {
                    *this.state = State::Waiting;
                    if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                        ready!(timer.poll(cx));
                    }
                    this.timer.set(None);
                    *this.state = State::Beginning;
                }
                State::Over => panic!("a call was polled after its end"),
            }
        }
    }
}

impl<F, Fut, E, R, N> fmt::Debug for RetryFuture<'_, F, Fut, E, R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryFuture").field("state", &self.state).finish_non_exhaustive()
    }
}
