//! How far an operation is, told to whoever asked.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::error::{CancelledSnafu, Result};

/// What an operation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Reading the source and writing the archive.
    Write,
    /// Reading an archive and checking every byte.
    Verify,
    /// Writing the files of a restore beside the target.
    Stage,
}

/// How far an operation is. Totals are those known at its start.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// What is being done.
    pub phase: Phase,
    /// The member at hand, relative to the root of the tree.
    pub path: &'a Path,
    /// Members finished.
    pub members_done: u64,
    /// Members in all.
    pub members_total: u64,
    /// Bytes of file content finished.
    pub bytes_done: u64,
    /// Bytes of file content in all.
    pub bytes_total: u64,
}

type Callback = dyn Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync;

/// The caller's callback, or none.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<Callback>>);

impl Observer {
    pub(crate) fn new(
        callback: impl Fn(&Progress<'_>) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(callback)))
    }

    pub(crate) fn counter(&self, phase: Phase, members_total: u64, bytes_total: u64) -> Counter {
        Counter {
            observer: self.clone(),
            phase,
            members: (0, members_total),
            bytes: (0, bytes_total),
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "set" } else { "none" })
    }
}

/// Counts for one phase and asks the callback whether to go on.
#[derive(Debug)]
pub(crate) struct Counter {
    observer: Observer,
    phase: Phase,
    members: (u64, u64),
    bytes: (u64, u64),
}

impl Counter {
    pub(crate) fn bytes(&mut self, path: &Path, count: usize) -> Result<()> {
        self.bytes.0 += count as u64;
        self.tell(path)
    }

    pub(crate) fn member(&mut self, path: &Path) -> Result<()> {
        self.members.0 += 1;
        self.tell(path)
    }

    fn tell(&self, path: &Path) -> Result<()> {
        let Some(callback) = &self.observer.0 else {
            return Ok(());
        };
        let progress = Progress {
            phase: self.phase,
            path,
            members_done: self.members.0,
            members_total: self.members.1,
            bytes_done: self.bytes.0,
            bytes_total: self.bytes.1,
        };
        match callback(&progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => CancelledSnafu.fail(),
        }
    }
}
