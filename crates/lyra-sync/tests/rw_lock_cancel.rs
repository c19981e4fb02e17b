//! Whoever gives up a wait for the read-write lock, at whatever moment, leaves
//! no trace: nobody is kept out, and nobody misses a call.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lyra_sync::{AsyncRwLock, AsyncRwLockWriteGuard};
use tokio::task::yield_now;

const LONG: Duration = Duration::from_secs(3_600);
const NEVER: usize = usize::MAX;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many read and how many write, to see that it is never both.
#[derive(Default)]
struct Inside {
    readers: Cell<u32>,
    upgradable: Cell<u32>,
    writers: Cell<u32>,
}

struct Stay<'a>(&'a Cell<u32>);

impl<'a> Stay<'a> {
    fn new(inside: &'a Inside, count: &'a Cell<u32>) -> Self {
        count.set(count.get() + 1);
        let (readers, writers) = (inside.readers.get(), inside.writers.get());
        let upgradable = inside.upgradable.get();
        assert!(writers == 0 || readers + upgradable == 0, "a writer is alone");
        assert!(writers <= 1 && upgradable <= 1);
        Self(count)
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_handed_over_in_the_very_moment_of_the_timeout_is_taken() {
    /// As a task that has the lock, and is dropped with its last waker.
    struct Holds(
        #[allow(dead_code, reason = "it is given back")] AsyncRwLockWriteGuard<'static, ()>,
    );
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    static LOCK: AsyncRwLock<()> = AsyncRwLock::new(());
    let timeout = Duration::from_millis(30);
    let holds = Waker::from(Arc::new(Holds(LOCK.try_write().unwrap())));
    let mut wait = Box::pin(LOCK.write(timeout));
    assert!(wait.as_mut().poll(&mut Context::from_waker(&holds)).is_pending());
    drop(holds);
    tokio::time::advance(timeout * 2).await;
    // It looks in vain, and forgets the old waker; then its time is up.
    let polled = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(_))));
    drop(polled);
    assert!(!LOCK.is_locked());
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Read,
    Write,
    Upgrade,
}

async fn visit(lock: Rc<AsyncRwLock<()>>, inside: Rc<Inside>, kind: Kind) {
    match kind {
        Kind::Read => {
            let _guard = lock.read(LONG).await.unwrap();
            let _stay = Stay::new(&inside, &inside.readers);
            yield_now().await;
        }
        Kind::Write => {
            let _guard = lock.write(LONG).await.unwrap();
            let _stay = Stay::new(&inside, &inside.writers);
            yield_now().await;
        }
        Kind::Upgrade => {
            let guard = lock.upgradable_read(LONG).await.unwrap();
            let stay = Stay::new(&inside, &inside.upgradable);
            yield_now().await;
            drop(stay);
            let _guard = guard.upgrade(LONG).await.unwrap();
            let _stay = Stay::new(&inside, &inside.writers);
            yield_now().await;
        }
    }
}

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    flag: Arc<Flag>,
    polls: usize,
}

/// Runs tasks that are dropped after so many polls: at once, or when they are
/// called next and would be polled again. Only who is called is polled.
fn run(kinds: &[Kind], drops: &[usize], is_late: bool, is_reversed: bool) {
    let lock = Rc::new(AsyncRwLock::new(()));
    let inside = Rc::new(Inside::default());
    let mut tasks: Vec<Task> = kinds
        .iter()
        .map(|kind| Task {
            future: Some(Box::pin(visit(Rc::clone(&lock), Rc::clone(&inside), *kind))),
            flag: Arc::new(Flag(AtomicBool::new(true))),
            polls: 0,
        })
        .collect();
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    loop {
        let is_called = |index: &&usize| tasks[**index].flag.0.swap(false, Ordering::Relaxed);
        let Some(index) = order.iter().find(is_called).copied() else { break };
        let task = &mut tasks[index];
        let Some(future) = &mut task.future else { continue };
        if task.polls < drops[index] {
            let waker = Waker::from(Arc::clone(&task.flag));
            let is_done = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            task.polls += 1;
            let is_dropped = !is_late && task.polls == drops[index];
            if is_done || is_dropped {
                task.future = None;
            }
        } else {
            task.future = None;
        }
        if is_reversed {
            order.rotate_left(1);
        }
    }
    let story = || format!("{kinds:?} dropped after {drops:?} polls, {is_late} {is_reversed}");
    // Who is to be dropped late, and was never called again, is dropped now.
    for index in 0..tasks.len() {
        let task = &mut tasks[index];
        if task.future.is_some() && task.polls == drops[index] {
            task.future = None;
            // All who are called by it run to their end.
            while let Some(task) = tasks
                .iter_mut()
                .find(|t| t.future.is_some() && t.flag.0.swap(false, Ordering::Relaxed))
            {
                let waker = Waker::from(Arc::clone(&task.flag));
                let future = task.future.as_mut().unwrap();
                if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    task.future = None;
                }
            }
        }
    }
    assert!(tasks.iter().all(|task| task.future.is_none()), "somebody was not called: {}", story());
    let status = lock.status();
    let waiting = status.waiting_readers + status.waiting_writers;
    assert_eq!((status.readers, status.is_writing, waiting), (0, false, 0), "{}", story());
    assert!(lock.try_write().is_ok(), "{}", story());
}

/// All lists of this length with these entries.
fn all_lists<T: Clone>(length: usize, entries: &[T]) -> Vec<Vec<T>> {
    (0..length).fold(vec![Vec::new()], |lists, _| {
        let longer =
            |list: &Vec<T>, entry: &T| [list.as_slice(), std::slice::from_ref(entry)].concat();
        lists.iter().flat_map(|list| entries.iter().map(|e| longer(list, e))).collect()
    })
}

fn run_all(length: usize, drops: &[usize]) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let kinds = all_lists(length, &[Kind::Read, Kind::Write, Kind::Upgrade]);
    let drops = all_lists(length, drops);
    for (kinds, drops) in kinds.iter().flat_map(|k| drops.iter().map(move |d| (k, d))) {
        for (is_late, is_reversed) in [(false, false), (false, true), (true, false), (true, true)] {
            run(kinds, drops, is_late, is_reversed);
        }
    }
    kinds.len() * drops.len() * 4
}

#[test]
fn up_to_three_tasks_dropped_at_any_polls_leave_no_trace() {
    // Nobody is polled more than five times.
    let drops = [0, 1, 2, 3, 4, 5, NEVER];
    let runs: usize = (1..=3).map(|length| run_all(length, &drops)).sum();
    assert_eq!(runs, 4 * (3 * 7 + 9 * 49 + 27 * 343));
}

#[test]
fn four_tasks_dropped_at_any_polls_leave_no_trace() {
    // One that is never polled is as good as none: that is three tasks.
    assert_eq!(run_all(4, &[1, 2, 3, 4, 5, NEVER]), 4 * 81 * 1_296);
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_always_works() {
    let lock = AsyncRwLock::new(());
    let held = lock.try_write().unwrap();
    let second = Duration::from_secs(1);
    assert!(tokio::time::timeout(second, lock.read(LONG)).await.is_err());
    assert!(tokio::time::timeout(second, lock.write(LONG)).await.is_err());
    let status = lock.status();
    assert_eq!((status.waiting_readers, status.waiting_writers), (0, 0));
    drop(held);
    drop(lock.try_write().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_ends_takes_its_waiters_along() {
    let lock = Arc::new(AsyncRwLock::new(()));
    let held = lock.try_read().unwrap();
    let other = Arc::clone(&lock);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (one, two) = (Arc::clone(&other), Arc::clone(&other));
        runtime.spawn(async move { one.write(LONG).await.map(drop) });
        runtime.spawn(async move { two.read(LONG).await.map(drop) });
        runtime.block_on(yield_now());
        assert_eq!((other.status().waiting_writers, other.status().waiting_readers), (1, 1));
    })
    .join()
    .unwrap();
    assert_eq!((lock.status().waiting_writers, lock.status().waiting_readers), (0, 0));
    drop(lock.try_read().unwrap());
    drop(held);
    drop(lock.try_write().unwrap());
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_called() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("as a test wants it");
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let lock = AsyncRwLock::new(());
    let held = lock.try_write().unwrap();
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let (bad, good) = (Waker::from(Arc::new(Bad)), Waker::from(Arc::clone(&flag)));
    let (mut one, mut two) = (Box::pin(lock.read(LONG)), Box::pin(lock.read(LONG)));
    assert!(one.as_mut().poll(&mut Context::from_waker(&bad)).is_pending());
    assert!(two.as_mut().poll(&mut Context::from_waker(&good)).is_pending());
    drop(held);
    assert!(flag.0.load(Ordering::Relaxed));
    assert!(matches!(two.as_mut().poll(&mut Context::from_waker(&good)), Poll::Ready(Ok(_))));
    drop((one, two));
    drop(lock.try_write().unwrap());
}

#[test]
fn a_waker_whose_drop_gives_the_lock_back_does_not_hang() {
    // As a task does that is dropped with its last waker.
    struct Holds {
        _guard: lyra_sync::AsyncRwLockReadGuard<'static, ()>,
    }
    impl Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let lock: &'static AsyncRwLock<()> = Box::leak(Box::new(AsyncRwLock::new(())));
    let _guard = lock.try_read().unwrap();
    let mut wait = Box::pin(lock.write(LONG));
    let holds = Waker::from(Arc::new(Holds { _guard }));
    assert!(wait.as_mut().poll(&mut Context::from_waker(&holds)).is_pending());
    drop(holds);
    // Another waker replaces the first, whose drop lets the writer in.
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&flag));
    let _ = wait.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(flag.0.load(Ordering::Relaxed), "it is called");
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}
