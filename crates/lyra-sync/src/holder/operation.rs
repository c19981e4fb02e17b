//! In which operation a holder is: the name of the `tracing` span that it was
//! in when it locked.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tracing::Span;

/// The names by the addresses of what describes their spans, which is there
/// once for each place in the source that makes one, for ever.
static NAMES: Mutex<Option<HashMap<usize, &'static str>>> = Mutex::new(None);

thread_local! {
    /// The last one that this thread entered: mostly it is the next one, too.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// An operation as a number, which is all that an error carries; zero is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation(usize);

impl Operation {
    pub(crate) fn name(self) -> Option<&'static str> {
        names(|names| names.get(&self.0).copied())
    }
}

/// Where a lock notes the operation of its holder.
#[derive(Debug, Default)]
pub(crate) struct OperationNote(AtomicUsize);

impl OperationNote {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// The operation that this thread is in.
    pub(crate) fn set(&self) {
        self.0.store(current(), Ordering::Relaxed);
    }

    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Operation {
        Operation(self.0.load(Ordering::Relaxed))
    }
}

fn current() -> usize {
    let Some(metadata) = Span::current().metadata() else { return 0 };
    let address = std::ptr::from_ref(metadata).addr();
    if LAST.replace(address) != address {
        names(|names| names.insert(address, metadata.name()));
    }
    address
}

fn names<R>(with: impl FnOnce(&mut HashMap<usize, &'static str>) -> R) -> R {
    // Nothing panics while it is held.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    with(names.get_or_insert_default())
}
