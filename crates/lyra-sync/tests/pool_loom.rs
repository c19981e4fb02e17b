//! The hot place of the pool under loom: all interleavings of two and three
//! threads, up to a number of preemptions, as the C11 memory model allows them.
//!
//! It sees the place and the line beside it: that nobody has what somebody else
//! has, that whoever waits is called, and that nothing stays in a closed pool.
//! The pool around it is as small as can be; `pool_shuttle.rs` tries the real
//! one at random.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "../src/pool/hot.rs"]
mod hot;

use std::collections::VecDeque;

use hot::HotPlace;
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread::{self, Thread, ThreadId};

/// What the hot place stands on, of loom's.
mod atomics {
    use std::collections::HashMap;
    use std::sync::{Mutex, PoisonError};

    use loom::sync::atomic::AtomicUsize;
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};

    /// Loom's atomics hold numbers: so a number is swapped, with the ordering
    /// that crossbeam's has, and the values stand beside it.
    pub(crate) struct AtomicCell<T> {
        number: AtomicUsize,
        values: Mutex<(usize, HashMap<usize, T>)>,
    }

    impl<T> AtomicCell<T> {
        pub(crate) fn new(value: T) -> Self {
            let values = Mutex::new((0, HashMap::from([(0, value)])));
            Self { number: AtomicUsize::new(0), values }
        }

        pub(crate) fn swap(&self, value: T) -> T {
            let new = self.values(|(last, values)| {
                *last += 1;
                values.insert(*last, value);
                *last
            });
            let old = self.number.swap(new, Ordering::AcqRel);
            self.values(|(_, values)| values.remove(&old).unwrap())
        }

        pub(crate) fn take(&self) -> T
        where
            T: Default,
        {
            self.swap(T::default())
        }

        fn values<R>(&self, with: impl FnOnce(&mut (usize, HashMap<usize, T>)) -> R) -> R {
            with(&mut self.values.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

/// A resource: loom tells of each use that races with another.
struct Thing(UnsafeCell<()>);

#[allow(unsafe_code, reason = "whether it is handed over in order is what is tried here")]
// SAFETY: loom's cell finds races, it does not make any; and there is nothing
// in it.
unsafe impl Send for Thing {}

#[derive(Default)]
struct Line {
    idle: Vec<Thing>,
    waiting: VecDeque<Thread>,
    granted: Vec<(ThreadId, Thing)>,
    is_closed: bool,
    destroyed: usize,
}

/// The pool's ways, with as little around them as can be.
struct Pool {
    hot: HotPlace<Thing>,
    line: Mutex<Line>,
}

impl Line {
    /// Gives out who is to be called, when the lock is free.
    fn put(&mut self, thing: Thing) -> Option<Thread> {
        if self.is_closed {
            self.destroyed += 1;
            return None;
        }
        let waiter = self.waiting.pop_front();
        match &waiter {
            Some(waiter) => self.granted.push((waiter.id(), thing)),
            None => self.idle.push(thing),
        }
        waiter
    }
}

impl Pool {
    fn new(things: usize) -> Self {
        let pool = Self { hot: HotPlace::new(true), line: Mutex::default() };
        (0..things).for_each(|_| pool.put_locked(Thing(UnsafeCell::new(()))));
        // Where the lock was not taken since, the last one is there.
        let thing = pool.line.lock().unwrap().idle.pop().unwrap();
        pool.put(thing);
        pool
    }

    fn take(&self) -> Option<Thing> {
        if let Some(thing) = self.hot.take() {
            return Some(thing);
        }
        let mut line = self.line.lock().unwrap();
        if line.is_closed {
            return None;
        }
        let wake = self.hot.shut().and_then(|thing| line.put(thing));
        let idle = line.idle.pop();
        if idle.is_none() {
            line.waiting.push_back(thread::current());
        }
        drop(line);
        wake.into_iter().for_each(|waiter| waiter.unpark());
        if idle.is_some() {
            return idle;
        }
        loop {
            let mut line = self.line.lock().unwrap();
            let me = |(id, _): &(ThreadId, Thing)| *id == thread::current().id();
            if let Some(index) = line.granted.iter().position(me) {
                return Some(line.granted.remove(index).1);
            }
            if line.is_closed {
                return None;
            }
            drop(line);
            thread::park();
        }
    }

    fn put(&self, thing: Thing) {
        if self.hot.is_shut() {
            return self.put_locked(thing);
        }
        let (displaced, again) = self.hot.put(thing);
        displaced.into_iter().chain(again).for_each(|thing| self.put_locked(thing));
    }

    fn put_locked(&self, thing: Thing) {
        let mut line = self.line.lock().unwrap();
        let wake = line.put(thing);
        if !line.is_closed && line.waiting.is_empty() {
            self.hot.open();
        }
        drop(line);
        wake.into_iter().for_each(|waiter| waiter.unpark());
    }

    fn close(&self) {
        let mut line = self.line.lock().unwrap();
        line.is_closed = true;
        line.destroyed += line.idle.drain(..).count() + self.hot.shut().into_iter().count();
        let waiting = std::mem::take(&mut line.waiting);
        drop(line);
        waiting.into_iter().for_each(|waiter| waiter.unpark());
    }

    fn visit(&self) {
        if let Some(thing) = self.take() {
            thing.0.with_mut(|_| thread::yield_now());
            self.put(thing);
        }
    }
}

fn try_all(things: usize, others: usize, visits: usize, closes: bool) {
    let mut model = loom::model::Builder::new();
    // `cargo xtask soak` tries more.
    model.preemption_bound = Some(if std::env::var_os("LYRA_SOAK").is_some() { 3 } else { 2 });
    model.max_branches = 100_000;
    model.check(move || {
        let pool = Arc::new(Pool::new(things));
        let others: Vec<_> = (0..others)
            .map(|_| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || (0..visits).for_each(|_| pool.visit()))
            })
            .collect();
        match closes {
            true => pool.close(),
            false => (0..visits).for_each(|_| pool.visit()),
        }
        others.into_iter().for_each(|other| other.join().unwrap());
        let mut line = pool.line.lock().unwrap();
        assert!(line.waiting.is_empty());
        let hot = pool.hot.shut();
        assert!(!closes || hot.is_none(), "it stayed in a closed pool");
        let left = line.idle.drain(..).chain(hot).count();
        assert_eq!(left + line.destroyed, things, "one was lost");
    });
}

#[test]
fn two_threads_take_turns_and_both_come_through() {
    try_all(1, 1, 2, false);
    try_all(2, 1, 2, false);
}

#[test]
fn three_threads_take_turns_and_all_come_through() {
    try_all(1, 2, 1, false);
    try_all(2, 2, 1, false);
}

#[test]
fn nothing_stays_in_a_closed_pool() {
    try_all(1, 1, 2, true);
    try_all(2, 2, 1, true);
}
