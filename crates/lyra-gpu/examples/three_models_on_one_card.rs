//! Three models on one card: who is loaded, who leaves, who is degraded? The
//! card is simulated, and somebody else uses it as well.
#![allow(clippy::print_stdout, reason = "it is what an example shows")]

use std::error::Error;
use std::time::Duration;

use lyra_gpu::{Candidate, GIB, GpuManager, LoadError, Loaded, ModelHandle, ModelSpec, SimSource};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let card = SimSource::new().with_gpu("card", 24 * GIB);
    let gpu = GpuManager::builder(card.clone()).build()?;
    let mut events = gpu.subscribe();
    let monitor = gpu.start()?;

    let chat = ModelSpec::new("chat").with_candidate(Candidate::gpu("q4", 10 * GIB));
    let embedder = ModelSpec::new("embedder").with_candidate(Candidate::gpu("f16", 6 * GIB));
    let vision = ModelSpec::new("vision")
        .with_candidate(Candidate::gpu("f16", 22 * GIB)) // never: 85 % of the card are admitted
        .with_candidate(Candidate::gpu("q8", 8 * GIB));

    println!("-- the agent talks, and looks something up");
    drop(load(&gpu, &card, &embedder).await?);
    let talking = load(&gpu, &card, &chat).await?;

    println!("-- it is shown a picture: nobody uses the embedder, so that one leaves");
    let looking = load(&gpu, &card, &vision).await?;
    println!(
        "   {} is {}, and {} is still in use",
        looking.name(),
        looking.variant(),
        talking.name()
    );
    drop(looking);

    println!("-- somebody else takes 5 GiB of the card: whoever is idle leaves at once");
    card.set_stranger("card", 5 * GIB);
    while gpu.model("vision").is_some() {
        gpu.check().await;
        tokio::task::yield_now().await;
    }

    println!("-- what happened:");
    while let Ok(event) = events.try_recv() {
        println!("   {:>4} ms  {}", event.at.as_millis(), event.kind);
    }
    for device in gpu.status().devices {
        let (used, total) = (device.used / GIB, device.total / GIB);
        println!("-- {used} of {total} GiB are used; {} until that was so for 10 s", device.level);
    }
    drop(talking);
    monitor.shutdown(PATIENCE).await;
    Ok(())
}

/// Loads a model, or takes it as it is there; it is in use until it is dropped.
async fn load(
    gpu: &GpuManager,
    card: &SimSource,
    spec: &ModelSpec,
) -> Result<ModelHandle, Box<dyn Error>> {
    let card = card.clone();
    let load = move |grant: lyra_gpu::Grant| {
        let card = card.clone();
        async move {
            let (device, bytes) = grant.shares[0].clone();
            let weights = card.take(device, bytes).map_err(LoadError::out_of_memory)?;
            Ok(Loaded::value(weights).with_observed(bytes))
        }
    };
    Ok(gpu.acquire(spec, PATIENCE, load).await?)
}
