//! The read-write lock: who is in, who is refused, and what it says then.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lyra_errors::{Classify, Error, ErrorKind};
use lyra_sync::{AsyncRwLock, AsyncRwLockUpgradableReadGuard, AsyncRwLockWriteGuard, SyncError};
use tokio::task::JoinSet;
use tokio::time::Instant;

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(3_600);

static STATIC: AsyncRwLock<u8> = AsyncRwLock::new(1);

#[tokio::test(start_paused = true)]
async fn readers_share_and_a_writer_is_alone() {
    let lock = AsyncRwLock::new(1);
    let (one, two) = (lock.read(SHORT).await.unwrap(), lock.try_read().unwrap());
    assert_eq!((*one, *two), (1, 1));
    let upgradable = lock.upgradable_read(SHORT).await.unwrap();
    assert_eq!(*upgradable, 1);
    assert!(lock.try_write().is_err() && lock.try_upgradable_read().is_err());
    drop((one, two, upgradable));
    let mut write = lock.write(SHORT).await.unwrap();
    *write += 1;
    assert!(lock.try_read().is_err() && lock.try_upgradable_read().is_err());
    assert!(lock.try_write().is_err());
    drop(write);
    assert!(!lock.is_locked());
    assert_eq!(lock.into_inner(), 2);
    assert_eq!(*STATIC.try_read().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_names_the_lock_the_time_and_the_writer() {
    let lock = AsyncRwLock::named("emotion", ());
    let line = line!() + 1;
    let held = lock.write(SHORT).await.unwrap();
    let start = Instant::now();
    let here = line!() + 1;
    let error = lock.read(SHORT).await.unwrap_err();
    assert_eq!(start.elapsed(), SHORT);
    assert_eq!((error.code().id(), error.kind()), ("sync.timeout", ErrorKind::Concurrency));
    assert_eq!(error.location().unwrap().line(), here);
    let holder = error.holder().unwrap().clone();
    assert_eq!((holder.location().line(), holder.others()), (line, 0));
    assert_eq!(holder.thread(), thread::current().name().unwrap());
    assert!(error.to_string().starts_with("emotion: not free within 30ms, held by thread `"));
    assert_eq!(lock.try_write().unwrap_err().holder(), Some(&holder));
    drop(held);
    assert_eq!(lock.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_behind_readers_names_the_latest_and_how_many_there_are() {
    let lock = AsyncRwLock::named("emotion", ());
    let _one = lock.read(SHORT).await.unwrap();
    let _two = lock.upgradable_read(SHORT).await.unwrap();
    let line = line!() + 1;
    let three = lock.read(SHORT).await.unwrap();
    let error = lock.write(SHORT).await.unwrap_err();
    let holder = error.holder().unwrap();
    assert_eq!((holder.location().line(), holder.others()), (line, 2));
    assert!(error.to_string().ends_with(", the latest of 3"), "{error}");
    let error = Error::from(error);
    assert_eq!(error.context().value("other_holders").unwrap().to_string(), "2");
    drop(three);
    // The latest is gone, and of the others nobody knows who they are.
    assert_eq!(lock.holder(), None);
    let error = lock.write(SHORT).await.unwrap_err();
    assert_eq!(error.to_string(), "emotion: not free within 30ms, held by 2 that came earlier");
    assert_eq!(Error::from(error).context().value("holders").unwrap().to_string(), "2");
    let error = lock.try_write().unwrap_err();
    assert_eq!(error.to_string(), "emotion: not free, held by 2 that came earlier");
}

#[tokio::test(start_paused = true)]
async fn the_latest_reader_is_named_for_as_long_as_it_stays() {
    let lock = AsyncRwLock::named("emotion", ());
    let write = lock.try_write().unwrap();
    let earlier = write.downgrade();
    let line = line!() + 1;
    let latest = lock.read(SHORT).await.unwrap();
    drop(earlier);
    let holder = lock.holder().unwrap();
    assert_eq!((holder.location().line(), holder.others()), (line, 0));
    // Wherever it goes, and by whomever it is dropped.
    let _third = lock.try_upgradable_read().unwrap();
    let line = line!() + 1;
    let fourth = lock.try_read().unwrap();
    thread::scope(|scope| drop(scope.spawn(|| drop(latest))));
    assert_eq!(lock.holder().unwrap().location().line(), line);
    thread::scope(|scope| drop(scope.spawn(|| drop(fourth))));
    assert_eq!(lock.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waited_is_noted_no_longer_when_it_left() {
    let lock = AsyncRwLock::new(());
    let write = lock.try_write().unwrap();
    let (mut one, mut two) = (Box::pin(lock.read(LONG)), Box::pin(lock.read(LONG)));
    let mut silent = Box::pin(lock.upgradable_read(LONG));
    assert!(poll_once(&mut one).is_none() && poll_once(&mut two).is_none());
    assert!(poll_once(&mut silent).is_none());
    drop(write);
    // On another thread than it asked on.
    let polled = thread::scope(|scope| scope.spawn(|| poll_once(&mut two)).join().unwrap());
    let two = polled.unwrap().unwrap();
    drop(silent); // it was let in, and never looked
    let one = one.await.unwrap();
    assert_eq!(lock.holder().unwrap().others(), 1);
    drop(one);
    assert_eq!((lock.holder(), lock.status().readers), (None, 1));
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn who_was_let_in_and_gave_up_is_noted_no_longer() {
    let lock = AsyncRwLock::new(());
    let write = lock.try_write().unwrap();
    let (mut one, mut two) = (Box::pin(lock.read(LONG)), Box::pin(lock.read(LONG)));
    assert!(poll_once(&mut one).is_none() && poll_once(&mut two).is_none());
    drop(write);
    drop(two);
    assert_eq!((lock.holder(), lock.status().readers), (None, 1));
    drop(one);
}

#[tokio::test(start_paused = true)]
async fn who_was_handed_the_lock_and_does_not_run_is_named() {
    let lock = AsyncRwLock::new(());
    let held = lock.try_write().unwrap();
    let line = line!() + 1;
    let mut silent = Box::pin(lock.write(LONG));
    assert!(poll_once(&mut silent).is_none());
    drop(held);
    let error = lock.read(SHORT).await.unwrap_err();
    assert_eq!(error.holder().unwrap().location().line(), line);
    drop(silent);
    drop(lock.try_write().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waits_end_when_they_said_never_early() {
    let lock = Arc::new(AsyncRwLock::new(()));
    let held = lock.write(SHORT).await.unwrap();
    let start = Instant::now();
    let mut waits = JoinSet::new();
    for index in 0..1_000_u32 {
        let lock = Arc::clone(&lock);
        // Of all kinds, in no order, with fractions of a millisecond.
        let timeout = Duration::from_micros(u64::from(index * 7_919 % 1_000 * 1_003 + 1));
        waits.spawn(async move {
            let error = match index % 3 {
                0 => lock.read(timeout).await.unwrap_err(),
                1 => lock.write(timeout).await.unwrap_err(),
                _ => lock.upgradable_read(timeout).await.unwrap_err(),
            };
            let elapsed = start.elapsed();
            assert!(elapsed >= timeout, "{elapsed:?} is early for {timeout:?}");
            assert!(elapsed - timeout < Duration::from_millis(1), "{elapsed:?} for {timeout:?}");
            match error {
                SyncError::Timeout { waited, .. } => assert_eq!(waited, elapsed),
                _ => panic!("{error}"),
            }
        });
    }
    while let Some(wait) = waits.join_next().await {
        wait.unwrap();
    }
    let status = lock.status();
    assert_eq!((status.waiting_readers, status.waiting_writers), (0, 0));
    drop(held);
    drop(lock.try_write().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_does_not_move_when_a_waiter_is_called_in_vain() {
    let lock = AsyncRwLock::new(());
    let _held = lock.try_write().unwrap();
    let start = Instant::now();
    let mut wait = Box::pin(lock.read(SHORT));
    for _ in 0..20 {
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(poll_once(&mut wait).is_none());
    }
    wait.await.unwrap_err();
    let elapsed = start.elapsed();
    assert!(elapsed >= SHORT && elapsed <= SHORT + Duration::from_millis(1), "{elapsed:?}");
}

#[test]
fn a_zero_timeout_tries_once_and_needs_no_runtime() {
    let lock = AsyncRwLock::new(());
    let poll = |timeout| poll_once(&mut Box::pin(lock.write(timeout))).unwrap().map(drop);
    poll(Duration::ZERO).unwrap();
    poll(LONG).unwrap();
    let held = lock.read_blocking(Duration::ZERO).unwrap();
    assert_eq!(poll(Duration::ZERO).unwrap_err().code().id(), "sync.timeout");
    assert_eq!(lock.write_blocking(Duration::ZERO).unwrap_err().code().id(), "sync.timeout");
    let error = poll(LONG).unwrap_err();
    assert_eq!(error.code().id(), "sync.no_runtime", "it would have to wait");
    assert_eq!(lock.status().waiting_writers, 0);
    drop(held);
    poll(LONG).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_longest_timeout_works() {
    let lock = Arc::new(AsyncRwLock::new(()));
    let held = lock.try_write().unwrap();
    let other = Arc::clone(&lock);
    let wait = tokio::spawn(async move { other.read(Duration::MAX).await.map(drop) });
    let other = Arc::clone(&lock);
    let blocked = thread::spawn(move || other.read_blocking(Duration::MAX).map(drop));
    while lock.status().waiting_readers < 2 {
        tokio::task::yield_now().await;
    }
    drop(held);
    wait.await.unwrap().unwrap();
    blocked.join().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blocking_wait_ends_in_time_and_names_the_holder() {
    let lock = AsyncRwLock::named("emotion", ());
    let held = lock.write(SHORT).await.unwrap();
    thread::scope(|scope| {
        let wait = |read: fn(&AsyncRwLock<()>) -> Result<(), SyncError>| {
            let lock = &lock;
            scope.spawn(move || {
                let start = std::time::Instant::now();
                let error = read(lock).unwrap_err();
                assert!(start.elapsed() >= SHORT, "never early");
                assert!(error.holder().is_some() && error.code().id() == "sync.timeout");
            })
        };
        wait(|lock| lock.read_blocking(SHORT).map(drop));
        wait(|lock| lock.write_blocking(SHORT).map(drop));
        wait(|lock| lock.upgradable_read_blocking(SHORT).map(drop));
    });
    assert_eq!(lock.status().waiting_writers, 0);
    drop(held);
    drop(lock.write_blocking(SHORT).unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_lets_no_writer_come_between_and_waits_for_the_readers() {
    let lock = Arc::new(AsyncRwLock::new(1));
    let upgradable = lock.upgradable_read(SHORT).await.unwrap();
    let reader = lock.try_read().unwrap();
    let upgradable = upgradable.try_upgrade().unwrap_err();
    let other = Arc::clone(&lock);
    let writer = tokio::spawn(async move { *other.write(LONG).await.unwrap() *= 10 });
    tokio::task::yield_now().await;
    let mut upgrade = Box::pin(upgradable.upgrade(LONG));
    assert!(poll_once(&mut upgrade).is_none());
    assert!(lock.try_read().is_err(), "no reader enters meanwhile");
    drop(reader);
    *upgrade.await.unwrap() += 1;
    writer.await.unwrap();
    assert_eq!(*lock.try_read().unwrap(), 20, "first plus one, then times ten");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_ends_badly_gives_the_read_back_as_well() {
    let lock = AsyncRwLock::new(());
    let reader = lock.try_read().unwrap();
    let upgradable = lock.try_upgradable_read().unwrap();
    assert_eq!(upgradable.upgrade(SHORT).await.unwrap_err().code().id(), "sync.timeout");
    assert_eq!(lock.status().readers, 1);
    let upgradable = lock.try_upgradable_read().unwrap();
    upgradable.upgrade_blocking(SHORT).unwrap_err();
    let mut upgrade = Box::pin(lock.try_upgradable_read().unwrap().upgrade(LONG));
    assert!(poll_once(&mut upgrade).is_none());
    drop(reader); // it is handed over, and nobody looks
    drop(upgrade);
    drop(lock.try_upgradable_read().unwrap().upgrade_blocking(SHORT).unwrap());
    drop(lock.try_write().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_downgrade_lets_readers_in_and_no_writer() {
    let lock = Arc::new(AsyncRwLock::new(1));
    let write = lock.try_write().unwrap();
    let other = Arc::clone(&lock);
    let reader = tokio::spawn(async move { *other.read(LONG).await.unwrap() });
    tokio::task::yield_now().await;
    let upgradable = write.downgrade_to_upgradable();
    assert_eq!(reader.await.unwrap(), 1);
    assert!(lock.try_upgradable_read().is_err());
    let mut write = upgradable.try_upgrade().unwrap();
    *write += 1;
    let read = write.downgrade();
    assert!(lock.try_write().is_err());
    assert_eq!((*read, lock.status().readers), (2, 1));
    drop(read);
    let read = lock.try_upgradable_read().unwrap().downgrade();
    drop(lock.try_upgradable_read().unwrap());
    drop(read);
    drop(lock.try_write().unwrap());
}

#[test]
fn a_panic_while_writing_is_flagged_and_gives_the_lock_back() {
    let lock = AsyncRwLock::new(0);
    let panics = |act: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(act)).is_err());
    panics(&|| {
        let _reading = lock.try_read().unwrap();
        panic!("as a test wants it");
    });
    assert!(!lock.had_panic(), "a reader breaks nothing");
    panics(&|| {
        *lock.try_write().unwrap() = 1;
        let _writing = lock.try_write().unwrap();
        panic!("as a test wants it");
    });
    assert!(lock.had_panic() && lock.status().had_panic);
    assert_eq!(*lock.try_read().unwrap(), 1);
    lock.clear_panic();
    panics(&|| {
        let _writing = lock.try_upgradable_read().unwrap().try_upgrade().unwrap();
        panic!("as a test wants it");
    });
    assert!(lock.had_panic());
    assert!(!lock.is_locked());
}

#[test]
fn a_guard_that_is_taken_while_a_panic_unwinds_is_no_panic_of_its_own() {
    struct Tidy<'a>(&'a AsyncRwLock<u8>);
    impl Drop for Tidy<'_> {
        fn drop(&mut self) {
            *self.0.try_write().unwrap() += 1;
            *self.0.try_upgradable_read().unwrap().try_upgrade().unwrap() += 1;
        }
    }
    let lock = AsyncRwLock::new(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _tidy = Tidy(&lock);
        panic!("as a test wants it");
    }));
    assert!(panicked.is_err());
    assert_eq!((lock.had_panic(), *lock.try_read().unwrap()), (false, 3));
}

#[test]
fn a_downgrade_while_a_panic_unwinds_is_flagged_only_from_writing() {
    struct Lowers<'a>(Option<AsyncRwLockWriteGuard<'a, ()>>);
    impl Drop for Lowers<'_> {
        fn drop(&mut self) {
            drop(self.0.take().unwrap().downgrade());
        }
    }
    struct LowersRead<'a>(Option<AsyncRwLockUpgradableReadGuard<'a, ()>>);
    impl Drop for LowersRead<'_> {
        fn drop(&mut self) {
            drop(self.0.take().unwrap().downgrade());
        }
    }
    let lock = AsyncRwLock::new(());
    let panics = |act: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(act)).is_err());
    panics(&|| {
        let _lowers = LowersRead(Some(lock.try_upgradable_read().unwrap()));
        panic!("as a test wants it");
    });
    assert!(!lock.had_panic());
    panics(&|| {
        let _lowers = Lowers(Some(lock.try_write().unwrap()));
        panic!("as a test wants it");
    });
    assert!(lock.had_panic() && !lock.is_locked());
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_who_is_in_and_who_waits() {
    let lock = AsyncRwLock::named("emotion", ());
    let status = lock.status();
    assert_eq!((status.readers, status.is_writing, status.holder), (0, false, None));
    let _one = lock.try_read().unwrap();
    let _two = lock.try_upgradable_read().unwrap();
    let mut write = Box::pin(lock.write(LONG));
    let mut read = Box::pin(lock.read(LONG));
    assert!(poll_once(&mut write).is_none() && poll_once(&mut read).is_none());
    let status = lock.status();
    assert_eq!((status.readers, status.is_writing), (2, false));
    assert_eq!((status.waiting_readers, status.waiting_writers), (1, 1));
    assert_eq!(status.holder.unwrap().others(), 1);
    drop((read, write));
    let status = lock.status();
    assert_eq!((status.waiting_readers, status.waiting_writers), (0, 0));
    assert_eq!(lock.name(), "emotion");
    assert!(format!("{lock:?}").contains("emotion"));
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
