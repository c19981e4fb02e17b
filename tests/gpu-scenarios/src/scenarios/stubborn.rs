//! Unloaders that hang, or say that they are done and are not: they are ended
//! by force, and what never comes back stays counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lyra_gpu::{EventKind, LoadVerdict, Policy};

use super::heard;
use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Manner, Rig};
use crate::runner::{Habit, Runner};

/// How long the manager waits, for an unloader and for memory.
const PATIENCE: Duration = Duration::from_millis(300);

const SIZE: u64 = 30;

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let trace = rig.trace();
    by_force(rig, report, Habit::Hangs, "hangs").await?;
    by_force(rig, report, Habit::Pretends, "pretends").await?;
    never(rig, report, true).await?;
    rig.settle().await;
    never(rig, report, false).await?;
    report.note_trace(&trace.end(), rig.total);
    Ok(())
}

fn policy() -> Policy {
    Policy::default()
        .with_unload_timeout(PATIENCE)
        .with_verify_timeout(PATIENCE)
        .with_sample_interval(PATIENCE)
}

/// One that does not unload, but can be killed.
async fn by_force(
    rig: &Arc<Rig>,
    report: &mut Report,
    habit: Habit,
    name: &str,
) -> Result<(), Broken> {
    let stage = rig.stage(policy())?;
    let mut events = stage.gpu.subscribe();
    let manner = Manner { habit, ..Manner::default() };
    drop(stage.gpu.acquire(&rig.model(name, SIZE), LONG, rig.loader(manner)).await?);
    let start = Instant::now();
    stage.gpu.unload(name)?;
    let gone = stage.until(LONG, |_| rig.books(&stage).committed == 0).await;
    let events = heard(&mut events);
    let is_killed = events.iter().any(|event| matches!(event, EventKind::Killed { .. }));
    let is_back = events.iter().any(|event| matches!(event, EventKind::Unloaded { .. }));
    report.note_time(&format!("{name}_gone_after_ms"), start.elapsed());
    report.demand(&format!("one that {name} is killed"), is_killed);
    report.demand(&format!("the memory of one that {name} is back"), is_back && gone.is_some());
    stage.end().await;
    Ok(())
}

/// One that nothing ends. Where the loader told how much it took, that is in
/// quarantine; else it is somebody else's.
async fn never(rig: &Arc<Rig>, report: &mut Report, tells: bool) -> Result<(), Broken> {
    let stage = rig.stage(policy())?;
    let mut events = stage.gpu.subscribe();
    let (name, word) = if tells { ("told", "quarantine") } else { ("untold", "unverified") };
    let manner = Manner { habit: Habit::Keeps, tells, ..Manner::default() };
    let handle = stage.gpu.acquire(&rig.model(name, SIZE), LONG, rig.loader(manner)).await?;
    let runner = handle.value::<Arc<Runner>>().cloned();
    drop(handle);
    let empty = rig.percent(SIZE);
    stage.gpu.unload(name)?;
    let start = Instant::now();
    let mut heard_all = Vec::new();
    let given_up = stage.until(LONG, |_| {
        heard_all.extend(heard(&mut events));
        heard_all.iter().any(|event| match event {
            EventKind::Quarantined { .. } => tells,
            EventKind::UnloadUnverified { .. } => !tells,
            _ => false,
        })
    });
    let given_up = given_up.await;
    report.note_time(&format!("{word}_after_ms"), start.elapsed());
    report.demand(&format!("it is said: {word}"), given_up.is_some());
    let books = rig.books(&stage);
    report.note(&format!("{word}_headroom_percent"), percent(books.headroom, rig.total));
    let counted = if tells { books.quarantined } else { books.external };
    report.demand(&format!("{word}: it stays counted"), counted + rig.percent(1) >= empty);
    let is_closed = books.headroom <= books.cap.saturating_sub(empty) + rig.percent(1);
    report.demand(&format!("{word}: no room is given out for it"), is_closed);
    let verdict = stage.gpu.can_load_model(rig.percent(70));
    report.demand(&format!("{word}: a load has to wait"), verdict == LoadVerdict::WaitsForUse);
    if let Some(runner) = runner {
        runner.kill();
    }
    let back = stage.until(LONG, |gpu| gpu.can_load_model(rig.percent(70)).is_loadable()).await;
    report.note_time(&format!("{word}_back_after_ms"), back.unwrap_or(LONG));
    report.demand(&format!("{word}: once it is free it can be had"), back.is_some());
    stage.end().await;
    Ok(())
}
