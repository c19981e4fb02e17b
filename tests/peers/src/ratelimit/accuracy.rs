//! 64 tasks that want as much as they can get for 3 s: how much they are
//! granted against the ideal, and how evenly.
//!
//! What is granted after the end does not count. A limiter that refills in
//! steps has its last one on the very end, so that one of its steps is
//! missing; with steps of 100 ms that is 3 %.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::AREA;
use super::contenders::{self, Contender};
use super::quota::Quota;
use crate::harness::{Figure, Row, figure_rows};

const TASKS: u32 = 64;
const TIME: Duration = Duration::from_secs(3);

const QUOTAS: [(&str, Quota); 3] = [
    ("64 tasks, 100/s burst 10", Quota::per_second(100, 10)),
    ("64 tasks, 1000/s burst 50", Quota::per_second(1000, 50)),
    ("64 tasks, 50/s burst 1", Quota::per_second(50, 1)),
];

pub(super) async fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (case, quota) in QUOTAS {
        let mut runs = Vec::new();
        for contender in contenders::all() {
            let grants = run(&contender, quota).await;
            runs.push((contender, grants));
        }
        let mut add = |what: &str, unit, figure: &dyn Fn(&[u32]) -> f64| {
            let figures: Vec<Figure> =
                runs.iter().map(|(contender, grants)| contender.figure(figure(grants))).collect();
            rows.extend(figure_rows(AREA, &format!("{case}: {what}"), unit, &figures));
        };
        add("grants against the ideal", "%", &|grants| against(grants, quota.ideal(TIME)));
        add("starved tasks", "tasks", &|grants| f64::from(starved(grants)));
        add("fewest grants of a task", "grants", &|grants| {
            f64::from(grants.iter().copied().min().unwrap_or_default())
        });
        add("most grants of a task", "grants", &|grants| {
            f64::from(grants.iter().copied().max().unwrap_or_default())
        });
    }
    rows
}

/// What each task was granted within the time.
async fn run(contender: &Contender, quota: Quota) -> Vec<u32> {
    let grants: Arc<Vec<AtomicU32>> = Arc::new((0..TASKS).map(|_| AtomicU32::new(0)).collect());
    // Before the limiter is made, so that none can have more time than this.
    let end = Instant::now() + TIME;
    let limiter = (contender.limiter)(quota);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS as usize {
        let (limiter, grants) = (Arc::clone(&limiter), Arc::clone(&grants));
        tasks.spawn(async move {
            loop {
                limiter.acquire(1).await;
                if Instant::now() > end {
                    return;
                }
                grants[task].fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    sleep_until(end).await;
    tasks.shutdown().await;
    grants.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}

/// Percent above or below the ideal.
fn against(grants: &[u32], ideal: f64) -> f64 {
    let granted: u32 = grants.iter().sum();
    (f64::from(granted) - ideal) / ideal * 100.0
}

/// How many got less than half of what would be even.
fn starved(grants: &[u32]) -> u32 {
    let granted: u32 = grants.iter().sum();
    let count = |few: &&u32| **few * 2 * TASKS < granted;
    u32::try_from(grants.iter().filter(count).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_grants_than_the_ideal_are_below_nought() {
        assert_eq!(against(&[150, 150], 300.0), 0.0);
        assert_eq!(against(&[150, 147], 300.0), -1.0);
        assert_eq!(against(&[150, 153], 300.0), 1.0);
    }

    #[test]
    fn a_task_is_starved_below_half_of_an_even_share() {
        let mut grants = [4; TASKS as usize];
        assert_eq!(starved(&grants), 0);
        grants[0] = 2;
        grants[1] = 6;
        assert_eq!(starved(&grants), 0);
        grants[0] = 1;
        grants[1] = 7;
        assert_eq!(starved(&grants), 1);
    }
}
