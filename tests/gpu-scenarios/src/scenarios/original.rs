//! The rule of the original beside ours, on the same loads in one process:
//! every ten seconds it looks whether this process has all but 500 MB of the
//! card, and then unloads the model that was loaded first. Twenty times as
//! fast here, with the loads as well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lyra_gpu::{Grant, LoadError, Loaded, Policy};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::cuda::{Block, Cuda, CudaError};
use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Load, Rig};

const LOADS: u64 = 14;
const SIZE: u64 = 12;
const LOAD_EVERY: Duration = Duration::from_millis(60);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LEFT_FREE: u64 = 500_000_000;

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    // What a card has beside its budget would hide what the rule does.
    let whole = rig.card.memory()?.total;
    let cuda = Arc::new(Cuda::open(rig.cuda().as_deref())?);
    by_the_original(rig, report, &cuda, whole).await?;
    // This process keeps its context.
    rig.settle_with(rig.context).await;
    by_ours(rig, report, &cuda).await
}

async fn by_the_original(
    rig: &Arc<Rig>,
    report: &mut Report,
    cuda: &Arc<Cuda>,
    whole: u64,
) -> Result<(), Broken> {
    let trace = rig.trace();
    let (mut models, mut refused) = (VecDeque::new(), 0);
    let mut looked = Instant::now();
    for _ in 0..LOADS {
        match taken(cuda, whole / 100 * SIZE).await {
            Ok(block) => models.push_back(block),
            Err(error) if error.is_out_of_memory() => refused += 1,
            Err(error) => return Err(error.into()),
        }
        sleep(LOAD_EVERY).await; // tidy: sleep - the rule goes by the clock
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            let own = models.len() as u64 * (whole / 100 * SIZE);
            if own > whole.saturating_sub(LEFT_FREE) {
                models.pop_front();
            }
        }
    }
    let loaded = models.len();
    drop(models);
    let traced = trace.end();
    let peak = percent(traced.peak, whole);
    report.note("original_peak_percent", peak);
    report.note("original_out_of_memory", refused);
    report.note("original_loaded", loaded);
    report
        .demand("the original goes above 90 %, or runs out of memory", peak > 90.0 || refused > 0);
    Ok(())
}

/// Every other model in this process, the others in their own.
async fn by_ours(rig: &Arc<Rig>, report: &mut Report, cuda: &Arc<Cuda>) -> Result<(), Broken> {
    let stage = rig.stage(Policy::default())?;
    let trace = rig.trace();
    let others = rig.books(&stage).external;
    let mut strangers = 0;
    for at in 0..LOADS {
        let spec = rig.model(format!("model-{at}"), SIZE);
        let handle = match at % 2 {
            0 => stage.gpu.acquire(&spec, LONG, here(cuda)).await?,
            _ => rig.acquire(&stage, &spec, LONG).await?,
        };
        drop(handle);
        stage.gpu.check().await;
        strangers = strangers.max(rig.books(&stage).external.saturating_sub(others));
    }
    let counts = stage.gpu.status().counts;
    let traced = trace.end();
    stage.end().await;
    report.note("ours_evicted", counts.evicted);
    report.note("ours_out_of_memory", counts.out_of_memory);
    report.note("ours_strangers_percent", percent(strangers, rig.total));
    report.note_trace(&traced, rig.total);
    report.demand("ours stays below 90 %", percent(traced.peak, rig.total) < 90.0);
    report.demand("nothing of ours runs out of memory", counts.out_of_memory == 0);
    let is_known = strangers <= rig.percent(2);
    report.demand("no model is taken for a stranger", is_known);
    let needed = counts.evicted <= LOADS - 6;
    report.demand("no more left than had to", needed);
    Ok(())
}

/// Loads into this process: the value is the memory.
fn here(cuda: &Arc<Cuda>) -> impl Fn(Grant) -> Load + Send + Sync + 'static {
    let cuda = Arc::clone(cuda);
    move |grant| {
        let (cuda, bytes) = (Arc::clone(&cuda), grant.shares.iter().map(|(_, bytes)| bytes).sum());
        Box::pin(async move {
            match taken(&cuda, bytes).await {
                Ok(block) => Ok(Loaded::value(block)),
                Err(error) if error.is_out_of_memory() => Err(LoadError::out_of_memory(error)),
                Err(error) => Err(LoadError::new(error)),
            }
        })
    }
}

async fn taken(cuda: &Arc<Cuda>, bytes: u64) -> Result<Block, CudaError> {
    let cuda = Arc::clone(cuda);
    let taking = spawn_blocking(move || cuda.take(bytes));
    taking.await.unwrap_or(Err(CudaError::NoLibrary("the thread is gone".to_owned())))
}
