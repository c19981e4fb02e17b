//! The thread that writes, and how many transactions become durable at once.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::{fmt, io};

use snafu::{IntoError, ResultExt};
use tokio::sync::{mpsc, oneshot};

use crate::error::{BusySnafu, IoSnafu, MemoryError};
use crate::{MemoryStore, Transaction};

/// Gives work to the thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    path: Arc<Path>,
}

/// So many may wait in the queue; who comes later waits for a place in it.
const QUEUE: usize = 1024;
/// The most transactions of one commit: a bound for how long the first one
/// waits for the last.
const MOST: usize = 256;

impl Writer {
    pub(super) fn start(store: MemoryStore) -> Result<Self, MemoryError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let path: Arc<Path> = store.directory().into();
        thread::Builder::new()
            .name("lyra-memstore".to_owned())
            .spawn(move || write(&store, queue))
            .context(IoSnafu { path: &*path, operation: "start a thread for" })?;
        Ok(Self { jobs, path })
    }

    /// Runs `work` in a transaction, and waits until that is durable.
    pub(super) async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<MemoryError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Task { work: Some(work), done: None, answer });
        // Neither fails but where the thread has panicked itself.
        self.jobs.send(job).await.map_err(|_| self.gone())?;
        match answered.await {
            Ok(Outcome::Done(done)) => done,
            Ok(Outcome::Panicked(panic)) => resume_unwind(panic),
            Err(_) => Err(self.gone().into()),
        }
    }

    fn gone(&self) -> MemoryError {
        let source = io::Error::from(io::ErrorKind::BrokenPipe);
        let operation = "reach the thread that writes to";
        IoSnafu { path: &*self.path, operation }.into_error(source)
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.jobs.max_capacity() - self.jobs.capacity();
        f.debug_struct("Writer").field("waiting", &waiting).finish()
    }
}

/// What one caller wants.
trait Job: Send {
    /// Nobody waits for it any more.
    fn is_given_up(&self) -> bool;
    /// Does it; whether it is to stay done.
    fn work(&mut self, transaction: &mut Transaction<'_>) -> bool;
    /// Tells the caller, with what the commit has met if it failed.
    fn answer(self: Box<Self>, failed: Option<MemoryError>);
}

enum Outcome<T, E> {
    Done(Result<T, E>),
    Panicked(Box<dyn Any + Send>),
}

struct Task<W, T, E> {
    work: Option<W>,
    done: Option<Outcome<T, E>>,
    answer: oneshot::Sender<Outcome<T, E>>,
}

impl<W, T, E> Job for Task<W, T, E>
where
    W: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<MemoryError> + Send,
{
    fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }

    fn work(&mut self, transaction: &mut Transaction<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let done = transaction.part(|part| {
            // What it left half-done is undone, so nobody sees it.
            match catch_unwind(AssertUnwindSafe(|| work(part))) {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(error)) => Err(Outcome::Done(Err(error))),
                Err(panic) => Err(Outcome::Panicked(panic)),
            }
        });
        let done = match done {
            Ok(Ok(done)) => Outcome::Done(Ok(done)),
            Ok(Err(failed)) => failed,
            Err(error) => Outcome::Done(Err(error.into())),
        };
        let stays = matches!(done, Outcome::Done(Ok(_)));
        self.done = Some(done);
        stays
    }

    fn answer(self: Box<Self>, failed: Option<MemoryError>) {
        let outcome = match (self.done, failed) {
            (None | Some(Outcome::Done(Ok(_))), Some(error)) => Outcome::Done(Err(error.into())),
            (Some(done), _) => done,
            (None, None) => return,
        };
        // Whoever has gone does not want to know.
        let _ = self.answer.send(outcome);
    }
}

/// Takes what waits, all at once, until nobody can give more.
fn write(store: &MemoryStore, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < MOST
            && let Ok(next) = queue.try_recv()
        {
            jobs.push(next);
        }
        jobs.retain(|job| !job.is_given_up());
        if !jobs.is_empty() {
            together(store, jobs);
        }
    }
}

/// Several transactions in one: each is undone alone, and all become durable
/// together.
fn together(store: &MemoryStore, mut jobs: Vec<Box<dyn Job>>) {
    let mut transaction = match store.begin() {
        Ok(transaction) => transaction,
        Err(MemoryError::Busy { waited, .. }) => {
            for job in jobs {
                job.answer(Some(BusySnafu { waited }.build()));
            }
            return;
        }
        // No error for all: each sees for itself, which is quick.
        Err(error) => {
            let mut jobs = jobs.into_iter();
            if let Some(first) = jobs.next() {
                first.answer(Some(error));
            }
            for job in jobs {
                together(store, vec![job]);
            }
            return;
        }
    };
    let mut stay = false;
    for job in &mut jobs {
        stay |= job.work(&mut transaction);
    }
    let failed = if stay { transaction.commit().err() } else { None };
    for job in jobs {
        job.answer(failed.as_ref().map(MemoryError::again));
    }
}
