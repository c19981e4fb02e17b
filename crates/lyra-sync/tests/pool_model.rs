//! Whatever happens, in whatever order: never above the max size, and nothing
//! is lost.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "pool_support/support.rs"]
mod pool_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lyra_sync::{PoolGuard, ResourcePool};
use pool_support::{Act, Scripted, World, ms, secs, settle};
use tokio::task::JoinHandle;

/// `SplitMix64`: the seed is the whole of the test.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn act(&mut self) -> Act {
        match self.roll(12) {
            0 => Act::Fail,
            1 => Act::FailAfter(ms(self.roll(30))),
            2 => Act::Hang,
            3 => Act::Panic,
            4 | 5 => Act::After(ms(self.roll(30))),
            _ => Act::Succeed,
        }
    }
}

type Guard = PoolGuard<'static, Scripted>;

const MAX_SIZE: usize = 4;

/// One pool's life; how many steps it had.
async fn live(dice: &mut Dice) -> usize {
    let world = World::new();
    let pool = ResourcePool::builder(Scripted(Arc::clone(&world)))
        .with_max_size(MAX_SIZE)
        .with_min_idle(1)
        .with_create_timeout(ms(100))
        .with_recycle_timeout(ms(20))
        .with_max_lifetime(ms(500))
        .with_idle_timeout(ms(200))
        .build()
        .unwrap();
    let mut waits: Vec<JoinHandle<Option<Guard>>> = Vec::new();
    let mut held: Vec<Guard> = Vec::new();
    let steps = 200 + usize::try_from(dice.roll(300)).unwrap();
    let mut detached = Vec::new();
    for step in 0..steps {
        match dice.roll(16) {
            0..=4 => {
                let (pool, timeout) = (pool.clone(), ms(dice.roll(120)));
                waits.push(tokio::spawn(async move {
                    pool.acquire(timeout).await.ok().map(PoolGuard::into_owned)
                }));
            }
            5..=8 if !held.is_empty() => {
                let index = usize::try_from(dice.roll(held.len() as u64)).unwrap();
                let mut guard = held.swap_remove(index);
                match dice.roll(8) {
                    0 => PoolGuard::mark_broken(&mut guard),
                    1 => {
                        detached.push(PoolGuard::detach(guard));
                        continue;
                    }
                    _ => {}
                }
                drop(guard);
            }
            9 if !waits.is_empty() => {
                let index = usize::try_from(dice.roll(waits.len() as u64)).unwrap();
                waits.swap_remove(index).abort();
            }
            10 => world.then_create([dice.act()]),
            11 => world.then_check([dice.act()]),
            12 => tokio::time::advance(ms(dice.roll(40))).await,
            13 => held.extend(pool.try_acquire().ok().map(PoolGuard::into_owned)),
            14 if dice.roll(8) == 0 => {
                let pool = pool.clone();
                waits.push(tokio::spawn(async move {
                    pool.maintain_once().await;
                    None
                }));
            }
            15 if step > 200 && dice.roll(100) == 0 => {
                let _ = pool.close(ms(dice.roll(20))).await;
            }
            _ => tokio::task::yield_now().await,
        }
        // What has come by now.
        let mut index = 0;
        while index < waits.len() {
            match waits[index].is_finished() {
                true => held.extend(waits.swap_remove(index).await.ok().flatten()),
                false => index += 1,
            }
        }
        let status = pool.status();
        let parts = status.idle + status.in_use + status.creating + status.checking;
        assert_eq!(status.size, parts, "{status:?}");
        assert!(status.size <= MAX_SIZE, "{status:?}");
        // A detached one is no longer the pool's.
        assert!(world.alive() <= MAX_SIZE + detached.len(), "{status:?}");
        assert!(status.idle == 0 || status.waiting == 0, "{status:?}");
    }
    drop(held);
    tokio::time::sleep(secs(2)).await; // tidy: sleep - the clock is paused
    drop(waits.drain(..).map(|wait| wait.abort()).collect::<Vec<_>>());
    settle().await;
    world.creates.lock().unwrap().clear();
    world.checks.lock().unwrap().clear();
    let status = pool.status();
    assert_eq!((status.waiting, status.creating, status.in_use), (0, 0, 0), "{status:?}");
    if !status.is_closed {
        let mut all = Vec::new();
        for _ in 0..MAX_SIZE {
            all.push(pool.acquire(secs(5)).await.expect("no place is lost"));
        }
        drop(all);
        pool.close(Duration::ZERO).await.unwrap();
    }
    assert_eq!(world.alive(), detached.len(), "everything was cleaned up");
    let counts = pool.status().counts;
    assert_eq!(counts.created, counts.destroyed + counts.detached);
    steps
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_random_steps_lose_nothing_and_never_exceed_the_size() {
    let mut steps = 0;
    let mut seed = 0;
    while steps < 100_000 {
        steps += live(&mut Dice(seed)).await;
        seed += 1;
    }
}

#[test]
fn many_threads_and_tasks_never_share_a_resource() {
    static MOST: AtomicUsize = AtomicUsize::new(0);
    static NOW: AtomicUsize = AtomicUsize::new(0);
    struct Alone(AtomicBool);
    let pool = ResourcePool::from_fn(3, || Alone(AtomicBool::new(false)));
    let use_it = |guard: PoolGuard<'_, _>| {
        let alone: &Alone = &guard;
        assert!(!alone.0.swap(true, Ordering::SeqCst), "someone else has it");
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::hint::spin_loop();
        NOW.fetch_sub(1, Ordering::SeqCst);
        alone.0.store(false, Ordering::SeqCst);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    use_it(pool.acquire_blocking(secs(60)).unwrap());
                }
            });
        }
        let tasks: Vec<_> = (0..8_u32)
            .map(|index| {
                let pool = pool.clone();
                runtime.spawn(async move {
                    for round in 0..1_000_u32 {
                        if (round + index) % 7 == 0 {
                            let timeout = Duration::from_micros(u64::from(round % 50));
                            let wait = tokio::time::timeout(timeout, pool.acquire(secs(60)));
                            drop(wait.await);
                            continue;
                        }
                        let mut guard = pool.acquire(secs(60)).await.unwrap();
                        if round % 11 == 0 {
                            PoolGuard::mark_broken(&mut guard);
                        }
                        use_it(guard);
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
    let status = pool.status();
    assert!(MOST.load(Ordering::SeqCst) <= 3);
    assert_eq!((status.in_use, status.waiting, status.creating), (0, 0, 0));
    assert!(status.size <= 3);
    pool.close_blocking(Duration::ZERO).unwrap();
}
