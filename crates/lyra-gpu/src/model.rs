use std::sync::Arc;
use std::time::Duration;

use crate::bytes::LARGEST;
use crate::error::{GpuError, InvalidSnafu};
use crate::source::{DeviceId, DeviceKind};

/// A model, and the ways in which it can be loaded, the best first.
///
/// ```
/// use lyra_gpu::{Candidate, GIB, ModelSpec};
///
/// let chat = ModelSpec::new("chat")
///     .with_candidate(Candidate::gpu("q8", 14 * GIB))
///     .with_candidate(Candidate::gpu("q4", 8 * GIB))
///     .with_candidate(Candidate::cpu("q4 on the CPU", 9 * GIB))
///     .with_priority(1);
/// assert_eq!(chat.name(), "chat");
/// ```
#[derive(Debug, Clone)]
pub struct ModelSpec {
    pub(crate) name: Arc<str>,
    pub(crate) candidates: Arc<[Candidate]>,
    pub(crate) priority: i8,
    pub(crate) idle_ttl: Option<Duration>,
    pub(crate) is_pinned: bool,
}

/// One way to load a model: on what, and how much it takes at its peak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub(crate) variant: Arc<str>,
    pub(crate) kind: DeviceKind,
    pub(crate) device: Option<DeviceId>,
    /// What each device has to give; more than one for a split.
    pub(crate) peaks: Vec<u64>,
}

impl ModelSpec {
    /// A model of this name. It needs a [candidate](Self::with_candidate).
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            candidates: Arc::new([]),
            priority: 0,
            idle_ttl: None,
            is_pinned: false,
        }
    }

    /// Another way to load it, of another name, tried when those before it do
    /// not fit.
    #[must_use]
    pub fn with_candidate(mut self, candidate: Candidate) -> Self {
        self.candidates = self.candidates.iter().cloned().chain([candidate]).collect();
        self
    }

    /// How important it is, zero unless it is said: whoever waits for a more
    /// important one is first, and evicts nothing that is more important.
    #[must_use]
    pub fn with_priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// After how long without use it is unloaded; never, unless it is said or
    /// its memory is needed.
    #[must_use]
    pub fn with_idle_ttl(mut self, ttl: Duration) -> Self {
        self.idle_ttl = Some(ttl);
        self
    }

    /// Is never evicted, used or not.
    #[must_use]
    pub fn pinned(mut self) -> Self {
        self.is_pinned = true;
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ways to load it, the best first.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    #[track_caller]
    pub(crate) fn check(&self) -> Result<(), GpuError> {
        if self.name.trim().is_empty() {
            let (reason, given) = ("it has to have a name", format!("{:?}", self.name));
            return InvalidSnafu { setting: "model name", reason, given }.fail();
        }
        if self.candidates.is_empty() {
            let reason = "it has to have one";
            let given = format!("none of `{}`", self.name);
            return InvalidSnafu { setting: "candidates", reason, given }.fail();
        }
        let is_sized = |candidate: &Candidate| {
            let is_there = !candidate.peaks.is_empty();
            is_there && !candidate.peaks.contains(&0) && candidate.bytes() <= LARGEST
        };
        if let Some(unsized_) = self.candidates.iter().find(|candidate| !is_sized(candidate)) {
            let given =
                format!("{:?} in `{}` of `{}`", unsized_.peaks, unsized_.variant, self.name);
            let reason = "it has to be over zero, and 1 PiB in all at most";
            return InvalidSnafu { setting: "size", reason, given }.fail();
        }
        // There are a few, and this is on a hot path: a set would take longer.
        let is_twice = |(at, one): &(usize, &Candidate)| {
            self.candidates[..*at].iter().any(|other| other.variant == one.variant)
        };
        if let Some((_, twice)) = self.candidates.iter().enumerate().find(is_twice) {
            let given = format!("`{}` twice in `{}`", twice.variant, self.name);
            let reason = "each has to have a name of its own";
            return InvalidSnafu { setting: "candidates", reason, given }.fail();
        }
        Ok(())
    }
}

impl Candidate {
    /// On any one GPU, with so many bytes at its peak: weights, caches and
    /// activations together.
    pub fn gpu(variant: impl Into<Arc<str>>, peak: u64) -> Self {
        Self { variant: variant.into(), kind: DeviceKind::Gpu, device: None, peaks: vec![peak] }
    }

    /// On the processor, with so many bytes of memory.
    pub fn cpu(variant: impl Into<Arc<str>>, peak: u64) -> Self {
        Self { variant: variant.into(), kind: DeviceKind::Cpu, device: None, peaks: vec![peak] }
    }

    /// On as many GPUs as there are sizes, with so many bytes of each.
    pub fn split(variant: impl Into<Arc<str>>, peaks: impl Into<Vec<u64>>) -> Self {
        let peaks = peaks.into();
        Self { variant: variant.into(), kind: DeviceKind::Gpu, device: None, peaks }
    }

    /// On this device and no other. A split has no such device.
    #[must_use]
    pub fn on(mut self, device: impl Into<DeviceId>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// Its name among the ways to load the model.
    #[must_use]
    pub fn variant(&self) -> &str {
        &self.variant
    }

    /// What it asks for, for whoever finds no such device.
    pub(crate) fn wanted(&self) -> String {
        match (&self.device, self.kind, self.peaks.len()) {
            (Some(device), DeviceKind::Gpu, 1) => format!("the GPU `{device}`"),
            (Some(device), DeviceKind::Cpu, 1) => format!("the CPU `{device}`"),
            (Some(device), _, parts) => {
                format!("{parts} devices `{device}`, of which there is one")
            }
            (None, DeviceKind::Gpu, 1) => "a GPU".to_owned(),
            (None, DeviceKind::Gpu, parts) => format!("{parts} GPUs at once"),
            (None, DeviceKind::Cpu, _) => "the CPU".to_owned(),
        }
    }

    /// What it takes at its peak, of all devices together, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.peaks.iter().fold(0, |sum: u64, peak| sum.saturating_add(*peak))
    }
}
