use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use lyra::errors::{Error, Result};
use lyra::memstore::{Entry, MemoryError, MemoryStore};

/// How many entries each transaction adds to the journal and to the facts.
const TO_JOURNAL: usize = 3;
const TO_FACTS: usize = 2;

/// How many entries a whole transaction has.
pub(super) const WHOLE: usize = TO_JOURNAL + TO_FACTS;

/// No disk is so slow that three commits take longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Under which key its entries name their transaction.
pub(super) const KEY: &str = "transaction";

/// A thread that commits one transaction after the other, each over two
/// collections, until it is stopped.
pub(super) struct Writer {
    state: Arc<State>,
    thread: JoinHandle<Result<(), MemoryError>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    /// How many transactions, and whether one failed.
    committed: Mutex<(u64, bool)>,
    progress: Condvar,
}

impl Writer {
    pub(super) fn start(store: &MemoryStore) -> Result<Self> {
        let state = Arc::new(State::default());
        let (store, shared) = (store.clone(), Arc::clone(&state));
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || write(&store, &shared))
            .map_err(|error| Error::internal("no thread for the writer").with_source(error))?;
        Ok(Self { state, thread })
    }

    /// Waits until `count` transactions are committed, and tells how many are.
    pub(super) fn wait_for(&self, count: u64) -> Result<u64> {
        let waiting = |committed: &mut (u64, bool)| committed.0 < count && !committed.1;
        let committed = self.state.committed.lock().unwrap_or_else(PoisonError::into_inner);
        let (committed, waited) = self
            .state
            .progress
            .wait_timeout_while(committed, PATIENCE, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Error::concurrency("store", "the writer got no turn to write"));
        }
        Ok(committed.0)
    }

    pub(super) fn committed(&self) -> u64 {
        self.state.committed.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends the thread, and tells how many transactions it committed.
    pub(super) fn stop(self) -> Result<u64> {
        self.state.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(written) => written?,
            Err(_) => return Err(Error::internal("the writer panicked")),
        }
        Ok(self.state.committed.lock().unwrap_or_else(PoisonError::into_inner).0)
    }
}

fn write(store: &MemoryStore, state: &State) -> Result<(), MemoryError> {
    let mut number = 0_i64;
    let mut outcome = Ok(());
    while outcome.is_ok() && !state.stop.load(Ordering::Relaxed) {
        number += 1;
        outcome = commit(store, number);
        let mut committed = state.committed.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => committed.0 = number.unsigned_abs(),
            Err(_) => committed.1 = true,
        }
        state.progress.notify_all();
    }
    outcome
}

fn commit(store: &MemoryStore, number: i64) -> Result<(), MemoryError> {
    store.transaction(|tx| {
        let marked = |entry: Entry, i| {
            entry.with_id(format!("writer-{number}-{i}")).with_metadata(KEY, number)
        };
        let journal: Vec<_> = (0..TO_JOURNAL)
            .map(|i| {
                let content = format!("Line {i} that the writer wrote in transaction {number}.");
                marked(Entry::journal(content, "A line of the writer"), i)
            })
            .collect();
        let facts: Vec<_> = (0..TO_FACTS)
            .map(|i| marked(Entry::fact(format!("Transaction {number} has {WHOLE} entries.")), i))
            .collect();
        tx.add("journal", journal)?;
        tx.add("facts", facts)?;
        Ok(())
    })
}
