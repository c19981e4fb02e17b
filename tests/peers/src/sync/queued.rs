//! One who waits behind eight that come again and again: a reader behind
//! writers, and a writer behind readers.
//!
//! Each of the eight holds the lock for a sleep of 1 ms, of which tokio's timer
//! makes about 2, and asks for it again at once. A sleep and not work, because
//! eight that work would be measured by how many cores there are.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::AREA;
use super::locks::{self, Contender, Held, Lock, Wait};
use crate::harness::{Figure, Row, figure_rows, highest, median, wait_rows};

const LOOPING: u32 = 8;
const HOLD: Duration = Duration::from_millis(1);

/// By then all eight stand in line, or are in.
const AFTER: Duration = Duration::from_millis(20);

/// A hundred times what one round of the eight takes: it starves.
const CAP: Duration = Duration::from_secs(2);

/// Each with a lock of its own, the contenders in turn.
const RUNS: u32 = 45;

/// What asks for a lock, to read or to write.
type Ask = fn(&dyn Lock) -> Wait<'_>;

/// What became of one who waited.
struct Outcome {
    milliseconds: f64,
    /// How many of the eight were let in meanwhile.
    passed: f64,
}

/// The goal is on the median of the waits: the rule of each lock decides it,
/// and the worst run is the one that the machine disturbed the most. How many
/// passed is promised for every run, so there the worst counts.
pub(super) async fn reader() -> Vec<Row> {
    let case = format!("a reader behind {LOOPING} looping writers");
    rows(&case, "writers", |lock| lock.write(), |lock| lock.read()).await
}

/// The first writer, while nobody else waits. The goal is on how many passed,
/// in the worst run.
pub(super) async fn writer() -> Vec<Row> {
    let case = format!("the first writer behind {LOOPING} looping readers");
    rows(&case, "readers", |lock| lock.read(), |lock| lock.write()).await
}

async fn rows(case: &str, others: &'static str, theirs: Ask, mine: Ask) -> Vec<Row> {
    let mut runs: Vec<_> =
        locks::all().into_iter().map(|contender| (contender, Vec::new())).collect();
    for run in 0..RUNS {
        for (contender, outcomes) in &mut runs {
            outcomes.push(behind(contender, theirs, mine, run).await);
        }
    }
    let figures = |of: fn(&Outcome) -> f64, over: fn(&[f64]) -> f64| -> Vec<Figure> {
        let over_all = |all: &[Outcome]| over(&all.iter().map(of).collect::<Vec<_>>());
        runs.iter().map(|(contender, all)| contender.figure(over_all(all))).collect()
    };
    let waits = |what: &str, over| {
        let case = format!("{case}: wait, {what} of {RUNS} runs");
        wait_rows(AREA, &case, &figures(|outcome| outcome.milliseconds, over))
    };
    let passed = format!("{case}: {others} that passed it, worst of {RUNS} runs");
    let passed = figure_rows(AREA, &passed, others, &figures(|outcome| outcome.passed, highest));
    [waits("median", median), waits("worst", highest), passed].concat()
}

/// One who comes where eight come again and again.
async fn behind(contender: &Contender, theirs: Ask, mine: Ask, run: u32) -> Outcome {
    let (lock, entered, mut eight) = looping(contender, theirs);
    stand(run).await;
    let came = Instant::now();
    let mut wait = mine(&*lock);
    let first = poll_fn(|context| Poll::Ready(wait.as_mut().poll(context))).await;
    let before = entered.load(Ordering::Relaxed);
    let held: Option<Held<'_>> = match first {
        Poll::Ready(held) => Some(held),
        Poll::Pending => timeout(CAP, wait).await.ok(),
    };
    // While it is held: nobody else can come in and be counted.
    let passed = entered.load(Ordering::Relaxed) - before;
    let waited = came.elapsed().min(CAP);
    drop(held);
    eight.shutdown().await;
    Outcome { milliseconds: waited.as_secs_f64() * 1e3, passed: f64::from(passed) }
}

/// Until the eight are at it, and then up to two steps of tokio's timer longer,
/// so that not every run comes at the moment when it has just fired.
async fn stand(run: u32) {
    sleep(AFTER).await; // tidy: sleep - it is real time that is measured
    let until = Instant::now() + 2 * HOLD * run / RUNS;
    while Instant::now() < until {
        tokio::task::yield_now().await;
    }
}

/// Eight that come again and again, and how often they were let in.
fn looping(contender: &Contender, ask: Ask) -> (Arc<dyn Lock>, Arc<AtomicU32>, JoinSet<()>) {
    let (lock, entered) = ((contender.lock)(), Arc::new(AtomicU32::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..LOOPING {
        let (lock, entered) = (Arc::clone(&lock), Arc::clone(&entered));
        tasks.spawn(async move {
            loop {
                let _guard = ask(&*lock).await;
                entered.fetch_add(1, Ordering::Relaxed);
                sleep(HOLD).await; // tidy: sleep - it holds the lock for that long
            }
        });
    }
    (lock, entered, tasks)
}
