//! 40 waiters that came in a known order: how many pairs of them are served in
//! the wrong one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::AREA;
use super::contenders::{self, Contender, drain, enqueue};
use super::quota::Quota;
use crate::harness::{Row, figure_rows, inversions};

const WAITERS: usize = 40;

/// One each 10 ms: far enough apart that the order in which tasks run again is
/// the order in which they were served.
const QUOTA: Quota = Quota::per_second(100, 1);

/// The worst of these counts.
const RUNS: usize = 3;

/// Five times what 40 waits take. Who has not been served by then stands last.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn rows() -> Vec<Row> {
    let mut figures = Vec::new();
    for contender in contenders::all() {
        let mut worst = 0;
        for _ in 0..RUNS {
            worst = worst.max(inversions(&run(&contender).await));
        }
        figures.push(contender.figure(worst as f64));
    }
    let case = format!("{WAITERS} waiters in a row, worst of {RUNS} runs");
    figure_rows(AREA, &case, "of 780 pairs out of order", &figures)
}

/// The order in which they were served.
async fn run(contender: &Contender) -> Vec<usize> {
    let limiter = (contender.limiter)(QUOTA);
    drain(&*limiter);
    let served = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for waiter in 0..WAITERS {
        let served = Arc::clone(&served);
        let then = move || served.lock().expect("nobody panics with it").push(waiter);
        enqueue(&limiter, &mut tasks, then).await;
    }
    let _ = timeout(PATIENCE, async { while tasks.join_next().await.is_some() {} }).await;
    tasks.shutdown().await;
    let mut order = served.lock().expect("nobody panics with it").clone();
    let missing: Vec<usize> = (0..WAITERS).filter(|waiter| !order.contains(waiter)).collect();
    order.extend(missing);
    order
}
