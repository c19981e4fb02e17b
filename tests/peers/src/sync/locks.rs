//! Read-write locks behind one face, so that each is put to the same test.

use std::pin::Pin;
use std::sync::Arc;

use lyra_sync::AsyncRwLock;

use super::TIMEOUT;
use crate::harness::Figure;

/// Whoever has it holds the lock.
pub(super) type Held<'a> = Box<dyn Send + 'a>;

/// Boxed: waits last milliseconds here, and nobody measures their call.
pub(super) type Wait<'a> = Pin<Box<dyn Future<Output = Held<'a>> + Send + 'a>>;

pub(super) trait Lock: Send + Sync {
    fn read(&self) -> Wait<'_>;

    fn write(&self) -> Wait<'_>;
}

pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) is_ours: bool,
    pub(super) lock: fn() -> Arc<dyn Lock>,
}

impl Contender {
    pub(super) fn figure(&self, value: f64) -> Figure {
        Figure { name: self.name, is_ours: self.is_ours, value }
    }
}

pub(super) fn all() -> [Contender; 3] {
    [
        Contender {
            name: "ours",
            is_ours: true,
            lock: || Arc::new(AsyncRwLock::named("peers", 0_u64)),
        },
        Contender {
            name: "tokio RwLock",
            is_ours: false,
            lock: || Arc::new(tokio::sync::RwLock::new(0_u64)),
        },
        Contender {
            name: "async-lock",
            is_ours: false,
            lock: || Arc::new(async_lock::RwLock::new(0_u64)),
        },
    ]
}

impl Lock for AsyncRwLock<u64> {
    fn read(&self) -> Wait<'_> {
        Box::pin(async {
            let guard = Self::read(self, TIMEOUT).await;
            Box::new(guard.expect("a read waits for 8 writers at most")) as Held<'_>
        })
    }

    fn write(&self) -> Wait<'_> {
        Box::pin(async {
            let guard = Self::write(self, TIMEOUT).await;
            Box::new(guard.expect("writers are served in turn")) as Held<'_>
        })
    }
}

impl Lock for tokio::sync::RwLock<u64> {
    fn read(&self) -> Wait<'_> {
        Box::pin(async { Box::new(Self::read(self).await) as Held<'_> })
    }

    fn write(&self) -> Wait<'_> {
        Box::pin(async { Box::new(Self::write(self).await) as Held<'_> })
    }
}

impl Lock for async_lock::RwLock<u64> {
    fn read(&self) -> Wait<'_> {
        Box::pin(async { Box::new(Self::read(self).await) as Held<'_> })
    }

    fn write(&self) -> Wait<'_> {
        Box::pin(async { Box::new(Self::write(self).await) as Held<'_> })
    }
}
