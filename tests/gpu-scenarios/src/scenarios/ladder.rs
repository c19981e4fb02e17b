//! A model that can be loaded in four ways, beside one that is pinned.

use std::sync::Arc;

use lyra_gpu::{Candidate, MIB, Policy};

use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Rig};

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let trace = rig.trace();
    let stage = rig.stage(Policy::default())?;
    drop(rig.acquire(&stage, &rig.model("pinned", 70).pinned(), LONG).await?);
    let ladder = |name: &str| {
        [30, 10]
            .into_iter()
            .fold(rig.model(name, 60), |spec, size| spec.with_candidate(rig.candidate(size)))
            .with_candidate(Candidate::cpu("cpu", 16 * MIB))
    };
    let first = rig.acquire(&stage, &ladder("first"), LONG).await?;
    let second = rig.acquire(&stage, &ladder("second"), LONG).await?;
    let counts = stage.gpu.status().counts;
    report.note("first", first.variant());
    report.note("second", second.variant());
    report.note("degraded", counts.degraded);
    report.note("evicted", counts.evicted);
    report.demand("the largest that fits is taken", first.variant() == "10 %");
    report.demand("where none fits it is the processor", second.variant() == "cpu");
    let instead_of = first.grant().instead_of.as_deref();
    report.demand("it says instead of what", instead_of == Some("60 %"));
    report.demand("the pinned one stayed", counts.evicted == 0);
    let traced = trace.end();
    drop((first, second));
    stage.end().await;
    report.note_trace(&traced, rig.total);
    report.demand("the peak is below 90 %", percent(traced.peak, rig.total) < 90.0);
    Ok(())
}
