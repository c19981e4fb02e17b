//! The seam `src/atomics.rs`, of shuttle's: others may run before each use of
//! an atomic or a mutex, and wherever a thread is parked or called.

use std::ops::Deref;
use std::time::Duration;

pub(crate) use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use parking_lot::MutexGuard;

pub(crate) use super::tokio::time::Instant;

/// Others may run here. Outside of shuttle, where the unit tests are that come
/// with the sources, it does nothing.
pub(crate) fn switch() {
    if shuttle::current::try_get_current_task().is_some() {
        shuttle::thread::sleep(Duration::ZERO); // tidy: sleep - shuttle's only lets others run
    }
}

#[derive(Debug)]
pub(crate) struct AtomicUsize(std::sync::atomic::AtomicUsize);

impl AtomicUsize {
    pub(crate) const fn new(value: usize) -> Self {
        Self(std::sync::atomic::AtomicUsize::new(value))
    }
}

impl Deref for AtomicUsize {
    type Target = std::sync::atomic::AtomicUsize;

    fn deref(&self) -> &Self::Target {
        switch();
        &self.0
    }
}

/// Others may run before and after each use: between what is swapped and the
/// look at what is said beside it.
pub(crate) struct AtomicCell<T>(crossbeam_utils::atomic::AtomicCell<T>);

impl<T> AtomicCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(crossbeam_utils::atomic::AtomicCell::new(value))
    }

    pub(crate) fn swap(&self, value: T) -> T {
        switch();
        let swapped = self.0.swap(value);
        switch();
        swapped
    }
}

impl<T: Default> AtomicCell<T> {
    pub(crate) fn take(&self) -> T {
        self.swap(T::default())
    }
}

/// Not shuttle's own: who waited for that one within a poll would forget that
/// it was called meanwhile.
#[derive(Debug)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        loop {
            switch();
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
        }
    }
}

/// Threads, that are not woken unless they are called: to wake by itself, as
/// the standard library allows and shuttle does, would hide that a call was
/// lost.
pub(crate) mod thread {
    use std::future::poll_fn;
    use std::mem::replace;
    use std::task::{Poll, Waker};
    use std::time::Duration;

    use shuttle::future::block_on;

    use super::super::tokio::time::{Instant, call_at};

    #[derive(Debug)]
    pub(crate) struct Thread(Waker);

    impl Thread {
        pub(crate) fn id(&self) -> *const () {
            self.0.data()
        }

        pub(crate) fn unpark(&self) {
            super::switch();
            self.0.wake_by_ref();
        }
    }

    pub(crate) fn current() -> Thread {
        block_on(poll_fn(|context| Poll::Ready(Thread(context.waker().clone()))))
    }

    pub(crate) fn park_timeout(timeout: Duration) {
        let until = Instant::now() + timeout;
        let mut is_first = true;
        // Shuttle does not sleep if the waker was called before: a token, as
        // the standard library has it.
        block_on(poll_fn(|context| match replace(&mut is_first, false) {
            true => {
                call_at(until, context.waker());
                Poll::Pending
            }
            false => Poll::Ready(()),
        }));
    }
}
