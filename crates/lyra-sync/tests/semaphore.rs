//! The semaphore: permits in the order of arrival, every wait ends, and one
//! that is given up leaves no trace.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use lyra_errors::{Classify, ErrorKind, Recovery};
use lyra_sync::{Semaphore, SemaphorePermit, SyncError};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep};

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn permits_are_counted_move_into_tasks_and_come_back() {
    let semaphore = Semaphore::new(5);
    let one = semaphore.acquire().await.unwrap();
    let three = semaphore.acquire_many(3).await.unwrap();
    assert_eq!((one.count(), three.count(), semaphore.available()), (1, 3, 1));
    assert!(semaphore.try_acquire_many(2).is_err());
    tokio::spawn(async move { drop((one, three)) }).await.unwrap();
    assert_eq!(semaphore.clone().available(), 5, "clones share them");
    drop(semaphore.acquire_many_blocking(5).unwrap());
    drop(semaphore.try_acquire_many(5).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_names_the_semaphore_the_time_and_who_took_the_last() {
    let semaphore = Semaphore::named("downloads", 2).with_timeout(SHORT);
    let _one = semaphore.acquire().await.unwrap();
    let line = line!() + 1;
    let _two = semaphore.acquire().await.unwrap();
    let start = Instant::now();
    let here = line!() + 1;
    let error = semaphore.acquire().await.unwrap_err();
    assert_eq!(start.elapsed(), SHORT);
    assert_eq!((error.code().id(), error.location().unwrap().line()), ("sync.timeout", here));
    let holder = error.holder().unwrap();
    assert_eq!((holder.location().line(), holder.others()), (line, 1));
    assert!(error.to_string().starts_with("downloads: not free within 30ms, held by "), "{error}");
    assert_eq!(semaphore.try_acquire().unwrap_err().code().id(), "sync.busy");
    let start = Instant::now();
    assert!(semaphore.acquire_for(SHORT * 2).await.is_err());
    assert_eq!(start.elapsed(), SHORT * 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waits_end_when_they_said_never_early() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.acquire().await.unwrap();
    let start = Instant::now();
    let mut waits = JoinSet::new();
    for index in 0..1_000_u32 {
        let semaphore = semaphore.clone();
        let timeout = Duration::from_micros(u64::from(index * 7_919 % 1_000 * 1_003 + 1));
        waits.spawn(async move {
            semaphore.acquire_for(timeout).await.unwrap_err();
            let elapsed = start.elapsed();
            assert!(elapsed >= timeout, "{elapsed:?} is early for {timeout:?}");
            assert!(elapsed - timeout < Duration::from_millis(1), "{elapsed:?} for {timeout:?}");
        });
    }
    while let Some(wait) = waits.join_next().await {
        wait.unwrap();
    }
    assert_eq!(semaphore.status().waiting, 0);
    drop(held);
    assert_eq!(semaphore.available(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_many_is_not_passed_by_those_who_ask_for_few() {
    let semaphore = Semaphore::new(3).with_timeout(LONG);
    let order = Arc::new(Mutex::new(Vec::new()));
    let held = [semaphore.try_acquire().unwrap(), semaphore.try_acquire_many(2).unwrap()];
    let mut tasks = JoinSet::new();
    for (index, count) in [1, 3, 1, 2, 3, 1].into_iter().enumerate() {
        let (semaphore, order) = (semaphore.clone(), Arc::clone(&order));
        tasks.spawn(async move {
            let _permit = semaphore.acquire_many(count).await.unwrap();
            order.lock().unwrap().push(index);
            sleep(SHORT).await; // tidy: sleep - the clock is paused
        });
        yield_now().await;
    }
    assert_eq!(semaphore.status().waiting, 6);
    for permit in held {
        drop(permit);
        assert!(semaphore.try_acquire().is_err(), "they are for those who wait");
        sleep(SHORT * 2).await; // tidy: sleep - the clock is paused
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn threads_and_tasks_stand_in_one_line() {
    // In real time: a thread cannot be paused. The order is what counts.
    let semaphore = Semaphore::new(1).with_timeout(LONG);
    let held = semaphore.try_acquire().unwrap();
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (semaphore, order) = (&semaphore, &order);
        for index in 0..20 {
            scope.spawn(move || {
                let permit = match index % 2 {
                    0 => semaphore.acquire_blocking(),
                    _ => runtime().block_on(semaphore.acquire()),
                };
                order.lock().unwrap().push(index);
                drop(permit.unwrap());
            });
            while semaphore.status().waiting <= index {
                thread::yield_now();
            }
        }
        drop(held);
    });
    assert_eq!(order.into_inner().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_in_the_very_moment_of_the_timeout_is_taken() {
    /// As a task that has a permit, and is dropped with its last waker.
    struct Holds(#[allow(dead_code, reason = "it is given back")] SemaphorePermit);
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    let semaphore = Semaphore::new(1);
    let holds = Waker::from(Arc::new(Holds(semaphore.try_acquire().unwrap())));
    let mut wait = pin!(semaphore.acquire_for(SHORT));
    assert!(wait.as_mut().poll(&mut Context::from_waker(&holds)).is_pending());
    drop(holds);
    tokio::time::advance(SHORT * 2).await;
    // It looks in vain, and forgets the old waker; then its time is up.
    drop(poll_once(&mut wait).unwrap().unwrap());
    assert_eq!((semaphore.available(), semaphore.status().waiting), (1, 0));
}

#[test]
fn a_permit_that_came_before_the_timeout_is_taken_however_late_the_thread_looks() {
    let semaphore = Semaphore::new(1);
    thread::scope(|scope| {
        for _ in 0..200 {
            let held = semaphore.try_acquire().unwrap();
            let deadline = std::time::Instant::now() + Duration::from_micros(500);
            // It waits a little longer than until the deadline.
            let wait = scope.spawn(|| semaphore.acquire_blocking_for(Duration::from_micros(500)));
            while std::time::Instant::now() + Duration::from_micros(20) < deadline {
                std::hint::spin_loop();
            }
            drop(held);
            let is_in_time = std::time::Instant::now() < deadline;
            let waited = wait.join().unwrap();
            assert!(waited.is_ok() || !is_in_time, "{waited:?}");
        }
    });
}

#[test]
fn the_latest_is_named_for_as_long_as_it_stays_and_none_is_nobody() {
    let semaphore = Semaphore::named("downloads", 3);
    let one = semaphore.try_acquire().unwrap();
    let line = line!() + 1;
    let two = semaphore.try_acquire_many(2).unwrap();
    let none = semaphore.try_acquire_many(0).unwrap();
    let holder = semaphore.status().holder.unwrap();
    assert_eq!((holder.location().line(), holder.others()), (line, 2));
    drop(none);
    assert_eq!(semaphore.status().holder, Some(holder));
    thread::scope(|scope| drop(scope.spawn(|| drop(two))));
    assert_eq!(semaphore.status().holder, None, "of the other one nobody knows who it is");
    let error = semaphore.acquire_many_blocking_for(3, SHORT).unwrap_err();
    assert!(error.to_string().ends_with(", held by 1 that came earlier"), "{error}");
    let error = semaphore.try_acquire_many(3).unwrap_err();
    assert_eq!(error.to_string(), "downloads: not free, held by 1 that came earlier");
    drop(one);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_goes_to_a_waiter_names_nobody_until_that_one_has_looked() {
    let one = Semaphore::named("handed", 1);
    let first = one.acquire().await.unwrap();
    let mut wait = Box::pin(one.acquire());
    assert!(poll_once(&mut wait).is_none());
    drop(first);
    let error = one.try_acquire().unwrap_err();
    assert_eq!((error.holder(), one.status().holder), (None, None), "{error}");
    let second = wait.await.unwrap();
    assert!(one.status().holder.is_some());
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn to_take_none_is_refused_by_a_closed_one_alone() {
    for permits in [0, 1] {
        let semaphore = Semaphore::new(permits);
        let _held = semaphore.try_acquire_many(permits).unwrap();
        assert_eq!(semaphore.acquire_many(0).await.unwrap().count(), 0);
        drop(semaphore.acquire_many_blocking(0).unwrap());
        drop(semaphore.try_acquire_many(0).unwrap());
        semaphore.close();
        assert!(matches!(semaphore.try_acquire_many(0), Err(SyncError::Closed { .. })));
        assert!(matches!(semaphore.acquire_many(0).await, Err(SyncError::Closed { .. })));
    }
}

#[test]
fn more_than_there_will_ever_be_is_refused_at_once() {
    let semaphore = Semaphore::named("downloads", 5);
    let error = semaphore.acquire_many_blocking_for(6, LONG).unwrap_err();
    assert_eq!((error.code().id(), error.kind()), ("sync.too_many", ErrorKind::Validation));
    assert_eq!(error.to_string(), "downloads: 6 at once will never be there, of 5");
    assert!(matches!(semaphore.try_acquire_many(6), Err(SyncError::TooMany { .. })));
    let polled = poll_once(&mut pin!(semaphore.acquire_many_for(u32::MAX, LONG))).unwrap();
    assert_eq!(polled.unwrap_err().context().value("most").unwrap().to_string(), "5");

    let none = Semaphore::new(0);
    assert!(matches!(none.acquire_blocking(), Err(SyncError::TooMany { .. })));
    assert_eq!(none.try_acquire_many(0).unwrap().count(), 0);
    let all = Semaphore::new(u32::MAX);
    drop(all.try_acquire_many(all.status().permits).unwrap());
}

#[test]
fn a_zero_timeout_tries_once_and_needs_no_runtime() {
    let semaphore = Semaphore::new(1).with_timeout(Duration::ZERO);
    let poll = |timeout| poll_once(&mut pin!(semaphore.acquire_for(timeout))).unwrap().map(drop);
    poll(LONG).unwrap();
    let held = semaphore.acquire_blocking().unwrap();
    assert_eq!(poll(Duration::ZERO).unwrap_err().code().id(), "sync.timeout");
    assert_eq!(semaphore.acquire_blocking().unwrap_err().code().id(), "sync.timeout");
    let error = poll(LONG).unwrap_err();
    assert_eq!(error.code().id(), "sync.no_runtime", "it would have to wait");
    assert_eq!(semaphore.acquire_many_blocking(0).unwrap().count(), 0, "none need no wait");
    drop(held);
    assert_eq!((semaphore.available(), semaphore.status().waiting), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn close_ends_all_waits_and_leaves_what_is_out() {
    let semaphore = Semaphore::named("downloads", 1).with_timeout(Duration::MAX);
    let held = semaphore.acquire().await.unwrap();
    let other = semaphore.clone();
    let task = tokio::spawn(async move { other.acquire().await.unwrap_err() });
    let other = semaphore.clone();
    let blocked = thread::spawn(move || other.acquire_blocking().unwrap_err());
    while semaphore.status().waiting < 2 {
        yield_now().await;
    }
    semaphore.close();
    for error in [task.await.unwrap(), blocked.join().unwrap()] {
        assert_eq!((error.code().id(), error.recovery()), ("sync.closed", Recovery::Permanent));
        assert_eq!(error.to_string(), "downloads: it is closed");
    }
    drop(held);
    assert!(matches!(semaphore.try_acquire(), Err(SyncError::Closed { .. })));
    assert!(semaphore.is_closed() && semaphore.status().is_closed);
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_poll_a_wait_has_taken_nothing() {
    // Four waits, each dropped after so many polls, with permits that come
    // back one by one between: before a drop, and after.
    for drops in 0..4_usize.pow(4) {
        let drops: Vec<usize> = (0..4).map(|place| drops / 4_usize.pow(place) % 4).collect();
        let semaphore = Semaphore::new(3).with_timeout(LONG);
        let mut held: Vec<_> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
        let mut waits: Vec<_> =
            [2, 1, 3, 2].map(|count| Some(Box::pin(semaphore.acquire_many(count)))).into();
        for round in 1..=4 {
            for (wait, polls) in waits.iter_mut().zip(&drops) {
                let is_done = wait.as_mut().is_some_and(|wait| poll_once(wait).is_some());
                // The last of the four choices is not to be dropped.
                if is_done || (round > *polls && *polls < 3) {
                    *wait = None;
                }
            }
            held.pop();
        }
        for wait in waits.into_iter().flatten() {
            drop(wait.await.unwrap());
        }
        let status = semaphore.status();
        assert_eq!((status.available, status.waiting), (3, 0), "dropped after {drops:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_ends_takes_its_waiters_along() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire().unwrap();
    let other = semaphore.clone();
    thread::spawn(move || {
        let runtime = runtime();
        let waiting = other.clone();
        runtime.spawn(async move { waiting.acquire_many_for(2, LONG).await.map(drop) });
        runtime.block_on(yield_now());
        assert_eq!((other.status().waiting, other.available()), (1, 0));
    })
    .join()
    .unwrap();
    assert_eq!((semaphore.status().waiting, semaphore.available()), (0, 1));
    drop(held);
    drop(semaphore.try_acquire_many(2).unwrap());
}

#[tokio::test]
async fn a_task_that_used_up_its_turn_can_block_all_the_same() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    // tokio lets a task take so many steps before it has to yield.
    while poll_once(&mut pin!(tokio::task::coop::consume_budget())).is_some() {}
    let back = thread::spawn(move || {
        thread::sleep(SHORT); // tidy: sleep - the other thread has to wait for real
        drop(held);
    });
    drop(semaphore.acquire_blocking_for(LONG).unwrap());
    back.join().unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn poll_once<F: Future>(
    future: &mut Pin<impl std::ops::DerefMut<Target = F>>,
) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
