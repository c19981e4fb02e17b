//! What the engine of this process foresees behind others, against what comes
//! when they are served one by one: never more, and where it says so, exactly.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_ratelimit::engine::{Denial, Engine, InProcess, Taken, Wait};
use lyra_ratelimit::{Limits, ManualClock, Quota};
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::prop_assert;

const MS: Duration = Duration::from_millis(1);

struct Served {
    engine: InProcess<ManualClock>,
    clock: ManualClock,
    passed: Duration,
}

impl Served {
    fn new(limits: &Limits, before: &[(u64, u64)]) -> Self {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(1_000_000));
        let engine = InProcess::with_clock(limits.clone(), clock.clone()).unwrap();
        let mut served = Self { engine, clock, passed: Duration::ZERO };
        for (cost, pause) in before {
            served.serve(&[*cost, 1 + cost / 2]);
            served.clock.advance(MS * u32::try_from(*pause).unwrap());
        }
        served.passed = Duration::ZERO;
        served
    }

    /// Takes as soon as it can.
    fn serve(&mut self, costs: &[u64]) {
        loop {
            match now(self.engine.take(costs)) {
                Taken::Granted(_) => return,
                Taken::Denied(Denial::NotYet(wait)) => {
                    self.clock.advance(wait.least());
                    self.passed += wait.least();
                }
                Taken::Denied(denial) => panic!("{denial:?}"),
            }
        }
    }

    fn foresee(&self, ahead: &[u64], costs: &[u64]) -> Wait {
        match now(self.engine.foresee(ahead, costs)) {
            Denial::NotYet(wait) => wait,
            denial @ Denial::TooLarge { .. } => panic!("{denial:?}"),
        }
    }
}

/// The engine of this process never waits.
fn now<T, E: std::fmt::Debug>(call: impl Future<Output = Result<T, E>>) -> T {
    let mut call = std::pin::pin!(call);
    match call.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(answer) => answer.unwrap(),
        std::task::Poll::Pending => panic!("it waits"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_foreseen_is_never_too_long(
        (strict, two) in (any::<bool>(), any::<bool>()),
        most in 1_u64..6,
        millis in 1_u64..50,
        before in proptest::collection::vec((1_u64..4, 0_u64..60), 0..6),
        ahead in proptest::collection::vec(1_u64..4, 0..9),
        cost in 1_u64..4,
    ) {
        let period = Duration::from_millis(millis * most);
        let quota = Quota::new(most, period);
        let mut limits = Limits::new().with("one", if strict { quota.strict() } else { quota });
        if two {
            limits = limits.with("two", Quota::every(MS * 30).with_burst(3));
        }
        let fit = |cost: u64| cost.min(most);
        let before: Vec<_> = before.iter().map(|(cost, pause)| (fit(*cost), *pause)).collect();
        let mut served = Served::new(&limits, &before);
        let pair = |cost: u64| [fit(cost), 1 + fit(cost) / 2];
        let sum = |index: usize| ahead.iter().map(|cost| pair(*cost)[index]).sum::<u64>();
        let foreseen = served.foresee(&[sum(0), sum(1)], &pair(cost));
        for cost in &ahead {
            served.serve(&pair(*cost));
        }
        served.serve(&pair(cost));
        let passed = served.passed;
        prop_assert!(foreseen.least() <= passed, "{foreseen:?} is longer than {passed:?}");
        if foreseen.is_exact() {
            prop_assert!(foreseen.least() == passed, "{foreseen:?} is not {passed:?}");
        }
        // A bucket alone is exact, and so is anything behind nobody.
        prop_assert!(foreseen.is_exact() || !ahead.is_empty() && (strict || two));
    }

    #[test]
    fn behind_calls_that_cost_one_a_window_is_foreseen_as_it_comes(
        most in 1_u64..6,
        before in proptest::collection::vec((1_u64..2, 0_u64..60), 0..6),
        ahead in 0_u64..30,
    ) {
        let limits = Limits::from(Quota::new(most, MS * 100).strict());
        let mut served = Served::new(&limits, &before);
        let foreseen = served.foresee(&[ahead], &[1]);
        for _ in 0..=ahead {
            served.serve(&[1]);
        }
        prop_assert!(foreseen.least() == served.passed, "{foreseen:?}, {:?}", served.passed);
    }
}
