//! Threads and tasks together on one read-write lock, with waits that are cut
//! short: never do two write, never does one write while another reads, and
//! nothing is lost.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lyra_sync::AsyncRwLock;

const LONG: Duration = Duration::from_secs(60);

/// Two numbers that are always the same, unless somebody is let in too early.
#[derive(Default)]
struct Pair(AtomicU64, AtomicU64);

impl Pair {
    fn check(&self) {
        let one = self.0.load(Ordering::Relaxed);
        std::hint::spin_loop();
        assert_eq!(one, self.1.load(Ordering::Relaxed), "somebody writes meanwhile");
    }

    fn add(&self) {
        self.check();
        // Not one step, so that two at once would lose one.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.1.store(self.1.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// One visit; whether it wrote.
async fn visit(lock: &AsyncRwLock<Pair>, random: &mut Random) -> bool {
    let timeout = random.one_of(&[Duration::ZERO, Duration::from_micros(50), LONG]);
    match random.below(10) {
        0..4 => {
            if let Ok(pair) = lock.read(timeout).await {
                pair.check();
                if random.below(4) == 0 {
                    tokio::task::yield_now().await;
                    pair.check();
                }
            }
            false
        }
        4..7 => match lock.write(timeout).await {
            Ok(pair) => {
                pair.add();
                if random.below(4) == 0 {
                    tokio::task::yield_now().await;
                }
                pair.check();
                if random.below(2) == 0 {
                    pair.downgrade().check();
                }
                true
            }
            Err(_) => false,
        },
        7 => match lock.upgradable_read(timeout).await {
            Ok(pair) => {
                pair.check();
                match pair.upgrade(timeout).await {
                    Ok(pair) => {
                        pair.add();
                        true
                    }
                    Err(_) => false,
                }
            }
            Err(_) => false,
        },
        8 => lock.try_write().map(|pair| pair.add()).is_ok(),
        _ => {
            let wait = lock.write(LONG);
            let limit = Duration::from_micros(random.below(100));
            match tokio::time::timeout(limit, wait).await {
                Ok(pair) => {
                    pair.unwrap().add();
                    true
                }
                Err(_) => false,
            }
        }
    }
}

#[test]
fn tasks_and_threads_never_meet_a_writer() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build();
    let runtime = runtime.unwrap();
    let lock = Arc::new(AsyncRwLock::new(Pair::default()));
    let written = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (1..=8)
        .map(|seed| {
            let (lock, written) = (Arc::clone(&lock), Arc::clone(&written));
            runtime.spawn(async move {
                let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
                for _ in 0..2_000 {
                    let wrote = visit(&lock, &mut random).await;
                    written.fetch_add(u64::from(wrote), Ordering::Relaxed);
                }
            })
        })
        .collect();
    std::thread::scope(|scope| {
        for seed in 1..=2 {
            let (lock, written) = (&lock, &written);
            scope.spawn(move || {
                let mut random = Random(0xD134_2543_DE82_EF95_u64.wrapping_mul(seed));
                for _ in 0..2_000 {
                    let timeout = random.one_of(&[Duration::from_micros(50), LONG]);
                    match random.below(3) {
                        0 => drop(lock.read_blocking(timeout).map(|pair| pair.check())),
                        1 => {
                            if let Ok(pair) = lock.write_blocking(timeout) {
                                pair.add();
                                written.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        _ => {
                            let pair = lock.upgradable_read_blocking(LONG).unwrap();
                            if let Ok(pair) = pair.upgrade_blocking(timeout) {
                                pair.add();
                                written.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    let status = lock.status();
    let waiting = status.waiting_readers + status.waiting_writers;
    assert_eq!((status.readers, status.is_writing, waiting), (0, false, 0));
    let pair = lock.try_write().unwrap();
    assert_eq!(pair.0.load(Ordering::Relaxed), written.load(Ordering::Relaxed));
    assert!(written.load(Ordering::Relaxed) > 1_000, "it did something");
}
