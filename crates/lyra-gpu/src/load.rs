//! What a host does on the manager's behalf: load and unload.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::source::DeviceId;

/// What a loader may take: it is reserved until the loader is done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// The model.
    pub model: Arc<str>,
    /// Which of its candidates, counted from zero.
    pub rung: usize,
    /// The name of that candidate.
    pub variant: Arc<str>,
    /// The devices, and how many bytes of each.
    pub shares: Vec<(DeviceId, u64)>,
    /// The name of the first candidate, if this is a lesser one.
    pub instead_of: Option<Arc<str>>,
}

/// What a loader hands back.
pub struct Loaded {
    pub(crate) value: Option<Arc<dyn Any + Send + Sync>>,
    pub(crate) observed: Option<u64>,
    pub(crate) unloader: Arc<dyn Unloader>,
}

/// Why a loader could not load.
#[derive(Debug, Clone)]
pub struct LoadError {
    is_out_of_memory: bool,
    cause: Arc<dyn std::error::Error + Send + Sync>,
}

/// How a model is unloaded.
///
/// The manager asks twice, then [kills](Self::kill), and believes neither: it
/// waits until the device shows the memory as free.
pub trait Unloader: Send + Sync + 'static {
    /// Unloads, within `grace` if possible. Nobody uses the model any more.
    fn unload(&self, grace: Duration) -> Unloading<'_>;

    /// Ends it by force, with its process for instance. It must not block.
    fn kill(&self) {}

    /// The processes that hold its memory, if they are not this one.
    fn pids(&self) -> Vec<u32> {
        Vec::new()
    }
}

/// An unload that is under way.
pub type Unloading<'a> = Pin<Box<dyn Future<Output = Result<(), UnloadError>> + Send + 'a>>;

/// What an unloader says of its failure.
pub type UnloadError = Box<dyn std::error::Error + Send + Sync>;

impl Loaded {
    /// Loaded, and unloaded by this.
    pub fn new(unloader: impl Unloader) -> Self {
        Self { value: None, observed: None, unloader: Arc::new(unloader) }
    }

    /// Loaded into this value, which every handle of the model gives; with it
    /// the model is unloaded, when the last of its owners drops it.
    pub fn value<T: Send + Sync + 'static>(value: T) -> Self {
        Self::new(DropIt).with_value(value)
    }

    /// What every handle of the model gives.
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.value = Some(Arc::new(value));
        self
    }

    /// How many bytes it takes, as the loader saw, of all devices together; no
    /// more counts than its devices have.
    ///
    /// It is worth telling always: what was told is kept in quarantine where it
    /// does not come back, and what was not told has to be guessed.
    #[must_use]
    pub fn with_observed(mut self, bytes: u64) -> Self {
        self.observed = Some(bytes);
        self
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("observed", &self.observed).finish_non_exhaustive()
    }
}

/// There is nothing to do beside dropping the value.
struct DropIt;

impl Unloader for DropIt {
    fn unload(&self, _: Duration) -> Unloading<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl<F, U> Unloader for F
where
    F: Fn() -> U + Send + Sync + 'static,
    U: Future<Output = Result<(), UnloadError>> + Send + 'static,
{
    fn unload(&self, _: Duration) -> Unloading<'_> {
        Box::pin(self())
    }
}

impl LoadError {
    /// It could not be loaded.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { is_out_of_memory: false, cause: Arc::from(cause.into()) }
    }

    /// The device had no memory left, although it was admitted. The manager
    /// makes room and tries once more, then goes on to the next candidate.
    pub fn out_of_memory(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { is_out_of_memory: true, ..Self::new(cause) }
    }

    /// Whether the device had no memory left.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        self.is_out_of_memory
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_out_of_memory {
            true => write!(f, "out of memory: {}", self.cause),
            false => self.cause.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}
