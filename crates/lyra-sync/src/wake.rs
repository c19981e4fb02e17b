//! How to call those who wait: tasks and threads alike.

use std::collections::VecDeque;
use std::task::Waker;
use std::thread::Thread;

/// How to call one.
#[derive(Debug)]
pub(crate) enum Wake {
    Task(Waker),
    Thread(Thread),
}

impl Wake {
    fn wake(self) {
        match self {
            Self::Task(waker) => waker.wake(),
            Self::Thread(thread) => thread.unpark(),
        }
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

/// Those who are called when this is dropped. To wake runs code of others, so
/// it is dropped where no lock is held.
#[derive(Debug, Default)]
#[must_use = "dropped, it calls: not under a lock"]
pub(crate) struct Wakes(VecDeque<Wake>);

impl Wakes {
    pub(crate) fn add(&mut self, wake: Option<Wake>) {
        self.0.extend(wake);
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        /// Goes on where a waker panicked: the others are called all the same.
        struct Rest<'a>(&'a mut VecDeque<Wake>);
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                while let Some(wake) = self.0.pop_front() {
                    wake.wake();
                }
            }
        }
        let rest = Rest(&mut self.0);
        while let Some(wake) = rest.0.pop_front() {
            wake.wake();
        }
    }
}
