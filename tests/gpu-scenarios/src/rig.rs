//! The card that the scenarios are played on, and what they are played with.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lyra_gpu::{
    Candidate, CombinedSource, CpuSource, DeviceKind, DeviceSource, GpuError, GpuManager, Grant,
    LoadError, Loaded, MIB, ModelHandle, ModelSpec, Monitor, NvmlSource, Policy, SourceError,
};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::nvml::{Card, NoAnswer};
use crate::report::Broken;
use crate::runner::{Ender, Habit, Runner, RunnerError};
use crate::trace::Trace;

/// Longer than any load takes.
pub const LONG: Duration = Duration::from_secs(60);

/// How long a card may take until what was freed is back.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);

/// Two contexts do not cost quite the same.
const CONTEXTS_DIFFER: u64 = 32 * MIB;

/// A card, and the libraries that it is reached by.
#[derive(Debug)]
pub struct Rig {
    nvml: Option<PathBuf>,
    cuda: Option<PathBuf>,
    /// Read past the crate that is looked at.
    pub card: Arc<Card>,
    /// What names the card.
    pub uuid: String,
    /// All its memory, or its budget.
    pub total: u64,
    budget: Option<u64>,
    /// What was taken before anything began.
    pub before: u64,
    /// What a process costs by its context, and a little more.
    pub context: u64,
}

/// A manager at work.
#[derive(Debug)]
pub struct Stage {
    /// The manager.
    pub gpu: GpuManager,
    monitor: Monitor,
}

/// How a loader behaves, and what it loads.
#[derive(Debug, Default, Clone, Copy)]
pub struct Manner {
    /// How much more is taken than was said, in percent of that.
    pub lies_by: u64,
    /// What its unloader does.
    pub habit: Habit,
    /// Whether it says how much it took.
    pub tells: bool,
}

/// A load that is under way.
pub type Load = Pin<Box<dyn Future<Output = Result<Loaded, LoadError>> + Send>>;

impl Rig {
    /// Finds the card, and what a context on it costs.
    ///
    /// # Errors
    ///
    /// [`Broken`] where there is no card: then there is nothing to play on.
    pub fn new(
        nvml: Option<PathBuf>,
        cuda: Option<PathBuf>,
        index: u32,
        budget: Option<u64>,
    ) -> Result<Self, Broken> {
        let card = Card::open(nvml.as_deref(), index)?;
        let memory = card.memory()?;
        let total = budget.map_or(memory.total, |budget| budget.min(memory.total));
        let (uuid, card) = (card.uuid()?, Arc::new(card));
        let before = memory.taken();
        let mut rig = Self { nvml, cuda, card, uuid, total, budget, before, context: 0 };
        let first = rig.start()?;
        rig.context = rig.taken()?.saturating_sub(before) + CONTEXTS_DIFFER;
        first.end()?;
        let start = Instant::now();
        while rig.taken()? > before + CONTEXTS_DIFFER && start.elapsed() < SETTLES_WITHIN / 5 {
            std::thread::sleep(Duration::from_millis(20)); // tidy: sleep - nothing tells that a card's memory is back
        }
        // A driver that slept before may keep some for itself from now on.
        rig.before = rig.taken()?;
        Ok(rig)
    }

    /// So many percent of the card.
    #[must_use]
    pub fn percent(&self, percent: u64) -> u64 {
        self.total / 100 * percent
    }

    /// What is taken of the card now, whoever has it.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub fn taken(&self) -> Result<u64, NoAnswer> {
        Ok(self.card.memory()?.taken())
    }

    /// Begins to look how full the card is.
    #[must_use]
    pub fn trace(&self) -> Trace {
        Trace::begin(&self.card, self.total)
    }

    /// A manager of this card, with this policy.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub fn stage(&self, policy: Policy) -> Result<Stage, Broken> {
        let source = match &self.nvml {
            Some(library) => NvmlSource::open_at(library)?,
            None => NvmlSource::open()?,
        };
        let sources: [Arc<dyn DeviceSource>; 2] = [Arc::new(source), Arc::new(CpuSource::new())];
        let mut builder = GpuManager::builder(CombinedSource::new(sources)).with_policy(policy);
        if let Some(budget) = self.budget {
            builder = builder.with_budget(self.uuid.as_str(), budget);
        }
        let gpu = builder.build()?;
        let monitor = gpu.start()?;
        Ok(Stage { gpu, monitor })
    }

    /// A model of so many percent of the card, its process included.
    #[must_use]
    pub fn model(&self, name: impl Into<Arc<str>>, percent: u64) -> ModelSpec {
        ModelSpec::new(name).with_candidate(self.candidate(percent))
    }

    /// One way to load a model, named after its percent of the card.
    #[must_use]
    pub fn candidate(&self, percent: u64) -> Candidate {
        Candidate::gpu(format!("{percent} %"), self.percent(percent)).on(self.uuid.as_str())
    }

    /// A process without memory yet, started past any manager. It blocks.
    ///
    /// # Errors
    ///
    /// [`RunnerError`].
    pub fn start(&self) -> Result<Runner, RunnerError> {
        Runner::start(self.cuda.as_deref(), &self.uuid)
    }

    /// A process that has so many percent of the card, its context included.
    ///
    /// # Errors
    ///
    /// [`RunnerError`].
    pub async fn stranger(&self, percent: u64) -> Result<Runner, RunnerError> {
        let bytes = self.percent(percent).saturating_sub(self.context);
        let starting = self.starting();
        blocking(move || {
            let runner = starting()?;
            runner.take(bytes)?;
            Ok(runner)
        })
        .await
    }

    /// What starts a process, wherever that is done.
    pub fn starting(&self) -> impl Fn() -> Result<Runner, RunnerError> + Send + Sync + 'static {
        let (cuda, uuid) = (self.cuda.clone(), self.uuid.clone());
        move || Runner::start(cuda.as_deref(), &uuid)
    }

    /// The library of the CUDA driver, if one was named.
    #[must_use]
    pub fn cuda(&self) -> Option<PathBuf> {
        self.cuda.clone()
    }

    /// Loads what was granted into a process of its own. The handle's value is
    /// the [`Runner`].
    pub fn loader(&self, manner: Manner) -> impl Fn(Grant) -> Load + Send + Sync + 'static {
        let starting = Arc::new(self.starting());
        let (context, uuid) = (self.context, self.uuid.clone());
        move |grant| {
            let granted = grant.shares.iter().find(|(id, _)| id.as_str() == uuid);
            let Some(granted) = granted.map(|(_, bytes)| *bytes) else {
                // On the processor: there is nothing to take of the card.
                return Box::pin(std::future::ready(Ok(Loaded::value(()))));
            };
            let takes = granted + granted / 100 * manner.lies_by;
            let starting = Arc::clone(&starting);
            Box::pin(async move {
                let runner = blocking(move || {
                    let runner = starting()?;
                    runner.take(takes.saturating_sub(context))?;
                    Ok(Arc::new(runner))
                });
                let runner = runner.await?;
                let loaded = Loaded::new(Ender::new(Arc::clone(&runner), manner.habit));
                let loaded = loaded.with_value(runner);
                Ok(if manner.tells { loaded.with_observed(takes) } else { loaded })
            })
        }
    }

    /// Begins to load, and is killed when it has half of what was granted.
    pub fn dying_loader(&self) -> impl Fn(Grant) -> Load + Send + Sync + 'static {
        let starting = Arc::new(self.starting());
        move |grant| {
            let starting = Arc::clone(&starting);
            Box::pin(async move {
                let half = grant.shares.iter().map(|(_, bytes)| bytes / 2).sum();
                let dying = blocking(move || {
                    let runner = starting()?;
                    runner.take(half)?;
                    runner.kill();
                    runner.take(half)
                });
                dying.await?;
                Ok(Loaded::value(()))
            })
        }
    }

    /// Acquires a model, with a loader that does as it says.
    ///
    /// # Errors
    ///
    /// [`GpuError`].
    pub async fn acquire(
        &self,
        stage: &Stage,
        spec: &ModelSpec,
        timeout: Duration,
    ) -> Result<ModelHandle, GpuError> {
        stage.gpu.acquire(spec, timeout, self.loader(Manner::default())).await
    }

    /// Waits until the card is as it was before anything began, but for a
    /// hundredth.
    pub async fn settle(&self) {
        self.settle_with(0).await;
    }

    /// The same where so much stays taken.
    pub async fn settle_with(&self, rest: u64) {
        let start = Instant::now();
        let most = self.before + rest + self.percent(1);
        let is_back = || self.taken().is_ok_and(|taken| taken <= most);
        while !is_back() && start.elapsed() < SETTLES_WITHIN {
            sleep(Duration::from_millis(20)).await; // tidy: sleep - nothing tells that a card's memory is back
        }
    }

    /// What is given to models, and what others have, as the manager counts.
    #[must_use]
    pub fn books(&self, stage: &Stage) -> Books {
        let status = stage.gpu.status();
        let card = status.devices.iter().find(|device| device.id.as_str() == self.uuid);
        card.map(Books::of).unwrap_or_default()
    }
}

/// A card as the manager counts it, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// What is given to models, and not seen to be back.
    pub committed: u64,
    /// Of that, what did not come back.
    pub quarantined: u64,
    /// What others have.
    pub external: u64,
    /// Up to where loads are admitted.
    pub cap: u64,
    /// How much can be admitted now.
    pub headroom: u64,
    /// What was not free by the last reading.
    pub used: u64,
}

impl Books {
    fn of(device: &lyra_gpu::DeviceStatus) -> Self {
        debug_assert_eq!(device.kind, DeviceKind::Gpu, "the rig's card is one");
        Self {
            committed: device.committed,
            quarantined: device.quarantined,
            external: device.external,
            cap: device.cap,
            headroom: device.headroom,
            used: device.used,
        }
    }
}

impl Stage {
    /// Waits until something is so, and says how long that took; none if it
    /// is not so in time.
    pub async fn until(
        &self,
        limit: Duration,
        mut is_so: impl FnMut(&GpuManager) -> bool,
    ) -> Option<Duration> {
        let start = Instant::now();
        while !is_so(&self.gpu) {
            if start.elapsed() >= limit {
                return None;
            }
            sleep(Duration::from_millis(5)).await; // tidy: sleep - a status is looked at, and tells nobody that it changed
        }
        Some(start.elapsed())
    }

    /// Waits for a reading that begins after this.
    ///
    /// # Errors
    ///
    /// [`Broken`], if there is none.
    pub async fn reading(&self) -> Result<(), Broken> {
        // One takes less than that, so it did not begin before.
        let since = self.gpu.age() + Duration::from_millis(50);
        let read =
            |gpu: &GpuManager| gpu.status().devices.iter().all(|device| device.read_at > since);
        let is_read = self.until(LONG, read).await;
        is_read.map(drop).ok_or(Broken::from(SourceError::TimedOut))
    }

    /// Ends the manager; its models end with the last of their owners.
    pub async fn end(self) {
        self.monitor.shutdown(Duration::from_secs(5)).await;
    }
}

/// Does what blocks on a thread for that.
///
/// # Errors
///
/// What it says; [`RunnerError::Gone`] where it panicked.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunnerError> + Send + 'static,
) -> Result<T, RunnerError> {
    spawn_blocking(work).await.unwrap_or(Err(RunnerError::Gone))
}

/// A size in MiB, for people to read.
#[must_use]
pub fn mib(bytes: u64) -> u64 {
    bytes / MIB
}
