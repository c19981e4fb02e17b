//! Runners that are killed: while they load, when they are idle, and in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lyra_gpu::{GpuError, ModelHandle, Policy};

use crate::report::{Broken, Report};
use crate::rig::{LONG, Rig, Stage};
use crate::runner::Runner;

/// How soon the books have to be right.
const RIGHT_WITHIN: Duration = Duration::from_secs(1);

/// How long the manager waits for memory that was freed.
const VERIFY: Duration = Duration::from_millis(500);

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let policy = Policy::default().with_verify_timeout(VERIFY);
    let trace = rig.trace();
    let stage = rig.stage(policy)?;
    while_it_loads(rig, &stage, report).await?;
    when_it_is_idle(rig, &stage, report).await?;
    in_use(rig, &stage, report).await?;
    as_a_victim(rig, &stage, report).await?;
    report.note_trace(&trace.end(), rig.total);
    stage.end().await;
    Ok(())
}

async fn while_it_loads(rig: &Arc<Rig>, stage: &Stage, report: &mut Report) -> Result<(), Broken> {
    let failed = stage.gpu.acquire(&rig.model("loading", 20), LONG, rig.dying_loader()).await;
    report.demand("the load fails", matches!(failed, Err(GpuError::LoadFailed { .. })));
    let right = stage.until(LONG, |_| rig.books(stage).committed == 0).await;
    note(report, "while it loads", "loading_right_after_ms", right);
    Ok(())
}

/// The crate does not look whether a runner lives: its host does, and says so.
async fn when_it_is_idle(rig: &Arc<Rig>, stage: &Stage, report: &mut Report) -> Result<(), Broken> {
    drop(killed(rig, stage, "idle", 20).await?);
    let noticed = stage.until(RIGHT_WITHIN, |_| rig.books(stage).committed == 0).await;
    report.note("idle_noticed_by_itself", noticed.is_some());
    if noticed.is_none() {
        report.note("idle_is_given_out", stage.gpu.model("idle").is_some());
        stage.gpu.unregister("idle")?;
    }
    let right = stage.until(LONG, |_| rig.books(stage).committed == 0).await;
    note(report, "when it is idle", "idle_right_after_ms", right);
    Ok(())
}

async fn in_use(rig: &Arc<Rig>, stage: &Stage, report: &mut Report) -> Result<(), Broken> {
    let handle = killed(rig, stage, "used", 20).await?;
    let start = Instant::now();
    let refused = stage.gpu.unregister("used");
    report.note("used_can_be_unregistered", refused.is_ok());
    drop(handle);
    if refused.is_err() {
        stage.gpu.unregister("used")?;
    }
    let right = stage.until(LONG, |_| rig.books(stage).committed == 0).await;
    note(report, "in use", "used_right_after_ms", right.map(|_| start.elapsed()));
    Ok(())
}

/// A model that needs the room of one which is gone: its memory came back long
/// before it is asked to leave.
async fn as_a_victim(rig: &Arc<Rig>, stage: &Stage, report: &mut Report) -> Result<(), Broken> {
    drop(killed(rig, stage, "victim", 40).await?);
    let is_seen = stage.until(LONG, |_| rig.books(stage).used < rig.percent(20)).await;
    report.demand("the card is read without it", is_seen.is_some());
    let start = Instant::now();
    drop(rig.acquire(stage, &rig.model("next", 60), LONG).await?);
    report.note_time("victim_made_room_after_ms", start.elapsed());
    report.note_time("verify_timeout_ms", VERIFY);
    let counts = stage.gpu.status().counts;
    report.note("victims_unverified", counts.unverified);
    Ok(())
}

/// A model whose runner is killed and gone.
async fn killed(
    rig: &Arc<Rig>,
    stage: &Stage,
    name: &str,
    percent: u64,
) -> Result<ModelHandle, Broken> {
    let handle = rig.acquire(stage, &rig.model(name, percent), LONG).await?;
    if let Some(runner) = handle.value::<Arc<Runner>>() {
        runner.kill();
        stage.until(LONG, |_| !runner.is_alive()).await;
    }
    Ok(handle)
}

fn note(report: &mut Report, when: &str, name: &str, right: Option<Duration>) {
    report.note_time(name, right.unwrap_or(LONG));
    let is_soon = right.is_some_and(|right| right <= RIGHT_WITHIN);
    report.demand(&format!("killed {when}, the books are right within a second"), is_soon);
}
