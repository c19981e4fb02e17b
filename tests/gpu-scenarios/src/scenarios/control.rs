//! The negative control: without admission the same models run out of memory.
//! If they did not, the other scenarios would prove nothing.

use std::sync::Arc;

use crate::cuda::OUT_OF_MEMORY;
use crate::report::{Broken, Report, percent};
use crate::rig::Rig;
use crate::runner::RunnerError;

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let trace = rig.trace();
    // With a budget the card has more than that.
    let share = rig.card.memory()?.total / rig.total.max(1) * 12 + 1;
    let (mut models, mut refused) = (Vec::new(), 0);
    for _ in 0..10 {
        match rig.stranger(share).await {
            Ok(model) => models.push(model),
            Err(RunnerError::OutOfMemory) => refused += 1,
            Err(other) => return Err(other.into()),
        }
    }
    let loaded = models.len();
    drop(models);
    let traced = trace.end();
    report.note("loaded", loaded);
    report.note("out_of_memory", refused);
    report.note("cuda_says", OUT_OF_MEMORY);
    report.note_trace(&traced, rig.total);
    report.demand("the card ran out of memory", refused > 0);
    report.demand("it was above 90 % first", percent(traced.peak, rig.total) > 90.0);
    Ok(())
}
