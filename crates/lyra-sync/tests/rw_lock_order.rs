//! Who goes when several wait for the read-write lock.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lyra_sync::AsyncRwLock;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep};

const LONG: Duration = Duration::from_secs(3_600);
const MS: Duration = Duration::from_millis(1);

type Lock = Arc<AsyncRwLock<Vec<String>>>;
type Seen = Arc<Mutex<Vec<String>>>;

/// Starts tasks that wait in this order, such as `r1 w1`, each of which notes
/// its name when it is in, and stays for a while.
async fn queue(lock: &Lock, seen: &Seen, names: &str) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for name in names.split_whitespace().map(str::to_owned) {
        let (lock, seen) = (Arc::clone(lock), Arc::clone(seen));
        tasks.push(tokio::spawn(async move {
            let note = || seen.lock().unwrap().push(name.clone());
            match name.as_bytes()[0] {
                b'r' => {
                    let _guard = lock.read(LONG).await.unwrap();
                    note();
                    sleep(MS).await; // tidy: sleep - the clock is paused
                }
                b'u' => {
                    let _guard = lock.upgradable_read(LONG).await.unwrap();
                    note();
                    sleep(MS).await; // tidy: sleep - the clock is paused
                }
                _ => {
                    let _guard = lock.write(LONG).await.unwrap();
                    note();
                    sleep(MS).await; // tidy: sleep - the clock is paused
                }
            }
        }));
        yield_now().await;
    }
    tasks
}

async fn order(holder: &str, names: &str) -> String {
    let (lock, seen) = (Lock::default(), Seen::default());
    let held = queue(&lock, &seen, holder).await;
    let tasks = queue(&lock, &seen, names).await;
    for task in held.into_iter().chain(tasks) {
        task.await.unwrap();
    }
    let seen = seen.lock().unwrap();
    seen[1..].join(" ")
}

#[tokio::test(start_paused = true)]
async fn writers_go_first_and_in_the_order_of_their_arrival() {
    assert_eq!(order("w0", "r1 w1 r2 w2 w3 r3").await, "w1 w2 w3 r1 r2 r3");
    assert_eq!(order("r0", "w1 r1 w2 r2").await, "w1 w2 r1 r2");
}

#[tokio::test(start_paused = true)]
async fn seven_writers_go_in_a_row_then_all_readers_that_wait() {
    let writers = "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18";
    // The one that writes as the first reader comes is the first of the seven.
    assert_eq!(
        order("w0", &format!("r1 r2 {writers}")).await,
        "w1 w2 w3 w4 w5 w6 r1 r2 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18"
    );
    assert_eq!(
        order("r0", &format!("w0 r1 {writers} r2")).await,
        "w0 w1 w2 w3 w4 w5 w6 r1 r2 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18"
    );
}

#[tokio::test(start_paused = true)]
async fn an_upgradable_read_stands_in_line_with_the_writers_and_beside_readers() {
    assert_eq!(order("w0", "u1 r1 w1 u2 r2").await, "u1 w1 r1 r2 u2");
    assert_eq!(order("u0", "u1 r1 u2").await, "r1 u1 u2", "readers wait for no reader");
}

#[tokio::test(start_paused = true)]
async fn upgrades_count_as_writers() {
    let (lock, seen) = (Lock::default(), Seen::default());
    let upgradable = lock.try_upgradable_read().unwrap();
    let reader = lock.try_read().unwrap();
    let tasks = queue(&lock, &seen, "w1 r1").await;
    // The first one waits for the reader, the others need not wait.
    let mut upgrade = Box::pin(upgradable.upgrade(LONG));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(upgrade.as_mut().poll(&mut context).is_pending());
    drop(reader);
    let mut upgradable = Some(upgrade.await.unwrap().downgrade_to_upgradable());
    for _ in 0..6 {
        let write = upgradable.take().unwrap().try_upgrade().unwrap();
        upgradable = Some(write.downgrade_to_upgradable());
    }
    drop(upgradable);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), ["r1", "w1"]);
}

#[tokio::test(start_paused = true)]
async fn readers_that_loop_do_not_hold_up_a_writer() {
    let lock = Lock::default();
    let mut loops = Vec::new();
    for index in 0..8 {
        let lock = Arc::clone(&lock);
        loops.push(tokio::spawn(async move {
            sleep(MS * index).await; // tidy: sleep - the clock is paused
            loop {
                let _guard = lock.read(LONG).await.unwrap();
                sleep(MS * 8).await; // tidy: sleep - the clock is paused
            }
        }));
    }
    sleep(MS * 100).await; // tidy: sleep - the clock is paused
    for _ in 0..50 {
        assert!(lock.status().readers > 0, "they overlap, so that it is never free");
        let start = Instant::now();
        drop(lock.write(LONG).await.unwrap());
        assert!(start.elapsed() <= MS * 8, "{:?}, longer than any reader stays", start.elapsed());
        sleep(MS * 10).await; // tidy: sleep - the clock is paused
    }
    loops.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn writers_that_loop_do_not_hold_up_a_reader_for_more_than_seven_turns() {
    let lock = Lock::default();
    let mut loops = Vec::new();
    for _ in 0..20 {
        let lock = Arc::clone(&lock);
        loops.push(tokio::spawn(async move {
            loop {
                let _guard = lock.write(LONG).await.unwrap();
                sleep(MS).await; // tidy: sleep - the clock is paused
            }
        }));
    }
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        yield_now().await;
        let start = Instant::now();
        drop(lock.read(LONG).await.unwrap());
        longest = longest.max(start.elapsed());
    }
    assert!(longest <= MS * 7 && longest >= MS * 6, "{longest:?}");
    loops.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_gives_up_lets_the_readers_behind_it_go() {
    let lock = Lock::default();
    let seen = Seen::default();
    let reader = lock.try_read().unwrap();
    let writers = queue(&lock, &seen, "w1").await;
    let readers = queue(&lock, &seen, "r1 r2").await;
    assert_eq!(lock.status().waiting_readers, 2);
    writers[0].abort();
    for task in readers {
        task.await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), ["r1", "r2"]);
    drop(reader);
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    let lock = Lock::default();
    let reader = lock.try_read().unwrap();
    let tasks = queue(&lock, &Seen::default(), "w1").await;
    assert!(lock.try_read().is_err(), "a writer waits");
    drop(reader);
    assert!(lock.try_write().is_err(), "it was handed over, although its task has not run");
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn threads_and_tasks_stand_in_one_line() {
    // In real time: a thread cannot be paused. The order is what counts.
    let lock = AsyncRwLock::new(Vec::new());
    let held = lock.try_write().unwrap();
    thread::scope(|scope| {
        let lock = &lock;
        for index in 0..20 {
            scope.spawn(move || {
                let write = match index % 2 {
                    0 => lock.write_blocking(LONG),
                    _ => runtime().block_on(lock.write(LONG)),
                };
                write.unwrap().push(index);
            });
            while lock.status().waiting_writers <= index {
                thread::yield_now();
            }
        }
        drop(held);
    });
    assert_eq!(lock.into_inner(), (0..20).collect::<Vec<_>>());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}
