//! Memory and tasks stay as they are over a hundred thousand loads and unloads.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/models.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use lyra_gpu::{GIB, LoadError, Loaded};
use support::{LONG, card, manager, model};

static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is; the
// counter is a plain atomic, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, so from the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn cycles() -> u32 {
    let factor = std::env::var("LYRA_SOAK").ok().and_then(|factor| factor.parse().ok());
    100_000 * factor.unwrap_or(1)
}

/// Each load evicts the model before, which does not fit beside it.
#[tokio::test(start_paused = true)]
async fn memory_and_tasks_stay_as_they_are() {
    let sim = card();
    let gpu = manager(&sim);
    let monitor = gpu.start().unwrap();
    let specs = [model("one", 60), model("other", 60)];
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = None;
    for cycle in 0..cycles() {
        let card = sim.clone();
        let spec = &specs[cycle as usize % 2];
        let load = move |_| {
            let memory = card.take("sim-0", 60 * GIB).map_err(LoadError::out_of_memory);
            async move { Ok(Loaded::value(memory?)) }
        };
        drop(gpu.acquire(spec, LONG, load).await.unwrap());
        if cycle == cycles() / 10 {
            before = Some((LIVE.load(Ordering::Relaxed), tasks()));
        }
    }
    let (live, alive) = before.unwrap();
    let grown = LIVE.load(Ordering::Relaxed).saturating_sub(live);
    assert!(grown < 16 * 1_024, "{grown} bytes");
    assert!(tasks() <= alive + 1, "{} tasks instead of {alive}", tasks());
    let status = gpu.status();
    assert_eq!(status.counts.admitted, u64::from(cycles()));
    assert_eq!(status.counts.unloaded, u64::from(cycles()) - 1);
    assert_eq!((sim.out_of_memory("sim-0"), sim.peak("sim-0")), (0, 60 * GIB));
    monitor.shutdown(LONG).await;
}
