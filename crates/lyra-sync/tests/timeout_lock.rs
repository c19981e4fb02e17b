//! The lock for threads: it ends every wait, and names who held it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use lyra_errors::{Classify, Error, ErrorKind};
use lyra_sync::{SyncError, TimeoutLock};

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(60);

/// Holds the lock on a thread `holder` while `act` runs.
fn while_held<T: Send, R>(lock: &TimeoutLock<T>, act: impl FnOnce(u32) -> R) -> R {
    let (locked, is_locked) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let holder = thread::Builder::new().name("holder".into());
        holder
            .spawn_scoped(scope, move || {
                let line = line!() + 1;
                let guard = lock.lock().unwrap();
                locked.send(line).unwrap();
                let _ = is_done.recv();
                drop(guard);
            })
            .unwrap();
        let line = is_locked.recv().unwrap();
        let result = act(line);
        drop(done);
        result
    })
}

#[test]
fn a_timeout_names_the_lock_the_time_and_the_holder() {
    let lock = TimeoutLock::named("index", 7).with_timeout(SHORT);
    while_held(&lock, |line| {
        let started = Instant::now();
        let here = line!() + 1;
        let error = lock.lock().unwrap_err();
        assert!(started.elapsed() >= SHORT, "never early");
        assert_eq!((error.code().id(), error.kind()), ("sync.timeout", ErrorKind::Concurrency));
        assert_eq!(error.location().unwrap().line(), here);
        let holder = error.holder().unwrap();
        assert_eq!((holder.thread(), holder.location().line()), ("holder", line));
        assert!(holder.location().file().ends_with("timeout_lock.rs"));
        let text = error.to_string();
        assert!(text.starts_with("index: not free within "), "{text}");
        assert!(text.contains(", held by thread `holder` since "), "{text}");

        let error = Error::from(error);
        assert!(error.is_recoverable());
        assert_eq!(error.context().value("name").unwrap().to_string(), "index");
        assert_eq!(error.context().value("holder_thread").unwrap().to_string(), "holder");
    });
    assert_eq!(*lock.lock().unwrap(), 7);
    assert_eq!(lock.holder(), None);
}

#[test]
fn who_only_tries_does_not_wait() {
    let lock = TimeoutLock::named("index", ());
    while_held(&lock, |_| {
        for error in [lock.try_lock().unwrap_err(), lock.lock_for(Duration::ZERO).unwrap_err()] {
            assert!(matches!(error.code().id(), "sync.busy" | "sync.timeout"));
            assert_eq!(error.holder().unwrap().thread(), "holder");
        }
        assert!(lock.is_locked());
    });
    drop(lock.try_lock().unwrap());
    assert!(!lock.is_locked());
    assert_eq!(lock.try_lock().map(drop), Ok(()));
}

#[test]
fn a_thread_that_locks_what_it_holds_is_told_at_once() {
    let lock = TimeoutLock::named("index", ()).with_timeout(LONG);
    let line = line!() + 1;
    let _guard = lock.lock().unwrap();
    for error in [lock.lock().unwrap_err(), lock.try_lock().unwrap_err()] {
        assert_eq!(error.code().id(), "sync.reentrant");
        assert_eq!(error.holder().unwrap().location().line(), line);
        assert!(!Error::from(error).is_recoverable());
    }
}

#[test]
fn without_tracking_it_names_nobody_and_still_ends() {
    let lock = TimeoutLock::named("index", ()).without_tracking();
    while_held(&lock, |_| {
        let error = lock.lock_for(SHORT).unwrap_err();
        assert!(matches!(error, SyncError::Timeout { holder: None, .. }), "{error}");
    });
    let _guard = lock.lock().unwrap();
    assert_eq!(lock.lock_for(SHORT).unwrap_err().code().id(), "sync.timeout");
}

#[test]
fn a_wait_ends_when_the_lock_is_given_back() {
    let lock = TimeoutLock::new(0);
    let waits = AtomicBool::new(false);
    thread::scope(|scope| {
        let guard = lock.lock().unwrap();
        let waiter = scope.spawn(|| {
            waits.store(true, Ordering::Release);
            *lock.lock_for(Duration::MAX).unwrap() += 1;
        });
        while !waits.load(Ordering::Acquire) {
            thread::yield_now();
        }
        drop(guard);
        waiter.join().unwrap();
    });
    assert_eq!(lock.into_inner(), 1);
}

#[test]
fn only_one_has_it_at_a_time() {
    let lock = TimeoutLock::named("count", 0_u64);
    let (inside, start) = (AtomicUsize::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..20_000 {
                    let mut count = lock.lock_for(LONG).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                    *count += 1;
                    inside.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(lock.into_inner(), 80_000);
}

#[test]
fn a_panic_gives_the_lock_back_and_is_told() {
    let lock = TimeoutLock::named("index", vec![1]);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = lock.lock().unwrap();
        guard.clear();
        panic!("as a test wants it");
    }));
    assert!(panicked.is_err());
    assert!(lock.had_panic());
    let mut guard = lock.lock().unwrap();
    assert!(guard.is_empty(), "the value is as the panic left it");
    guard.push(2);
    drop(guard);
    lock.clear_panic();
    assert!(!lock.had_panic());
}

#[test]
fn a_guard_that_is_taken_while_a_panic_unwinds_is_no_panic_of_its_own() {
    struct Tidy<'a>(&'a TimeoutLock<u8>);
    impl Drop for Tidy<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = 9;
        }
    }
    let lock = TimeoutLock::new(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _tidy = Tidy(&lock);
        panic!("as a test wants it");
    }));
    assert!(panicked.is_err());
    assert_eq!((lock.had_panic(), *lock.lock().unwrap()), (false, 9));
}

#[test]
fn it_is_shown_without_waiting() {
    let mut lock = TimeoutLock::named("index", 5);
    assert_eq!(format!("{lock:?}"), r#"TimeoutLock { name: "index", value: 5, .. }"#);
    *lock.get_mut() = 6;
    let guard = lock.lock().unwrap();
    assert_eq!(format!("{guard:?}"), "6");
    assert!(format!("{lock:?}").contains("holder: Some("));
    assert_eq!((lock.name(), TimeoutLock::<u8>::default().name()), ("index", "unnamed"));
}
