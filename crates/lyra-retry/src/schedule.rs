//! The pure core: from what failed, and when, to what happens next.

use std::fmt;
use std::time::Duration;

use lyra_errors::{Code, Recovery};

use crate::factor::Factor;
use crate::{Jitter, codes, seed};

/// What to do after a failure.
///
/// Complete by nature: one tries again or one doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this wait.
    Retry(Duration),
    /// Give up.
    Stop(StopReason),
}

/// Why there is no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The error is not one that another attempt can help.
    NotRetryable,
    /// The error was retried further inside, and given up there.
    AlreadyExhausted,
    /// All retries are used up.
    RetriesUsedUp,
    /// The schedule of delays has ended.
    ScheduleEnded,
    /// An attempt ran out of time, and the policy does not retry that.
    Timeout,
    /// The deadline has passed.
    Deadline,
    /// The next delay would end at the deadline or after it.
    DeadlineTooNear {
        /// The delay.
        delay: Duration,
        /// The time that is left.
        left: Duration,
    },
    /// The service asks for a longer wait than there is time for.
    RetryAfterTooLong {
        /// The wait that it asks for.
        after: Duration,
        /// The longest that would have been possible.
        limit: Duration,
    },
    /// The shared retry budget is used up.
    BudgetEmpty,
    /// The circuit breaker lets no call through.
    CircuitOpen {
        /// When it tries again; unknown while it is held open by hand, or
        /// while others make the trial calls.
        after: Option<Duration>,
    },
}

impl StopReason {
    /// The reason as a word, as metrics and events have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRetryable => "not_retryable",
            Self::AlreadyExhausted => "already_exhausted",
            Self::RetriesUsedUp => "retries_used_up",
            Self::ScheduleEnded => "schedule_ended",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::DeadlineTooNear { .. } => "deadline_too_near",
            Self::RetryAfterTooLong { .. } => "retry_after_too_long",
            Self::BudgetEmpty => "budget_empty",
            Self::CircuitOpen { .. } => "circuit_open",
        }
    }

    /// The code of the error that tells it.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::NotRetryable => codes::NOT_RETRYABLE,
            Self::AlreadyExhausted | Self::RetriesUsedUp | Self::ScheduleEnded => codes::EXHAUSTED,
            Self::Timeout => codes::TIMEOUT,
            Self::Deadline | Self::DeadlineTooNear { .. } => codes::DEADLINE,
            Self::RetryAfterTooLong { .. } => codes::RETRY_AFTER,
            Self::BudgetEmpty => codes::BUDGET_EMPTY,
            Self::CircuitOpen { .. } => codes::CIRCUIT_OPEN,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRetryable => f.write_str("not an error to retry"),
            Self::AlreadyExhausted => f.write_str("it was retried further inside already"),
            Self::RetriesUsedUp => f.write_str("all retries are used up"),
            Self::ScheduleEnded => f.write_str("the schedule has ended"),
            Self::Timeout => f.write_str("an attempt took too long"),
            Self::Deadline => f.write_str("the deadline has passed"),
            Self::DeadlineTooNear { delay, left } => {
                write!(f, "the next wait of {delay:?} does not fit into the {left:?} left")
            }
            Self::RetryAfterTooLong { after, limit } => {
                write!(f, "asked to wait {after:?}, and at most {limit:?} is possible")
            }
            Self::BudgetEmpty => f.write_str("the retry budget is used up"),
            Self::CircuitOpen { after: Some(after) } => {
                write!(f, "the circuit is open for another {after:?}")
            }
            Self::CircuitOpen { after: None } => f.write_str("the circuit is open"),
        }
    }
}

/// The numbers of a policy that decide; checked when it was built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_retries: u32,
    /// In nanoseconds, like the cap.
    pub(crate) base: u64,
    pub(crate) cap: u64,
    pub(crate) factor: Factor,
    pub(crate) jitter: Jitter,
    pub(crate) max_retry_after: Duration,
    pub(crate) deadline: Option<Duration>,
}

impl Limits {
    /// The delay after the attempt numbered `attempt`, from 1, before jitter.
    pub(crate) fn raw(&self, attempt: u32) -> u64 {
        self.factor.grow(self.base, attempt.saturating_sub(1)).min(self.cap)
    }
}

/// The delays of one operation, and the decision after each of its failures.
///
/// It holds no clock, and one attempt always gets the same answer: the delays
/// follow from the policy and a seed. [`RetryPolicy::schedule`] makes one.
///
/// ```
/// use std::time::Duration;
/// use lyra_errors::Recovery;
/// use lyra_retry::{Decision, RetryPolicy, StopReason};
///
/// let mut schedule = RetryPolicy::promised().schedule(7);
/// let elapsed = Duration::ZERO;
/// assert_eq!(schedule.decide(1, elapsed, Recovery::RETRY), Decision::Retry(Duration::from_secs(1)));
/// assert_eq!(schedule.decide(3, elapsed, Recovery::RETRY), Decision::Retry(Duration::from_secs(4)));
/// assert_eq!(schedule.decide(4, elapsed, Recovery::RETRY), Decision::Stop(StopReason::RetriesUsedUp));
/// ```
///
/// [`RetryPolicy::schedule`]: crate::RetryPolicy::schedule
pub struct Schedule {
    limits: Limits,
    seed: u64,
    /// Delays of the caller's own, in place of the exponential ones.
    custom: Option<Box<dyn Iterator<Item = Duration> + Send>>,
    /// The attempt whose delay is the current one; 0 before the first.
    at: u32,
    /// `None` once the caller's own delays have ended.
    delay: Option<u64>,
}

impl Schedule {
    pub(crate) fn new(
        limits: Limits,
        seed: u64,
        custom: Option<Box<dyn Iterator<Item = Duration> + Send>>,
    ) -> Self {
        Self { limits, seed, custom, at: 0, delay: Some(limits.base) }
    }

    /// What to do when the attempt numbered `attempt`, from 1, has failed,
    /// `elapsed` after the first one began, with an error that says
    /// `recovery`.
    ///
    /// The wait is the schedule's own delay or, where that is longer, what the
    /// error asks for; it never reaches the deadline.
    pub fn decide(&mut self, attempt: u32, elapsed: Duration, recovery: Recovery) -> Decision {
        match self.wait(attempt, elapsed, recovery) {
            Ok(wait) => Decision::Retry(wait),
            Err(reason) => Decision::Stop(reason),
        }
    }

    fn wait(
        &mut self,
        attempt: u32,
        elapsed: Duration,
        recovery: Recovery,
    ) -> Result<Duration, StopReason> {
        let after = match recovery {
            Recovery::Permanent => return Err(StopReason::NotRetryable),
            Recovery::Exhausted => return Err(StopReason::AlreadyExhausted),
            Recovery::Retry { after } => after.unwrap_or_default(),
        };
        if attempt > self.limits.max_retries {
            return Err(StopReason::RetriesUsedUp);
        }
        let left = self.limits.deadline.map(|deadline| deadline.saturating_sub(elapsed));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(StopReason::Deadline);
        }
        let delay = self.delay(attempt).ok_or(StopReason::ScheduleEnded)?;
        if after > self.limits.max_retry_after {
            let limit = left.unwrap_or(Duration::MAX).min(self.limits.max_retry_after);
            return Err(StopReason::RetryAfterTooLong { after, limit });
        }
        match left {
            Some(left) if after >= left => {
                Err(StopReason::RetryAfterTooLong { after, limit: left })
            }
            Some(left) if delay >= left => Err(StopReason::DeadlineTooNear { delay, left }),
            _ => Ok(delay.max(after)),
        }
    }

    /// The schedule's own delay after the attempt numbered `attempt`, from 1;
    /// nothing where a schedule of the caller's own has ended.
    ///
    /// It grows with the attempt without end and stays at the cap. Attempts
    /// are meant to be asked for in their order: with
    /// [`Jitter::Decorrelated`], where each delay follows from the one before,
    /// a far one costs a step for each that was left out, and in a schedule of
    /// the caller's own going back gives its latest delay.
    pub fn delay(&mut self, attempt: u32) -> Option<Duration> {
        let attempt = attempt.max(1);
        if self.is_a_chain() {
            if attempt < self.at && self.custom.is_none() {
                (self.at, self.delay) = (0, Some(self.limits.base));
            }
            while self.at < attempt {
                self.step();
            }
        } else {
            self.at = attempt;
            self.delay = Some(self.jittered(self.limits.raw(attempt)));
        }
        self.delay.map(Duration::from_nanos)
    }

    /// Whether a delay follows from the one before it.
    fn is_a_chain(&self) -> bool {
        self.custom.is_some() || self.limits.jitter == Jitter::Decorrelated
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
        if let Some(custom) = &mut self.custom {
            // An iterator may go on after its end; a schedule does not.
            let next = self.delay.and_then(|_| custom.next());
            self.delay = next.map(|delay| nanos(delay).min(self.limits.cap));
        } else {
            // The factor plays no part.
            self.delay = Some(self.jittered(self.limits.base));
        }
    }

    fn jittered(&self, raw: u64) -> u64 {
        let Limits { jitter, base, cap, .. } = self.limits;
        let previous = self.delay.unwrap_or(base);
        jitter.apply(seed::draw(self.seed, self.at), raw, base, previous, cap)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("limits", &self.limits)
            .field("seed", &self.seed)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// In nanoseconds, or the most that fits: 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            max_retries: u32::MAX,
            base: nanos(SECOND),
            cap: nanos(SECOND * 60),
            factor: Factor::new(2.0),
            jitter: Jitter::None,
            max_retry_after: SECOND * 600,
            deadline: None,
        }
    }

    fn delays(limits: Limits, seed: u64, attempts: u32) -> Vec<Duration> {
        let mut schedule = Schedule::new(limits, seed, None);
        (1..=attempts).map(|attempt| schedule.delay(attempt).unwrap()).collect()
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let seconds: Vec<u64> = delays(limits(), 0, 8).iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_broken_factor_grows_also_from_one_nanosecond() {
        let limits = Limits { base: 1, cap: 1_000, factor: Factor::new(1.1), ..limits() };
        assert_eq!(delays(limits, 0, 100)[99], Duration::from_nanos(1_000));
        assert_eq!(delays(limits, 0, 9)[8], Duration::from_nanos(2));
    }

    #[test]
    fn attempt_10_000_and_beyond_saturate() {
        for factor in [1.0, 1.000_1, 2.0, 1_000.0] {
            for cap in [nanos(SECOND * 60), u64::MAX] {
                let limits = Limits { factor: Factor::new(factor), cap, ..limits() };
                let mut schedule = Schedule::new(limits, 0, None);
                let late = schedule.delay(10_000).unwrap();
                assert!(late >= SECOND && late <= Duration::from_nanos(cap), "{factor} {late:?}");
            }
        }
        assert_eq!(Schedule::new(limits(), 0, None).delay(u32::MAX), Some(SECOND * 60));
    }

    #[test]
    fn a_far_delay_costs_no_steps() {
        for factor in [1.0, 1.000_000_001, 1.000_1] {
            let limits = Limits { factor: Factor::new(factor), cap: u64::MAX, ..limits() };
            let mut schedule = Schedule::new(limits, 0, None);
            // Forwards and backwards: billions of steps each, were they walked.
            for attempt in (0..1_000).map(|n| u32::MAX - n) {
                assert!(schedule.delay(attempt).unwrap() >= SECOND, "{factor}");
                assert_eq!(schedule.delay(1), Some(SECOND));
            }
        }
    }

    #[test]
    fn one_attempt_has_one_delay_in_whatever_order_it_is_asked_for() {
        for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated] {
            let limits = Limits { jitter, ..limits() };
            let expected = delays(limits, 42, 20);
            let mut schedule = Schedule::new(limits, 42, None);
            for attempt in [20u32, 3, 3, 19, 1, 7] {
                let delay = schedule.delay(attempt).unwrap();
                assert_eq!(delay, expected[attempt as usize - 1], "{jitter:?} {attempt}");
            }
        }
    }

    #[test]
    fn a_schedule_of_the_callers_own_is_capped_and_ends() {
        let own = [SECOND, SECOND * 90].into_iter();
        let mut schedule = Schedule::new(limits(), 0, Some(Box::new(own)));
        let mut decide = |attempt| schedule.decide(attempt, Duration::ZERO, Recovery::RETRY);
        assert_eq!(decide(1), Decision::Retry(SECOND));
        assert_eq!(decide(2), Decision::Retry(SECOND * 60));
        assert_eq!(decide(3), Decision::Stop(StopReason::ScheduleEnded));
        assert_eq!(decide(4), Decision::Stop(StopReason::ScheduleEnded));
    }

    #[test]
    fn the_error_decides_whether_there_is_a_next_time() {
        let mut schedule = Schedule::new(limits(), 0, None);
        let mut decide = |recovery| schedule.decide(1, Duration::ZERO, recovery);
        assert_eq!(decide(Recovery::Permanent), Decision::Stop(StopReason::NotRetryable));
        assert_eq!(decide(Recovery::Exhausted), Decision::Stop(StopReason::AlreadyExhausted));
        assert_eq!(decide(Recovery::RETRY), Decision::Retry(SECOND));
    }

    #[test]
    fn the_wait_asked_for_is_a_floor_and_the_own_delay_is_kept_where_it_is_longer() {
        let mut schedule = Schedule::new(limits(), 0, None);
        let mut decide =
            |attempt, after| schedule.decide(attempt, Duration::ZERO, Recovery::retry_after(after));
        assert_eq!(decide(1, SECOND * 100), Decision::Retry(SECOND * 100));
        assert_eq!(decide(3, SECOND * 3), Decision::Retry(SECOND * 4));
    }

    #[test]
    fn an_absurd_wait_is_refused_without_a_deadline_too() {
        let after = Duration::from_secs(99_999_999_999);
        let mut schedule = Schedule::new(limits(), 0, None);
        let reason = StopReason::RetryAfterTooLong { after, limit: SECOND * 600 };
        let decision = schedule.decide(1, Duration::ZERO, Recovery::retry_after(after));
        assert_eq!(decision, Decision::Stop(reason));
    }

    #[test]
    fn the_longest_wait_that_may_be_asked_for_is_waited() {
        let mut schedule = Schedule::new(limits(), 0, None);
        let mut decide = |after| schedule.decide(1, Duration::ZERO, Recovery::retry_after(after));
        assert_eq!(decide(SECOND * 600), Decision::Retry(SECOND * 600));
        let after = SECOND * 600 + Duration::from_nanos(1);
        let reason = StopReason::RetryAfterTooLong { after, limit: SECOND * 600 };
        assert_eq!(decide(after), Decision::Stop(reason));
    }

    #[test]
    fn no_wait_reaches_the_deadline() {
        let limits = Limits { deadline: Some(SECOND * 10), ..limits() };
        let mut schedule = Schedule::new(limits, 0, None);
        let mut decide = |attempt, elapsed, recovery| schedule.decide(attempt, elapsed, recovery);
        assert_eq!(decide(1, SECOND * 8, Recovery::RETRY), Decision::Retry(SECOND));
        let too_near = StopReason::DeadlineTooNear { delay: SECOND, left: SECOND };
        assert_eq!(decide(1, SECOND * 9, Recovery::RETRY), Decision::Stop(too_near));
        let passed = Decision::Stop(StopReason::Deadline);
        assert_eq!(decide(1, SECOND * 10, Recovery::RETRY), passed);
        assert_eq!(decide(1, Duration::MAX, Recovery::RETRY), passed);
        let asked = Recovery::retry_after(SECOND * 2);
        let too_long = StopReason::RetryAfterTooLong { after: SECOND * 2, limit: SECOND * 2 };
        assert_eq!(decide(1, SECOND * 8, asked), Decision::Stop(too_long));
    }
}
