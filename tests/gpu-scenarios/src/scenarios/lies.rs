//! Models that take three tenths more than was said.

use std::sync::Arc;
use std::time::Duration;

use lyra_gpu::Policy;

use super::{exceeded, heard, left};
use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Manner, Rig};

const SOON: Duration = Duration::from_secs(5);

const LIAR: Manner = Manner { lies_by: 30, habit: crate::runner::Habit::Ends, tells: false };

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    within_the_headroom(rig, report).await?;
    rig.settle().await;
    beyond_it(rig, report).await?;
    rig.settle().await;
    several_at_once(rig, report).await
}

/// Below the critical mark it is noted, and counted from then on.
async fn within_the_headroom(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let stage = rig.stage(Policy::default())?;
    let mut events = stage.gpu.subscribe();
    for at in 0..6 {
        drop(rig.acquire(&stage, &rig.model(format!("idle-{at}"), 10), LONG).await?);
    }
    // From this reading what the next one takes is told.
    stage.reading().await?;
    let trace = rig.trace();
    drop(stage.gpu.acquire(&rig.model("liar", 20), LONG, rig.loader(LIAR)).await?);
    let mut said = 0;
    stage
        .until(SOON, |_| {
            said += exceeded(&heard(&mut events));
            said > 0
        })
        .await;
    report.demand("it is said that it takes more", said == 1);
    let books = rig.books(&stage);
    report.note("liar_books_percent", percent(books.committed + books.external, rig.total));
    report.note("liar_strangers_percent", percent(books.external, rig.total));
    report.note("liar_taken_percent", percent(rig.taken()?, rig.total));
    // The next one finds the books right, and makes room for it, too.
    drop(rig.acquire(&stage, &rig.model("next", 10), LONG).await?);
    let traced = trace.end();
    report.note("liar_evicted", left(&heard(&mut events)).len());
    report.note("liar_peak_percent", percent(traced.peak, rig.total));
    report.demand("below the headroom 90 % is not reached", traced.over.is_zero());
    let is_below = rig.taken()? <= books.cap + rig.percent(1);
    report.demand("with the next load it is under the cap again", is_below);
    stage.end().await;
    Ok(())
}

/// Above it, others leave; for how long that is so, is noted.
async fn beyond_it(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let stage = rig.stage(Policy::default())?;
    for at in 0..4 {
        drop(rig.acquire(&stage, &rig.model(format!("idle-{at}"), 10), LONG).await?);
    }
    let trace = rig.trace();
    let liar = stage.gpu.acquire(&rig.model("liar", 42), LONG, rig.loader(LIAR)).await?;
    let back = stage.until(SOON, |_| rig.taken().is_ok_and(|taken| taken <= rig.percent(75))).await;
    let traced = trace.end();
    report.note("large_liar_peak_percent", percent(traced.peak, rig.total));
    report.note_time("large_liar_over_90_ms", traced.over);
    report.demand("beyond it others leave", back.is_some());
    drop(liar);
    stage.end().await;
    Ok(())
}

/// What each of several takes cannot be told, but what all of them take can.
async fn several_at_once(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let stage = rig.stage(Policy::default())?;
    let specs = [0, 1, 2].map(|at| rig.model(format!("liar-{at}"), 20));
    let load = |at: usize| stage.gpu.acquire(&specs[at], LONG, rig.loader(LIAR));
    let handles = tokio::join!(load(0), load(1), load(2));
    let handles = [handles.0?, handles.1?, handles.2?];
    stage.reading().await?;
    let taken = rig.taken()?;
    let books = rig.books(&stage);
    let counted = books.committed + books.external;
    report.note("several_taken_percent", percent(taken, rig.total));
    report.note("several_books_percent", percent(counted, rig.total));
    report.note("several_headroom_percent", percent(books.headroom, rig.total));
    let is_counted = counted + rig.percent(1) >= taken;
    report.demand("what several take is on the books", is_counted);
    drop(handles);
    stage.end().await;
    Ok(())
}
