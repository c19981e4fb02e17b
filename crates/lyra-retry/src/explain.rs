use std::fmt;
use std::time::Duration;

use crate::RetryPolicy;
use crate::schedule::Limits;

/// How many delays are shown one by one.
const SHOWN: u32 = 10;
/// How many are added up one by one; further ones in as many blocks, each of
/// which counts as if all of it were as long as its last. That is exact where
/// they no longer grow, and elsewhere an honest bound.
const SUMMED: u32 = 10_000;

/// The schedule of a [`RetryPolicy`] with its bounds and its worst case.
///
/// ```
/// use lyra_retry::RetryPolicy;
///
/// assert_eq!(RetryPolicy::network().explain().to_string(), "\
/// at most 5 attempts: the first and 4 retries
///   before retry 1: 0ns to 200ms
///   before retry 2: 0ns to 400ms
///   before retry 3: 0ns to 800ms
///   before retry 4: 0ns to 1.6s
/// an error may ask for a longer wait, up to 600s
/// each attempt is given 10s, all of it 60s
/// worst case: 53s, of which 3s are waits");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    max_retries: u32,
    /// `None` where the delays are the caller's own.
    delays: Option<Vec<(Duration, Duration)>>,
    waits: Option<Duration>,
    max_retry_after: Duration,
    attempt_timeout: Option<Duration>,
    deadline: Option<Duration>,
}

impl Explanation {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let limits = policy.limits;
        let is_ours = !policy.has_own_delays();
        let shown = limits.max_retries.min(SHOWN);
        Self {
            max_retries: limits.max_retries,
            delays: is_ours.then(|| (1..=shown).map(|attempt| bounds(limits, attempt)).collect()),
            waits: is_ours.then(|| longest_waits(limits)),
            max_retry_after: limits.max_retry_after,
            attempt_timeout: policy.attempt_timeout,
            deadline: limits.deadline,
        }
    }

    /// The longest that a call can take, as long as no error asks for a
    /// longer wait than the schedule has; none where nothing limits it.
    #[must_use]
    pub fn worst_case(&self) -> Option<Duration> {
        let attempts = self.max_retries.saturating_add(1);
        let all = self.attempt_timeout.zip(self.waits).map(|(timeout, waits)| {
            timeout.checked_mul(attempts).unwrap_or(Duration::MAX).saturating_add(waits)
        });
        match (all, self.deadline) {
            (Some(all), Some(deadline)) => Some(all.min(deadline)),
            (all, deadline) => all.or(deadline),
        }
    }

    /// The longest that all waits take together, as long as no error asks for
    /// longer ones; none where the delays are the caller's own.
    #[must_use]
    pub fn longest_waits(&self) -> Option<Duration> {
        self.waits
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retries = self.max_retries;
        match retries {
            0 => write!(f, "1 attempt, and no retry")?,
            1 => write!(f, "at most 2 attempts: the first and 1 retry")?,
            _ => write!(
                f,
                "at most {} attempts: the first and {retries} retries",
                u64::from(retries) + 1
            )?,
        }
        match &self.delays {
            Some(delays) => {
                for (index, (low, high)) in delays.iter().enumerate() {
                    write!(f, "\n  before retry {}: ", index + 1)?;
                    match low == high {
                        true => write!(f, "{high:?}")?,
                        false => write!(f, "{low:?} to {high:?}")?,
                    }
                }
                if retries > SHOWN {
                    write!(f, "\n  and {} more", retries - SHOWN)?;
                }
            }
            None => write!(f, "\n  the delays are the caller's own")?,
        }
        if retries > 0 {
            write!(f, "\nan error may ask for a longer wait, up to {:?}", self.max_retry_after)?;
        }
        match (self.attempt_timeout, self.deadline) {
            (None, None) => {}
            (Some(timeout), None) => write!(f, "\neach attempt is given {timeout:?}")?,
            (None, Some(deadline)) => write!(f, "\nall of it is given {deadline:?}")?,
            (Some(timeout), Some(deadline)) => {
                write!(f, "\neach attempt is given {timeout:?}, all of it {deadline:?}")?;
            }
        }
        match (self.worst_case(), self.waits) {
            (Some(worst), Some(waits)) if waits <= worst => {
                write!(f, "\nworst case: {worst:?}, of which {waits:?} are waits")
            }
            (Some(worst), _) => write!(f, "\nworst case: {worst:?}"),
            (None, Some(waits)) => {
                write!(
                    f,
                    "\nworst case: {waits:?} of waits, and the attempts, which nothing limits"
                )
            }
            (None, None) => write!(f, "\nworst case: nothing limits it"),
        }
    }
}

/// The shortest and the longest delay after the attempt numbered `attempt`.
fn bounds(limits: Limits, attempt: u32) -> (Duration, Duration) {
    let Limits { jitter, base, cap, .. } = limits;
    let (low, high) = jitter.bounds(limits.raw(attempt), base, cap, attempt);
    (Duration::from_nanos(low), Duration::from_nanos(high))
}

fn longest_waits(limits: Limits) -> Duration {
    let summed = limits.max_retries.min(SUMMED);
    let block = (limits.max_retries - summed).div_ceil(SUMMED).max(1);
    let (mut sum, mut attempt) = (Duration::ZERO, 0);
    while attempt < limits.max_retries {
        let size = if attempt < summed { 1 } else { block.min(limits.max_retries - attempt) };
        attempt += size;
        let (_, longest) = bounds(limits, attempt);
        sum = sum.saturating_add(longest.checked_mul(size).unwrap_or(Duration::MAX));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Jitter;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_promised_policy_waits_seven_seconds_at_most() {
        let told = RetryPolicy::promised().explain();
        assert_eq!(told.longest_waits(), Some(SECOND * 7));
        assert_eq!(told.worst_case(), None);
        let text = told.to_string();
        assert!(text.contains("  before retry 3: 4s\n"), "{text}");
        assert!(text.ends_with("7s of waits, and the attempts, which nothing limits"), "{text}");
    }

    #[test]
    fn a_deadline_cuts_the_worst_case() {
        let policy = RetryPolicy::exponential().with_deadline(SECOND * 5).build().unwrap();
        let told = policy.explain();
        assert_eq!(told.worst_case(), Some(SECOND * 5));
        assert!(told.to_string().ends_with("worst case: 5s"), "{told}");
    }

    #[test]
    fn a_long_schedule_is_cut_and_saturates() {
        let policy = RetryPolicy::exponential()
            .with_max_retries(u32::MAX)
            .with_max_delay(Duration::MAX)
            .with_jitter(Jitter::Decorrelated)
            .with_attempt_timeout(Duration::MAX)
            .build()
            .unwrap();
        let told = policy.explain();
        assert_eq!(told.worst_case(), Some(Duration::MAX));
        assert!(told.to_string().contains("and 4294967285 more"), "{told}");
    }

    #[test]
    fn millions_of_equal_delays_are_told_exactly_and_at_once() {
        let steady = RetryPolicy::exponential()
            .with_factor(1.0)
            .with_max_retries(u32::MAX)
            .with_jitter(Jitter::None)
            .build()
            .unwrap();
        assert_eq!(steady.explain().longest_waits(), Some(SECOND * u32::MAX));
        let capped = steady.to_builder().with_factor(2.0).build().unwrap();
        // 1, 2, 4, 8, 16 and 32 s, and from then on the cap.
        let waits = SECOND * 63 + (SECOND * 60) * (u32::MAX - 6);
        assert_eq!(capped.explain().longest_waits(), Some(waits));
    }

    #[test]
    fn a_factor_next_to_1_is_told_at_once_and_bounded_from_above() {
        let slow = RetryPolicy::exponential()
            .with_factor(1.000_000_01)
            .with_max_retries(100_000_000)
            .with_jitter(Jitter::None)
            .build()
            .unwrap();
        // The geometric series to e times the first second: 100,000,000 × (e - 1).
        let told = slow.explain().longest_waits().unwrap().as_secs_f64();
        assert!((171_820_000.0..172_000_000.0).contains(&told), "{told}");
    }

    #[test]
    fn no_retry_and_own_delays_are_told_as_such() {
        let once = RetryPolicy::exponential().with_max_retries(0).build().unwrap();
        assert!(once.explain().to_string().starts_with("1 attempt, and no retry"));
        let own = RetryPolicy::exponential().with_delays(|| [SECOND]).build().unwrap();
        let text = own.explain().to_string();
        assert!(text.contains("the caller's own") && text.ends_with("nothing limits it"), "{text}");
    }
}
