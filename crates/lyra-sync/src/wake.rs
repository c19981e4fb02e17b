//! How to call those who wait: tasks and threads alike.

use std::any::Any;
use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use crate::atomics::thread::Thread;

/// How to call one.
#[derive(Debug)]
pub(crate) enum Wake {
    Task(Waker),
    Thread(Thread),
}

impl Wake {
    /// Runs code of others, as to drop one does: under no lock. A panic in it
    /// is no matter of whoever calls, and keeps nobody else from being called.
    pub(crate) fn call(self) {
        quietly(|| match self {
            Self::Task(waker) => waker.wake(),
            Self::Thread(thread) => thread.unpark(),
        });
    }

    /// Whether both call the same one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Task(a), Self::Task(b)) => a.will_wake(b),
            (Self::Thread(a), Self::Thread(b)) => a.id() == b.id(),
            _ => false,
        }
    }
}

/// Those who are called when this is dropped, and calls that are only to be
/// dropped. Both run code of others, so this is dropped where no lock is held.
#[derive(Debug, Default)]
#[must_use = "dropped, it calls: not under a lock"]
pub(crate) struct Wakes {
    calls: VecDeque<Wake>,
    stale: Option<Wake>,
}

impl Wakes {
    pub(crate) fn add(&mut self, wake: impl IntoIterator<Item = Wake>) {
        self.calls.extend(wake);
    }

    /// Nobody is called with it any more.
    pub(crate) fn discard(&mut self, wake: Option<Wake>) {
        debug_assert!(self.stale.is_none(), "one waiter leaves at a time");
        self.stale = wake;
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        mem::take(&mut self.calls).into_iter().for_each(Wake::call);
        discard(self.stale.take());
    }
}

/// Drops a call that is not to be made.
pub(crate) fn discard(wake: Option<Wake>) {
    quietly(|| drop(wake));
}

/// Runs what may panic, and goes on.
pub(crate) fn quietly(run: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
        bury(panic);
    }
}

/// Drops what a panic carried, which may panic in turn; what that one carries
/// is left alone.
pub(crate) fn bury(panic: Box<dyn Any + Send>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(panic);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Panics when it is called or dropped; the panic carries another one.
    struct Fragile(Arc<AtomicUsize>);

    struct Worse;

    impl Drop for Worse {
        fn drop(&mut self) {
            panic!("as a test wants it");
        }
    }

    impl std::task::Wake for Fragile {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Drop for Fragile {
        fn drop(&mut self) {
            std::panic::panic_any(Worse);
        }
    }

    #[test]
    fn wakers_that_panic_harm_neither_the_others_nor_who_calls() {
        let called = Arc::<AtomicUsize>::default();
        let fragile = || Wake::Task(Waker::from(Arc::new(Fragile(Arc::clone(&called)))));
        let mut wakes = Wakes::default();
        wakes.add([fragile(), fragile()]);
        wakes.discard(Some(fragile()));
        drop(wakes);
        discard(Some(fragile()));
        assert_eq!(called.load(Ordering::SeqCst), 2);
    }
}
