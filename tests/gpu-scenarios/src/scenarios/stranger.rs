//! Another program takes memory while the card is nearly full: as many leave
//! at once as it takes to be back under the low mark.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lyra_gpu::Policy;
use tokio::time::sleep;

use super::{heard, left};
use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Rig};

/// The longest pause of the monitor, twice what a process takes to end, and
/// what a busy machine adds.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// Up to where the stranger fills the card, in percent.
const FULL: u64 = 95;

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let stage = rig.stage(Policy::default())?;
    // One in use beside nine that are idle.
    let held = rig.acquire(&stage, &rig.model("held", 8), LONG).await?;
    for at in 0..9 {
        drop(rig.acquire(&stage, &rig.model(format!("idle-{at}"), 8), LONG).await?);
    }
    let mut events = stage.gpu.subscribe();
    let full = rig.taken()?;
    let trace = rig.trace();
    let share = FULL.saturating_sub(full / rig.percent(1));
    let stranger = rig.stranger(share).await?;
    let start = Instant::now();
    let mut back = None;
    while back.is_none() && start.elapsed() < BACK_WITHIN {
        back = (rig.taken()? <= rig.percent(75)).then(|| start.elapsed());
        sleep(Duration::from_millis(5)).await; // tidy: sleep - nothing tells that a card's memory is back
    }
    // What the device showed the manager has to see as well.
    let seen = stage.until(LONG, |_| rig.books(&stage).used <= rig.percent(75)).await;
    let left = left(&heard(&mut events));
    let books = rig.books(&stage);
    let traced = trace.end();
    report.note("full_percent", percent(full, rig.total));
    report.note("left", left.len());
    report.note("strangers_percent", percent(books.external, rig.total));
    report.note_trace(&traced, rig.total);
    if let Some(back) = back {
        report.note_time("back_after_ms", back);
    }
    report.demand("it is back under the low mark", back.is_some() && seen.is_some());
    report.demand("several left", left.len() >= 2);
    report.demand("what is in use stayed", !left.iter().any(|name| name == "held"));
    let is_seen = books.external + rig.percent(1) >= rig.percent(share);
    report.demand("the stranger is seen", is_seen);
    drop((held, stranger));
    stage.end().await;
    Ok(())
}
