//! The course of one call, between its attempts: all that the async and the
//! blocking side share. It reads the clock, and never waits.

use std::time::{Duration, Instant};

use lyra_errors::{ErrorKind, Location, Recovery, Severity};

use crate::OnTimeout;
use crate::breaker::BreakerPermit;
use crate::budget::Withdrawal;
use crate::history::{AttemptRecord, History};
use crate::policy::RetryPolicy;
use crate::retry_error::{Inner, RetryError};
use crate::rule::{OnRetry, RetryEvent, RetryRule};
use crate::schedule::{Decision, Schedule, StopReason};

/// What operations of one context have in common.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) retries: u32,
    /// When the time of the deadline began.
    pub(crate) started: Option<Instant>,
    /// When the clock was last read.
    pub(crate) seen: Option<Instant>,
    /// Made at the first failure: a success allocates nothing.
    pub(crate) schedule: Option<Box<Schedule>>,
}

impl Progress {
    /// The time since the deadline's began, which begins at the first call.
    ///
    /// While a clock is set back no time passes, and then it goes on: what is
    /// measured from moves along with it.
    fn elapsed(&mut self, now: Instant) -> Duration {
        let started = self.started.get_or_insert(now);
        if let Some(back) = self.seen.and_then(|seen| seen.checked_duration_since(now)) {
            *started = started.checked_sub(back).unwrap_or(*started);
        }
        self.seen = Some(now);
        now.saturating_duration_since(*started)
    }
}

/// What a call begins with. The course is made when there is something to keep
/// track of: after the first failure, or at once where the policy is not plain.
#[derive(Debug)]
pub(crate) struct Start<'p> {
    pub(crate) policy: &'p RetryPolicy,
    /// The progress of the context that the call belongs to.
    pub(crate) shared: Option<&'p mut Progress>,
    pub(crate) location: Location,
}

impl<'p> Start<'p> {
    pub(crate) fn course<E>(&mut self) -> Course<'p, E> {
        Course {
            policy: self.policy,
            own: Progress::default(),
            shared: self.shared.take(),
            attempts: 0,
            attempt_started: None,
            limit: None,
            permit: None,
            withdrawal: None,
            trouble: None,
            location: self.location,
        }
    }

    /// The course of a call whose first attempt was made without one.
    pub(crate) fn course_after_first<E>(&mut self) -> Course<'p, E> {
        Course { attempts: 1, ..self.course() }
    }
}

/// How an attempt failed.
pub(crate) enum Failure<E> {
    Error(E),
    /// It was cancelled at the limit that the policy had set.
    #[cfg(feature = "tokio")]
    OutOfTime,
}

#[cfg(feature = "metrics")]
impl<E> Failure<E> {
    fn outcome(&self) -> crate::AttemptOutcome {
        match self {
            Self::Error(_) => crate::AttemptOutcome::Failed,
            #[cfg(feature = "tokio")]
            Self::OutOfTime => crate::AttemptOutcome::TimedOut,
        }
    }
}

/// The time that an attempt may take.
#[derive(Debug, Clone, Copy)]
struct TimeLimit {
    after: Duration,
    /// Whether it ends the call, not the attempt alone.
    is_deadline: bool,
}

#[derive(Debug)]
pub(crate) struct Course<'p, E> {
    policy: &'p RetryPolicy,
    own: Progress,
    shared: Option<&'p mut Progress>,
    attempts: u32,
    attempt_started: Option<Instant>,
    limit: Option<TimeLimit>,
    permit: Option<BreakerPermit>,
    withdrawal: Option<Withdrawal>,
    trouble: Option<Box<Trouble<E>>>,
    location: Location,
}

/// What there is once an attempt has failed.
#[derive(Debug)]
struct Trouble<E> {
    history: History,
    last: Option<E>,
    told: Option<(ErrorKind, Severity)>,
    elapsed: Duration,
}

impl<'p, E> Course<'p, E> {
    pub(crate) fn policy(&self) -> &'p RetryPolicy {
        self.policy
    }

    fn progress(&mut self) -> &mut Progress {
        self.shared.as_deref_mut().unwrap_or(&mut self.own)
    }

    /// Begins the next attempt, unless there is to be none.
    pub(crate) fn begin(&mut self) -> Result<(), RetryError<E>> {
        self.limit = None;
        if self.attempts > 0 || self.policy.is_timed() {
            self.read_clock()?;
        }
        if let Some(breaker) = &self.policy.breaker {
            match breaker.try_acquire() {
                Ok(permit) => self.permit = Some(permit),
                Err(open) => {
                    let after = open.retry_after();
                    return Err(self.give_up(StopReason::CircuitOpen { after }));
                }
            }
        }
        if self.attempts > 0 {
            #[cfg(feature = "metrics")]
            crate::metrics::retried();
            let progress = self.progress();
            progress.retries = progress.retries.saturating_add(1);
            if let Some(withdrawal) = self.withdrawal.take() {
                withdrawal.spend();
            }
        } else if let Some(budget) = &self.policy.budget {
            budget.deposit();
        }
        self.attempts = self.attempts.saturating_add(1);
        Ok(())
    }

    /// Notes when the attempt begins, and how long it may take.
    fn read_clock(&mut self) -> Result<(), RetryError<E>> {
        let now = self.policy.now();
        self.attempt_started = Some(now);
        let elapsed = self.progress().elapsed(now);
        if let Some(trouble) = &mut self.trouble {
            trouble.elapsed = elapsed;
        }
        let timeout = self.policy.attempt_timeout;
        self.limit = timeout.map(|after| TimeLimit { after, is_deadline: false });
        let Some(deadline) = self.policy.limits.deadline else { return Ok(()) };
        let left = deadline.saturating_sub(elapsed);
        if left.is_zero() {
            return Err(self.give_up(StopReason::Deadline));
        }
        if timeout.is_none_or(|timeout| left <= timeout) {
            self.limit = Some(TimeLimit { after: left, is_deadline: true });
        }
        Ok(())
    }

    /// How long the attempt may still take, where that is limited.
    #[cfg(feature = "tokio")]
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let (limit, started) = (self.limit?, self.attempt_started?);
        Some(limit.after.saturating_sub(self.policy.now().saturating_duration_since(started)))
    }

    /// The attempt has succeeded, and with it the call.
    pub(crate) fn succeeded(&mut self) {
        #[cfg(feature = "metrics")]
        crate::metrics::succeeded();
        if let Some(permit) = self.permit.take() {
            permit.success();
        }
    }

    /// The attempt has failed: how long to wait before the next, or the end.
    /// Whoever wants to know of a retry is told before it is waited for.
    pub(crate) fn failed<R, N>(
        &mut self,
        failure: Failure<E>,
        rule: &mut R,
        on_retry: &mut N,
    ) -> Result<Duration, RetryError<E>>
    where
        R: RetryRule<E>,
        N: OnRetry<E>,
    {
        let policy = self.policy;
        let now = policy.now();
        let elapsed = self.progress().elapsed(now);
        let took = self.attempt_started.take().map(|begun| now.saturating_duration_since(begun));
        let limit = self.limit.take();
        // A blocking attempt could not be cancelled.
        let is_late = limit.is_some_and(|limit| took.is_some_and(|took| took >= limit.after));

        let (recovery, is_cancelled) = match &failure {
            Failure::Error(error) => (rule.recovery(error), false),
            #[cfg(feature = "tokio")]
            // Where the policy does not retry that, it never gets to decide.
            Failure::OutOfTime => (Recovery::RETRY, true),
        };
        let is_deadline = limit.is_some_and(|limit| limit.is_deadline);
        if let Some(permit) = self.permit.take() {
            match recovery {
                // The caller had no more time; that says nothing of the service.
                _ if is_cancelled && is_deadline => drop(permit),
                // Who says that a request is wrong is in good health.
                Recovery::Permanent if rule.vouches() => permit.success(),
                Recovery::Permanent => drop(permit),
                Recovery::Retry { .. } | Recovery::Exhausted => permit.failure(),
            }
        }
        let is_last_timeout = (is_cancelled || is_late && recovery.is_recoverable())
            && !is_deadline
            && policy.on_timeout == OnTimeout::Stop;
        let decided = if is_cancelled && is_deadline {
            Err(StopReason::Deadline)
        } else if is_last_timeout {
            Err(StopReason::Timeout)
        } else {
            self.decide(elapsed, recovery)
        };

        let record = AttemptRecord::new(self.attempts, took, decided.ok());
        self.note(failure, record, elapsed, rule);
        let delay = decided.map_err(|reason| self.give_up(reason))?;
        #[cfg(feature = "metrics")]
        crate::metrics::waits(delay);
        let latest = self.trouble.as_ref().and_then(|trouble| trouble.history.records().last());
        crate::events::attempt_failed(latest, self.location);
        on_retry.on_retry(&self.event(delay));
        Ok(delay)
    }

    fn decide(&mut self, elapsed: Duration, recovery: Recovery) -> Result<Duration, StopReason> {
        let policy = self.policy;
        let progress = self.progress();
        let schedule = progress.schedule.get_or_insert_with(|| Box::new(policy.fresh_schedule()));
        let number = progress.retries.saturating_add(1);
        let delay = match schedule.decide(number, elapsed, recovery) {
            Decision::Retry(delay) => delay,
            Decision::Stop(reason) => return Err(reason),
        };
        // To wait first, only to be refused then, helps nobody.
        if let Some(open) = policy.breaker.as_ref().and_then(|breaker| breaker.refuses(delay)) {
            return Err(StopReason::CircuitOpen { after: open.retry_after() });
        }
        if let Some(budget) = &policy.budget {
            self.withdrawal = Some(budget.try_withdraw().ok_or(StopReason::BudgetEmpty)?);
        }
        Ok(delay)
    }

    fn note<R: RetryRule<E>>(
        &mut self,
        failure: Failure<E>,
        record: AttemptRecord,
        elapsed: Duration,
        rule: &R,
    ) {
        let trouble = self.trouble.get_or_insert_with(|| {
            Box::new(Trouble { history: History::default(), last: None, told: None, elapsed })
        });
        trouble.elapsed = elapsed;
        #[cfg(feature = "metrics")]
        crate::metrics::failed(failure.outcome());
        match failure {
            Failure::Error(error) => {
                let told = rule.classify(&error);
                trouble.told = told.map(|told| (told.kind(), told.severity()));
                trouble.history.push(record.failed(told));
                trouble.last = Some(error);
            }
            #[cfg(feature = "tokio")]
            Failure::OutOfTime => trouble.history.push(record),
        }
    }

    fn event(&self, delay: Duration) -> RetryEvent<'_, E> {
        let trouble = self.trouble.as_ref();
        let latest = trouble.and_then(|trouble| trouble.history.records().last());
        let has_error =
            latest.is_some_and(|record| record.outcome == crate::AttemptOutcome::Failed);
        RetryEvent {
            attempt: self.attempts,
            error: trouble.and_then(|trouble| trouble.last.as_ref()).filter(|_| has_error),
            delay,
            elapsed: trouble.map_or(Duration::ZERO, |trouble| trouble.elapsed),
        }
    }

    fn give_up(&mut self, reason: StopReason) -> RetryError<E> {
        #[cfg(feature = "metrics")]
        crate::metrics::gave_up(reason);
        let trouble = self.trouble.take();
        let (history, last, told, elapsed) = match trouble {
            Some(trouble) => (trouble.history, trouble.last, trouble.told, trouble.elapsed),
            None => (History::default(), None, None, Duration::ZERO),
        };
        let latest = history.records().last();
        crate::events::gave_up(reason, self.attempts, elapsed, latest, self.location);
        let (kind, severity) = told.unwrap_or((kind_of(reason), Severity::Error));
        RetryError::new(Inner {
            reason,
            attempts: self.attempts,
            elapsed,
            history,
            last,
            kind,
            severity,
            location: self.location,
        })
    }
}

/// The kind of an error that has no other to tell it.
fn kind_of(reason: StopReason) -> ErrorKind {
    match reason {
        StopReason::CircuitOpen { .. }
        | StopReason::BudgetEmpty
        | StopReason::RetryAfterTooLong { .. } => ErrorKind::RateLimit,
        _ => ErrorKind::Internal,
    }
}
