//! 50 waits that are cancelled: what was not granted must still be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::AREA;
use super::contenders::{self, Contender, drain, enqueue};
use super::quota::Quota;
use crate::harness::{Row, figure_rows};

const WAITS: u32 = 50;

/// A token each 10 ms, and room for all that come back until they are counted.
const QUOTA: Quota = Quota::per_second(100, 100);

/// When they are counted, after the bucket was emptied: in the middle between
/// two tokens, so that a few milliseconds change nothing.
const COUNTED_AFTER: Duration = Duration::from_millis(805);

pub(super) async fn rows() -> Vec<Row> {
    let mut figures = Vec::new();
    for contender in contenders::all() {
        figures.push(contender.figure(lost(&contender).await));
    }
    figure_rows(AREA, &format!("{WAITS} waits cancelled: tokens lost"), "tokens", &figures)
}

async fn lost(contender: &Contender) -> f64 {
    let limiter = (contender.limiter)(QUOTA);
    let emptied = Instant::now();
    let mut taken = drain(&*limiter);
    let granted = Arc::new(AtomicU32::new(0));
    let mut waits = JoinSet::new();
    for _ in 0..WAITS {
        let granted = Arc::clone(&granted);
        enqueue(&limiter, &mut waits, move || {
            granted.fetch_add(1, Ordering::Relaxed);
        })
        .await;
    }
    waits.shutdown().await;
    sleep_until(emptied + COUNTED_AFTER).await;
    taken += drain(&*limiter) + granted.load(Ordering::Relaxed);
    QUOTA.ideal(emptied.elapsed()) - f64::from(taken)
}
