//! One seed, one schedule: async and blocking, over random policies.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_errors::{Error, Recovery};
use lyra_retry::{
    Jitter, ManualClock, RetryError, RetryPolicy, RetryPolicyBuilder, SeedSource, StopReason,
    SystemSeed,
};

/// In the gate; `cargo xtask soak` multiplies it.
const POLICIES: u64 = 10_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Random numbers that can be repeated: each policy has a seed of its own.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        z ^ (z >> 32)
    }

    fn up_to(&mut self, most: u64) -> u64 {
        self.next() % (most + 1)
    }
}

struct Case {
    builder: RetryPolicyBuilder,
    cap: Duration,
    deadline: Option<Duration>,
    /// The wait that each error asks for.
    asked: Vec<Option<Duration>>,
}

fn case(seed: u64) -> Case {
    let mut dice = Dice(seed);
    let base = Duration::from_nanos(1 + dice.up_to(3_000_000_000));
    let cap = base + Duration::from_nanos(dice.up_to(60_000_000_000));
    let jitter = [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated];
    let deadline = (dice.up_to(2) == 0).then(|| Duration::from_millis(1 + dice.up_to(100_000)));
    let factor = 1.0 + f64::from(u32::try_from(dice.up_to(4_000)).unwrap()) / 1_000.0;
    let mut builder = RetryPolicy::exponential()
        .with_max_retries(u32::try_from(dice.up_to(12)).unwrap())
        .with_base_delay(base)
        .with_max_delay(cap)
        .with_factor(factor)
        .with_jitter(jitter[usize::try_from(dice.up_to(3)).unwrap()])
        .with_seed(dice.next());
    if let Some(deadline) = deadline {
        builder = builder.with_deadline(deadline);
    }
    let mut asked = || match dice.up_to(3) {
        0 => Some(Duration::from_millis(dice.up_to(90_000))),
        _ => None,
    };
    Case { builder, cap, deadline, asked: (0..13).map(|_| asked()).collect() }
}

fn failure(asked: Option<Duration>) -> Error {
    Error::router("no route yet").with_recovery(Recovery::Retry { after: asked })
}

fn delays<E>(error: &RetryError<E>) -> Vec<Option<Duration>> {
    error.history().iter().map(|record| record.delay).collect()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_policies_decide_alike_on_both_sides() {
    // A failure names the seed of its policy, with which that policy comes
    // first.
    let seed = number("LYRA_TEST_SEED").unwrap_or_else(|| SystemSeed.next_seed());
    let policies = POLICIES * number("LYRA_SOAK").unwrap_or(1);
    let mut reasons = std::collections::HashSet::new();
    for policy in 0..policies {
        let seed = seed.wrapping_add(policy);
        let Case { builder, cap, deadline, asked } = case(seed);

        let clock = ManualClock::new();
        let blocking = builder.clone().with_manual_time(&clock).build().unwrap();
        let mut asks = asked.iter().copied();
        let blocking =
            blocking.run_blocking(|| Err::<(), _>(failure(asks.next().unwrap()))).unwrap_err();
        assert_eq!(delays(&blocking).iter().flatten().count(), clock.slept().len());

        // tokio's timer has steps of a millisecond, so with a deadline the
        // time left would differ by less than that: the clock is the same
        // kind, and moved by what was waited for.
        let clock = ManualClock::new();
        let policy = builder.with_clock(clock.clone()).build().unwrap();
        let mut asks = asked.iter().copied();
        let started = tokio::time::Instant::now();
        let mut waited = Duration::ZERO;
        let error = policy
            .retry(|| std::future::ready(Err::<(), _>(failure(asks.next().unwrap()))))
            .on_retry(|event| {
                clock.advance(event.delay);
                waited += event.delay;
            })
            .await
            .unwrap_err();
        assert!(started.elapsed() >= waited, "seed {seed}: it came back early");

        assert_eq!(delays(&error), delays(&blocking), "seed {seed}");
        assert_eq!(error.reason(), blocking.reason(), "seed {seed}");
        assert!(deadline.is_none_or(|deadline| waited < deadline), "seed {seed}: {waited:?}");
        for (record, asked) in error.history().iter().zip(&asked) {
            let Some(delay) = record.delay else { continue };
            let floor = asked.unwrap_or_default();
            assert!(delay >= floor && delay <= cap.max(floor), "seed {seed}: {delay:?}");
        }
        reasons.insert(std::mem::discriminant(&error.reason()));
    }
    let all = [
        StopReason::RetriesUsedUp,
        StopReason::DeadlineTooNear { delay: Duration::ZERO, left: Duration::ZERO },
        StopReason::RetryAfterTooLong { after: Duration::ZERO, limit: Duration::ZERO },
    ];
    for reason in all {
        assert!(reasons.contains(&std::mem::discriminant(&reason)), "never {reason:?}");
    }
}

#[test]
fn without_a_seed_schedules_differ() {
    let slept = || {
        let clock = ManualClock::new();
        let policy = RetryPolicy::exponential().with_manual_time(&clock).build().unwrap();
        policy.run_blocking(|| Err::<(), _>(failure(None))).unwrap_err();
        clock.slept()
    };
    assert_ne!(slept(), slept());
}
