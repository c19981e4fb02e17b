//! Twenty models of which seven fit: each load makes room by those who were
//! used longest ago.

use std::sync::Arc;

use lyra_gpu::Policy;

use super::{exceeded, heard, left};
use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Rig};

const LOADS: usize = 20;

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let trace = rig.trace();
    let stage = rig.stage(Policy::default())?;
    let mut events = stage.gpu.subscribe();
    // Who was used longest ago comes first.
    let mut used: Vec<String> = Vec::new();
    let (mut evicted, mut in_order, mut lying) = (0, true, 0);
    for at in 0..LOADS {
        let name = format!("model-{at}");
        drop(rig.acquire(&stage, &rig.model(name.as_str(), 12), LONG).await?);
        let events = heard(&mut events);
        let left = left(&events);
        in_order &= used.starts_with(&left);
        evicted += left.len();
        lying += exceeded(&events);
        used.retain(|name| !left.contains(name));
        used.push(name);
        // Now and then the oldest one is used again: the order is not that of
        // the loads.
        if at % 4 == 3 {
            let oldest = used.remove(0);
            in_order &= stage.gpu.model(&oldest).is_some();
            used.push(oldest);
        }
    }
    let counts = stage.gpu.status().counts;
    let books = rig.books(&stage);
    let traced = trace.end();
    stage.end().await;
    report.note("loads", LOADS);
    report.note("evicted", evicted);
    report.note("resident", used.len());
    report.note("out_of_memory", counts.out_of_memory);
    report.note("committed_percent", percent(books.committed, rig.total));
    report.note("exceeded", lying);
    report.note_trace(&traced, rig.total);
    report.demand("the peak is below 90 %", percent(traced.peak, rig.total) < 90.0);
    report.demand("nothing ran out of memory", counts.out_of_memory == 0);
    report.demand("at least thirteen left", evicted >= 13);
    report.demand("no more left than had to", used.len() >= 6);
    report.demand("who was used longest ago left first", in_order);
    report.demand("nobody is said to take more than was said", lying == 0);
    Ok(())
}
