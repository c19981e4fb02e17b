//! Who holds a lock: the thread, and the place in the source where it locked.

#[cfg(feature = "operation")]
mod operation;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use lyra_errors::Location;

use crate::places::Place;

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    thread: Arc<str>,
    location: Location,
    others: usize,
    #[cfg(feature = "operation")]
    operation: operation::Operation,
}

impl Holder {
    /// The name of the thread that locked, or its id where it has none. The
    /// task of an asynchronous lock may run on another one by now.
    #[must_use]
    pub fn thread(&self) -> &str {
        &self.thread
    }

    /// The place in the source where it locked.
    #[must_use]
    pub fn location(&self) -> Location {
        self.location
    }

    /// How many hold it beside this one: readers, or other permits. Where
    /// there are some, this is the one that came last. Once that one has left,
    /// nobody is named, since only the last is noted.
    #[must_use]
    pub fn others(&self) -> usize {
        self.others
    }

    /// The operation in which it locked: the name of the `tracing` span that it
    /// was in, if it was in one that somebody records.
    #[cfg(feature = "operation")]
    #[cfg_attr(docsrs, doc(cfg(feature = "operation")))]
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.operation.name()
    }

    pub(crate) fn with_others(mut self, others: usize) -> Self {
        self.others = others;
        self
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread `{}` since {}", self.thread, self.location)?;
        #[cfg(feature = "operation")]
        if let Some(operation) = self.operation() {
            write!(f, " in `{operation}`")?;
        }
        match self.others {
            0 => Ok(()),
            others => write!(f, ", the latest of {}", others + 1),
        }
    }
}

/// Where a lock notes its holder: two numbers, so that to note it takes two
/// plain stores.
///
/// They are written by the holder alone, and read by others who have waited in
/// vain. Between two holders a reader may see the thread of one and the place
/// of the other; it is told as it is read.
#[derive(Debug, Default)]
pub(crate) struct HolderNote {
    thread: AtomicU64,
    place: AtomicUsize,
    #[cfg(feature = "operation")]
    operation: operation::OperationNote,
}

impl HolderNote {
    pub(crate) const fn new() -> Self {
        Self {
            thread: AtomicU64::new(0),
            place: AtomicUsize::new(0),
            #[cfg(feature = "operation")]
            operation: operation::OperationNote::new(),
        }
    }

    #[inline]
    pub(crate) fn set(&self, location: Location) {
        self.note(this_thread(), location);
        #[cfg(feature = "operation")]
        self.operation.set();
    }

    /// Notes another thread, to which it is handed.
    #[inline]
    pub(crate) fn set_for(&self, thread: u64, location: Location) {
        self.note(thread, location);
        // It says so itself as soon as it runs.
        #[cfg(feature = "operation")]
        self.operation.clear();
    }

    #[inline]
    fn note(&self, thread: u64, location: Location) {
        self.thread.store(thread, Ordering::Relaxed);
        self.place.store(Place::of(location).number(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn clear(&self) {
        self.thread.store(0, Ordering::Relaxed);
    }

    /// Clears what this thread noted for this place, unless another holder
    /// was noted since. One of the same thread and place is not told apart: it
    /// is noted no longer, which is less than could be said, and not wrong.
    #[inline]
    pub(crate) fn clear_of(&self, thread: u64, location: Location) {
        // A place that the table has no room for is read by nobody.
        if self.thread.load(Ordering::Relaxed) == thread
            && self.place.load(Ordering::Relaxed) == std::ptr::from_ref(location).addr()
        {
            self.clear();
        }
    }

    /// Whether this thread noted itself.
    pub(crate) fn is_this_thread(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == this_thread()
    }

    pub(crate) fn read(&self) -> Option<Holder> {
        let thread = name_of(self.thread.load(Ordering::Relaxed))?;
        let location = Place::from_number(self.place.load(Ordering::Relaxed)).location()?;
        Some(Holder {
            thread,
            location,
            others: 0,
            #[cfg(feature = "operation")]
            operation: self.operation.read(),
        })
    }
}

thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
    /// Takes the thread's name out of the table when the thread ends.
    static ENTRY: Cell<Option<Entry>> = const { Cell::new(None) };
}

static NEXT: AtomicU64 = AtomicU64::new(1);
static NAMES: Mutex<Option<HashMap<u64, Arc<str>>>> = Mutex::new(None);

struct Entry(u64);

impl Drop for Entry {
    fn drop(&mut self) {
        names(|names| names.remove(&self.0));
    }
}

/// A number for this thread, never zero, and never given again.
#[inline]
pub(crate) fn this_thread() -> u64 {
    match THREAD.get() {
        0 => enter_thread(),
        number => number,
    }
}

#[cold]
fn enter_thread() -> u64 {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    THREAD.set(number);
    let thread = thread::current();
    let name = thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned);
    // While the thread ends there is nothing left to take it out; then it is
    // not known by name.
    if ENTRY.try_with(|entry| entry.set(Some(Entry(number)))).is_ok() {
        names(|names| names.insert(number, name.into()));
    }
    number
}

/// The name of this thread.
#[cfg(feature = "lock-order")]
pub(crate) fn thread_name() -> Arc<str> {
    name_of(this_thread()).unwrap_or_else(|| "unnamed".into())
}

fn name_of(thread: u64) -> Option<Arc<str>> {
    (thread != 0).then(|| {
        let name = names(|names| names.get(&thread).cloned());
        name.unwrap_or_else(|| "a thread that has ended".into())
    })
}

fn names<R>(with: impl FnOnce(&mut HashMap<u64, Arc<str>>) -> R) -> R {
    // Nothing panics while it is held.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    with(names.get_or_insert_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

    use std::panic::Location;

    use super::*;

    #[test]
    fn a_note_tells_the_thread_and_the_place() {
        let note = HolderNote::new();
        assert_eq!(note.read(), None);
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("miller".into());
            let noted = builder.spawn_scoped(scope, || {
                note.set(Location::caller());
                assert!(note.is_this_thread());
                note.read().unwrap().to_string()
            });
            let noted = noted.unwrap().join().unwrap();
            assert!(noted.starts_with("thread `miller` since ") && noted.contains("holder.rs:"));
        });
        assert!(!note.is_this_thread());
        note.clear();
        assert_eq!(note.read(), None);
    }

    #[test]
    fn the_names_of_threads_that_end_are_forgotten() {
        let number = thread::spawn(this_thread).join().unwrap();
        assert!(names(|names| !names.contains_key(&number)));
    }
}
