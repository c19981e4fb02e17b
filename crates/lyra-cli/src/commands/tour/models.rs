//! Three models on one card, under the manager that a host uses. The card is
//! simulated: a tour takes nobody's memory.

use std::time::{Duration, Instant};

use lyra::errors::Result;
use lyra::gpu::{
    Candidate, Counts, EventKind, GIB, GpuManager, Grant, LoadError, Loaded, ModelSpec, SimSource,
};
use serde_json::json;

use super::{Tour, ensure};
use crate::commands::gpu::{Found, runtime};
use crate::output::units;

const CARD: &str = "card";
const TOTAL: u64 = 24 * GIB;

/// Up to where loads are admitted, in percent.
const ADMIT: u8 = 85;

/// By far longer than anything takes on a card that is simulated.
const PATIENCE: Duration = Duration::from_secs(30);

impl Tour<'_> {
    /// The third one is too large as it would like to be, and another one has
    /// to leave for it as it is.
    pub(super) fn manage(&mut self) -> Result<()> {
        let started = Instant::now();
        let no_gpu = match Found::on_this_machine(&self.context.config().gpu) {
            Ok(found) => found.no_gpu,
            Err(error) => Some(error.to_string()),
        };
        let card = SimSource::new().with_gpu(CARD, TOTAL);
        let Managed { counts, told } = runtime()?.block_on(three_models(&card))?;
        let (peak, mark) = (card.peak(CARD), TOTAL / 100 * u64::from(ADMIT));
        ensure(counts.evicted == 1 && counts.degraded == 1 && counts.admitted == 3, || {
            format!("of three models one is to leave and one to be degraded: {counts:?}")
        })?;
        ensure(peak <= mark && card.out_of_memory(CARD) == 0, || {
            format!("{peak} bytes of the card were in use, and {mark} are admitted")
        })?;
        let why =
            if no_gpu.is_some() { "there is no GPU here" } else { "the real ones are left alone" };
        let result = format!(
            "3 models on a simulated card ({why}): 1 left, 1 degraded, never over {}",
            units::bytes(peak)
        );
        let counts = json!({
            "simulated": true,
            "no_gpu": no_gpu,
            "admitted": counts.admitted,
            "evicted": counts.evicted,
            "degraded": counts.degraded,
            "peak_bytes": peak,
            "total_bytes": TOTAL,
        });
        self.done("gpu", result, counts, started.elapsed())?;
        told.iter().try_for_each(|line| self.aside(line))
    }
}

/// What the manager did, and what of it is worth a line.
struct Managed {
    counts: Counts,
    told: Vec<String>,
}

async fn three_models(card: &SimSource) -> Result<Managed> {
    let gpu = GpuManager::builder(card.clone()).build()?;
    let mut events = gpu.subscribe();
    let monitor = gpu.start()?;
    for spec in [
        ModelSpec::new("embedder").with_candidate(Candidate::gpu("f16", 6 * GIB)),
        ModelSpec::new("chat").with_candidate(Candidate::gpu("q4", 10 * GIB)),
        ModelSpec::new("vision")
            .with_candidate(Candidate::gpu("f16", 22 * GIB))
            .with_candidate(Candidate::gpu("q8", 8 * GIB)),
    ] {
        let card = card.clone();
        let load = move |grant: Grant| {
            let card = card.clone();
            async move {
                let (device, bytes) = grant.shares[0].clone();
                let weights = card.take(device, bytes).map_err(LoadError::out_of_memory)?;
                Ok(Loaded::value(weights).with_observed(bytes))
            }
        };
        // Used once, and idle from then on.
        drop(gpu.acquire(&spec, PATIENCE, load).await?);
    }
    let counts = gpu.status().counts;
    monitor.shutdown(PATIENCE).await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if matches!(event.kind, EventKind::Unloading { .. } | EventKind::Degraded { .. }) {
            told.push(event.kind.to_string());
        }
    }
    Ok(Managed { counts, told })
}
