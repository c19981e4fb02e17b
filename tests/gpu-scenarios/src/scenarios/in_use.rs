//! Five models in use leave no room: the sixth waits, or is a lesser one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lyra_gpu::{GpuError, ModelHandle, Policy};

use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Manner, Rig};
use crate::runner::Runner;

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let trace = rig.trace();
    let stage = rig.stage(Policy::default())?;
    let mut held = Vec::new();
    for at in 0..5 {
        held.push(rig.acquire(&stage, &rig.model(format!("held-{at}"), 15), LONG).await?);
    }
    let sixth = rig.model("sixth", 15);
    let refused = rig.acquire(&stage, &sixth, Duration::from_millis(500)).await;
    let is_timeout = matches!(refused, Err(GpuError::Timeout { .. }));
    drop(refused);
    report.demand("the sixth waits, and not longer than it said", is_timeout);

    let lesser = rig.model("lesser", 15).with_candidate(rig.candidate(5));
    let lesser = rig.acquire(&stage, &lesser, LONG).await?;
    report.note("taken_instead", lesser.variant());
    report.demand("where a lesser one fits it is taken", lesser.variant() == "5 %");
    drop(lesser);

    let (gpu, loader) = (stage.gpu.clone(), rig.loader(Manner::default()));
    let waiting = tokio::spawn(async move {
        let sixth = gpu.acquire(&sixth, LONG, loader).await;
        (sixth, Instant::now())
    });
    let is_waiting = stage.until(LONG, |gpu| gpu.status().waiting == 1).await;
    report.demand("it stands in line", is_waiting.is_some());
    let is_alive = held.iter().all(is_alive);
    report.demand("what is in use lives", is_alive);
    let released = Instant::now();
    drop(held.pop());
    let (sixth, since) = waiting.await?;
    let sixth = sixth?;
    report.note_time("served_after_ms", since - released);
    report.demand("what is still in use lives", held.iter().all(self::is_alive));

    let counts = stage.gpu.status().counts;
    let traced = trace.end();
    drop((sixth, held));
    stage.end().await;
    report.note("evicted", counts.evicted);
    report.note("out_of_memory", counts.out_of_memory);
    report.note_trace(&traced, rig.total);
    report.demand("the peak is below 90 %", percent(traced.peak, rig.total) < 90.0);
    report.demand("nothing ran out of memory", counts.out_of_memory == 0);
    Ok(())
}

fn is_alive(handle: &ModelHandle) -> bool {
    handle.value::<Arc<Runner>>().is_some_and(|runner| runner.is_alive())
}
