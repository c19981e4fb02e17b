//! The crate's own sources under shuttle, which runs tasks and threads by
//! turns, in an order that a seed decides.
//!
//! What the sources take from `crate::atomics` and from tokio is put in its
//! place: the alias `tokio` of a test's own crate leads here, too.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod atomics;
pub(crate) mod tokio;

use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use shuttle::future::yield_now;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// Longer than any schedule: who waits so long and is not called hangs, and
/// shuttle tells of it.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);
/// May be over in the middle.
pub(crate) const SHORT: Duration = Duration::from_millis(1);

/// In the gate; `cargo xtask soak` multiplies it.
const SCHEDULES: u64 = 10_000;

/// Runs a scenario under so many schedules. Each test names the variables
/// itself, so that `cargo xtask soak` finds it, and runs no other.
pub(crate) fn explore(dose: &str, seed: &str, scenario: fn()) {
    let seed = number(seed).unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let left = SCHEDULES * number(dose).unwrap_or(1);
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    // The seed says all.
    config.failure_persistence = FailurePersistence::None;
    // All that ends takes less than a tenth of it.
    config.max_steps = MaxSteps::FailAfter(20_000);
    let schedules = Schedules { seed: seed.wrapping_sub(1), left, state: 0 };
    Runner::new(schedules, config).run(move || {
        tokio::time::start();
        scenario();
    });
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Whoever can run is as likely to be next as any other. Each schedule has a
/// seed of its own, the next number, so that a failure is repeated at once.
#[derive(Debug)]
struct Schedules {
    seed: u64,
    left: u64,
    state: u64,
}

impl Scheduler for Schedules {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.left = self.left.checked_sub(1)?;
        self.seed = self.seed.wrapping_add(1);
        self.state = self.seed;
        Some(Schedule::new(self.seed))
    }

    fn next_task(&mut self, runnable: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        let index = self.next_u64() % runnable.len() as u64;
        Some(runnable[usize::try_from(index).unwrap()].id())
    }

    /// `SplitMix64`.
    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Drop for Schedules {
    #[allow(clippy::print_stdout, reason = "the failing seed is the bug report")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("repeat with LYRA_TEST_SEED={}; {} more were to come", self.seed, self.left);
        }
    }
}

/// A number below, of the schedule's seed.
pub(crate) fn below(bound: u32) -> u32 {
    thread_rng().gen_range(0..bound)
}

/// Begins to wait, and after a while looks no more: dropped, the future has to
/// give back what it was handed meanwhile.
pub(crate) async fn or_leave<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(done) => Some(done),
        Poll::Pending => {
            for _ in 0..below(8) {
                yield_now().await;
            }
            None
        }
    }
}

/// From now on time passes, as fast as it happens. Who hangs then is told by
/// the number of steps.
pub(crate) fn let_time_pass() {
    drop(shuttle::future::spawn(async {
        loop {
            tokio::time::pass(SHORT * below(8) / 16);
            yield_now().await;
        }
    }));
}
