//! One caller that takes 40 at once beside eight that take one each, again and
//! again: how long it waits against what its place in a queue would be.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::AREA;
use super::contenders::{self, Contender};
use super::quota::Quota;
use crate::harness::{Row, figure_rows};

const LIGHT: u32 = 8;
const HEAVY: u32 = 40;
const QUOTA: Quota = Quota::per_second(100, HEAVY);

/// By then the light ones have emptied the bucket and all stand and wait.
const AFTER: Duration = Duration::from_millis(300);

/// Ten times the ideal: it starves.
const CAP: Duration = Duration::from_secs(5);

/// The worst of these counts.
const RUNS: usize = 3;

pub(super) async fn rows() -> Vec<Row> {
    let mut figures = Vec::new();
    for contender in contenders::all() {
        let mut worst = Duration::ZERO;
        for _ in 0..RUNS {
            worst = worst.max(wait(&contender).await);
            if worst >= CAP {
                break;
            }
        }
        figures.push(contender.figure(worst.as_secs_f64() / ideal().as_secs_f64()));
    }
    let case = format!(
        "cost {HEAVY} beside {LIGHT} of cost 1, worst of {RUNS} runs, at most {} s",
        CAP.as_secs()
    );
    figure_rows(AREA, &case, "of its ideal wait", &figures)
}

/// Until those who stand there, and then the heavy one, have been served.
fn ideal() -> Duration {
    QUOTA.period * (LIGHT + HEAVY) / QUOTA.tokens
}

async fn wait(contender: &Contender) -> Duration {
    let limiter = (contender.limiter)(QUOTA);
    let start = Instant::now();
    let mut light = JoinSet::new();
    for _ in 0..LIGHT {
        let limiter = Arc::clone(&limiter);
        light.spawn(async move {
            loop {
                limiter.acquire(1).await;
            }
        });
    }
    sleep_until(start + AFTER).await;
    let came = Instant::now();
    let _ = timeout(CAP, limiter.acquire(HEAVY)).await;
    let waited = came.elapsed().min(CAP);
    light.shutdown().await;
    waited
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_is_the_time_of_all_tokens_that_are_due() {
        assert_eq!(ideal(), Duration::from_millis(480));
    }
}
