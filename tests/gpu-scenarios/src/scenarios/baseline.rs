//! What the card says of itself in each way, and how long it takes to say it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::nvml::NoAnswer;
use crate::report::{Broken, Report};
use crate::rig::{Rig, blocking, mib};

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let card = &rig.card;
    report.note("card", card.name()?);
    report.note("driver", card.driver()?);
    report.note("total_mib", mib(rig.total));
    report.note("context_mib", mib(rig.context));

    let first = card.memory()?;
    report.note("before_mib", mib(first.taken()));
    report.note("first_form_used_mib", mib(first.used));
    // Drivers before R510 do not have it.
    if let Ok(second) = card.memory_v2() {
        report.note("second_form_used_mib", mib(second.used));
        report.note("second_form_reserved_mib", mib(second.reserved));
        let differ = second.taken().abs_diff(first.taken());
        report.demand("both forms leave the same free", differ < rig.percent(1));
    }

    let runner = Arc::new(rig.stranger(10).await?);
    let asked = Arc::clone(&runner);
    let cuda = blocking(move || asked.ask("info")).await?;
    let free = cuda.split(' ').next().and_then(|free| free.parse().ok()).unwrap_or(0);
    report.note("cuda_free_mib", mib(free));
    report.note("nvml_free_mib", mib(card.memory()?.free));

    report.note("idle", timings(rig)?);
    let busy = Arc::clone(&runner);
    let looping = tokio::spawn(blocking(move || busy.ask("loop 600")));
    report.note("busy", timings(rig)?);
    looping.await??;
    runner.end()?;
    Ok(())
}

/// How long readings take, in microseconds.
fn timings(rig: &Rig) -> Result<serde_json::Value, NoAnswer> {
    let [memory, memory_p99] = timed(2000, || rig.card.memory().map(drop))?;
    let [processes, processes_p99] = timed(200, || rig.card.processes().map(drop))?;
    Ok(json!({
        "memory_p50_us": memory,
        "memory_p99_us": memory_p99,
        "processes_p50_us": processes,
        "processes_p99_us": processes_p99,
    }))
}

/// The median, and what one in a hundred takes; at most so many readings, and
/// no longer than a second.
fn timed(times: usize, read: impl Fn() -> Result<(), NoAnswer>) -> Result<[f64; 2], NoAnswer> {
    let start = Instant::now();
    let mut took = Vec::new();
    while took.len() < times && start.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        read()?;
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let micros = |at: usize| (took[at].as_secs_f64() * 1e7).round() / 10.0;
    Ok([micros(took.len() / 2), micros(took.len() * 99 / 100)])
}
