//! Sixteen loaders at once, of all sizes, some of which die: neither the books nor the card are
//! ever above the cap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lyra_gpu::Policy;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::report::{Broken, Report, percent};
use crate::rig::{LONG, Manner, Rig, Stage};

const LOADERS: u64 = 16;

/// What the driver may count beside what is taken, in percent of the card.
const ROUNDING: f64 = 0.5;

pub(super) async fn play(rig: &Arc<Rig>, report: &mut Report) -> Result<(), Broken> {
    let trace = rig.trace();
    let stage = Arc::new(rig.stage(Policy::default())?);
    let (is_over, mut loads) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    let watching = tokio::spawn(watch(Arc::clone(rig), Arc::clone(&stage), Arc::clone(&is_over)));
    for at in 0..LOADERS {
        let size = 2 + mixed(at) % 19;
        let spec = rig.model(format!("model-{at}"), size);
        let (gpu, loader) = (stage.gpu.clone(), rig.loader(Manner::default()));
        // Every fourth is killed as it loads, and loads once more.
        let dying = (at % 4 == 0).then(|| rig.dying_loader());
        loads.spawn(async move {
            if let Some(dying) = dying {
                drop(gpu.acquire(&spec, LONG, dying).await);
            }
            let handle = gpu.acquire(&spec, LONG, loader).await?;
            sleep(Duration::from_millis(20 + mixed(at + 100) % 80)).await; // tidy: sleep - a model is used for a while
            drop(handle);
            Ok::<u64, lyra_gpu::GpuError>(size)
        });
    }
    let mut asked = 0;
    while let Some(size) = loads.join_next().await {
        asked += size??;
    }
    is_over.store(true, Ordering::Release);
    let books = watching.await?;
    let status = stage.gpu.status();
    let traced = trace.end();
    if let Some(stage) = Arc::into_inner(stage) {
        stage.end().await;
    }
    let cap = percent(books.cap, rig.total);
    report.note("loaders", LOADERS);
    report.note("asked_percent", asked);
    report.note("evicted", status.counts.evicted);
    report.note("killed", status.counts.load_failed);
    report.note("out_of_memory", status.counts.out_of_memory);
    report.note("cap_percent", cap);
    report.note("books_peak_percent", percent(books.peak, rig.total));
    report.note("strangers_peak_percent", percent(books.strangers, rig.total));
    report.note("books_seen", books.seen);
    report.note_trace(&traced, rig.total);
    report.demand("four were killed as they loaded", status.counts.load_failed == 4);
    report.demand("more was asked for than there is", asked > 100);
    report.demand("the books never say more than the cap", books.peak <= books.cap);
    let peak = percent(traced.peak, rig.total);
    report.demand("the card never has more than the cap", peak <= cap + ROUNDING);
    report.demand("nothing ran out of memory", status.counts.out_of_memory == 0);
    // A tenth of what leaves may count so until nothing moves.
    let strangers = books.strangers <= rig.before + rig.percent(10);
    report.demand("no model is taken for a stranger", strangers);
    Ok(())
}

#[derive(Default)]
struct Seen {
    cap: u64,
    peak: u64,
    strangers: u64,
    seen: u64,
}

/// The most that the books said.
async fn watch(rig: Arc<Rig>, stage: Arc<Stage>, is_over: Arc<AtomicBool>) -> Seen {
    let mut seen = Seen::default();
    while !is_over.load(Ordering::Acquire) {
        let books = rig.books(&stage);
        seen.cap = books.cap;
        seen.peak = seen.peak.max(books.committed + books.external);
        seen.strangers = seen.strangers.max(books.external);
        seen.seen += 1;
        sleep(Duration::from_millis(2)).await; // tidy: sleep - the books are looked at all along
    }
    seen
}

/// Numbers without an order, the same ones each time (`SplitMix64`).
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
