use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::source::{
    DeviceId, DeviceInfo, DeviceKind, DeviceSource, MemoryReading, ProcessMemory, SourceError,
};

/// Devices that are not there: what a host's own tests run on, and programs
/// on a machine without a GPU that want to be shown one.
///
/// Memory is [taken](Self::take) and comes back when its guard is dropped, at
/// once or after a [lag](Self::set_lag), whole or [in part](Self::set_leak).
/// Strangers take some, devices fail. All clones are the same devices. Times
/// are those of tokio's clock, which a test can pause.
///
/// ```
/// use lyra_gpu::{DeviceSource, GIB, SimSource};
///
/// let sim = SimSource::new().with_gpu("sim-0", 24 * GIB);
/// let model = sim.take("sim-0", 8 * GIB).unwrap();
/// sim.set_stranger("sim-0", 4 * GIB);
/// assert_eq!(sim.memory(&"sim-0".into()).unwrap().free, 12 * GIB);
/// assert!(sim.take("sim-0", 13 * GIB).is_err(), "out of memory");
/// drop(model);
/// assert_eq!(sim.memory(&"sim-0".into()).unwrap().free, 20 * GIB);
/// assert_eq!(sim.peak("sim-0"), 12 * GIB);
/// ```
#[derive(Debug, Default, Clone)]
pub struct SimSource(Arc<Mutex<Vec<Card>>>);

/// Memory of a simulated device; dropped, it comes back.
#[derive(Debug)]
#[must_use = "dropped, it comes back at once"]
pub struct SimMemory {
    source: SimSource,
    device: DeviceId,
    bytes: u64,
    pid: Option<u32>,
}

/// A simulated device has no such memory left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimOutOfMemory {
    /// What was asked for, in bytes.
    pub asked: u64,
    /// What was free, in bytes.
    pub free: u64,
}

#[derive(Debug)]
struct Card {
    info: DeviceInfo,
    total: u64,
    stranger: u64,
    /// Who took how much.
    taken: Vec<(Option<u32>, u64)>,
    /// What comes back, and when.
    returning: Vec<(Instant, u64)>,
    /// What never comes back.
    leaked: u64,
    lag: Duration,
    leak_percent: u8,
    fault: Option<SourceError>,
    tells_processes: bool,
    peak: u64,
    out_of_memory: u64,
}

impl SimSource {
    /// No devices yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A GPU with so many bytes.
    #[must_use]
    pub fn with_gpu(self, id: impl Into<DeviceId>, total: u64) -> Self {
        self.with(id.into(), "simulated GPU", DeviceKind::Gpu, total)
    }

    /// The processor, with so many bytes of memory.
    #[must_use]
    pub fn with_cpu(self, total: u64) -> Self {
        self.with("cpu".into(), "simulated CPU", DeviceKind::Cpu, total)
    }

    fn with(self, id: DeviceId, name: &str, kind: DeviceKind, total: u64) -> Self {
        self.cards(|cards| {
            let index = u32::try_from(cards.len()).unwrap_or(u32::MAX);
            cards.push(Card {
                info: DeviceInfo::new(id, index, name, kind),
                total,
                stranger: 0,
                taken: Vec::new(),
                returning: Vec::new(),
                leaked: 0,
                lag: Duration::ZERO,
                leak_percent: 0,
                fault: None,
                tells_processes: false,
                peak: 0,
                out_of_memory: 0,
            });
        });
        self
    }

    /// Takes memory of a device, as a model does that is loaded.
    ///
    /// # Errors
    ///
    /// [`SimOutOfMemory`], which is counted.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn take(
        &self,
        device: impl Into<DeviceId>,
        bytes: u64,
    ) -> Result<SimMemory, SimOutOfMemory> {
        self.take_for(None, device.into(), bytes)
    }

    /// Takes memory as another process does; its number shows in
    /// [`processes`](DeviceSource::processes) if the device
    /// [tells](Self::set_tells_processes) them.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    ///
    /// # Panics
    ///
    /// As [`take`](Self::take).
    pub fn take_as(
        &self,
        pid: u32,
        device: impl Into<DeviceId>,
        bytes: u64,
    ) -> Result<SimMemory, SimOutOfMemory> {
        self.take_for(Some(pid), device.into(), bytes)
    }

    fn take_for(
        &self,
        pid: Option<u32>,
        device: DeviceId,
        bytes: u64,
    ) -> Result<SimMemory, SimOutOfMemory> {
        self.card(&device, |card| {
            let free = card.free();
            if bytes > free {
                card.out_of_memory += 1;
                return Err(SimOutOfMemory { asked: bytes, free });
            }
            card.taken.push((pid, bytes));
            card.note_peak();
            Ok(())
        })?;
        Ok(SimMemory { source: self.clone(), device, bytes, pid })
    }

    /// What strangers have of a device from now on; no more than is there.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn set_stranger(&self, device: impl Into<DeviceId>, bytes: u64) {
        self.card(&device.into(), |card| {
            card.stranger = 0;
            card.stranger = bytes.min(card.free());
            card.note_peak();
        });
    }

    /// How long memory takes to come back from now on.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn set_lag(&self, device: impl Into<DeviceId>, lag: Duration) {
        self.card(&device.into(), |card| card.lag = lag);
    }

    /// How much of what is given back never comes back, in percent.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn set_leak(&self, device: impl Into<DeviceId>, percent: u8) {
        self.card(&device.into(), |card| card.leak_percent = percent.min(100));
    }

    /// What had not come back does so now.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn return_leaked(&self, device: impl Into<DeviceId>) {
        self.card(&device.into(), |card| card.leaked = 0);
    }

    /// What the device answers instead of its memory; none, and it works.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn set_fault(&self, device: impl Into<DeviceId>, fault: Option<SourceError>) {
        self.card(&device.into(), |card| card.fault = fault);
    }

    /// Whether the device tells which process has what.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn set_tells_processes(&self, device: impl Into<DeviceId>, tells: bool) {
        self.card(&device.into(), |card| card.tells_processes = tells);
    }

    /// The most that was ever in use of a device, in bytes.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    #[must_use]
    pub fn peak(&self, device: impl Into<DeviceId>) -> u64 {
        self.card(&device.into(), |card| card.peak)
    }

    /// How often memory was asked for that was not there.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    #[must_use]
    pub fn out_of_memory(&self, device: impl Into<DeviceId>) -> u64 {
        self.card(&device.into(), |card| card.out_of_memory)
    }

    fn cards<R>(&self, with: impl FnOnce(&mut Vec<Card>) -> R) -> R {
        // Nothing of others runs while it is held.
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn card<R>(&self, device: &DeviceId, with: impl FnOnce(&mut Card) -> R) -> R {
        self.try_card(device, with).unwrap_or_else(|| panic!("there is no device {device}"))
    }

    fn try_card<R>(&self, device: &DeviceId, with: impl FnOnce(&mut Card) -> R) -> Option<R> {
        self.cards(|cards| {
            let card = cards.iter_mut().find(|card| card.info.id == *device)?;
            card.settle();
            Some(with(card))
        })
    }
}

impl Card {
    fn used(&self) -> u64 {
        let taken: u64 = self.taken.iter().map(|(_, bytes)| bytes).sum();
        let returning: u64 = self.returning.iter().map(|(_, bytes)| bytes).sum();
        taken + returning + self.leaked + self.stranger
    }

    fn free(&self) -> u64 {
        self.total.saturating_sub(self.used())
    }

    fn note_peak(&mut self) {
        self.peak = self.peak.max(self.used());
    }

    fn settle(&mut self) {
        let now = Instant::now();
        self.returning.retain(|(when, _)| *when > now);
    }

    fn give_back(&mut self, pid: Option<u32>, bytes: u64) {
        if let Some(index) = self.taken.iter().position(|taken| *taken == (pid, bytes)) {
            self.taken.swap_remove(index);
        }
        let leaked = bytes / 100 * u64::from(self.leak_percent);
        self.leaked += leaked;
        if !self.lag.is_zero() {
            self.returning.push((Instant::now() + self.lag, bytes - leaked));
        }
    }
}

impl Drop for SimMemory {
    fn drop(&mut self) {
        let (pid, bytes) = (self.pid, self.bytes);
        self.source.try_card(&self.device, |card| card.give_back(pid, bytes));
    }
}

impl DeviceSource for SimSource {
    fn devices(&self) -> Result<Vec<DeviceInfo>, SourceError> {
        Ok(self.cards(|cards| cards.iter().map(|card| card.info.clone()).collect()))
    }

    fn memory(&self, device: &DeviceId) -> Result<MemoryReading, SourceError> {
        let read = |card: &mut Card| match &card.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(MemoryReading::new(card.total, card.free())),
        };
        self.try_card(device, read).unwrap_or(Err(SourceError::Lost))
    }

    fn processes(&self, device: &DeviceId) -> Result<Vec<ProcessMemory>, SourceError> {
        let read = |card: &mut Card| {
            if !card.tells_processes {
                return Err(SourceError::NotSupported);
            }
            let known = card.taken.iter().filter_map(|(pid, bytes)| Some(((*pid)?, *bytes)));
            Ok(known.map(|(pid, bytes)| ProcessMemory::new(pid, Some(bytes))).collect())
        };
        self.try_card(device, read).unwrap_or(Err(SourceError::Lost))
    }

    fn is_immediate(&self) -> bool {
        true
    }
}

impl std::fmt::Display for SimOutOfMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes asked for, {} free", self.asked, self.free)
    }
}

impl std::error::Error for SimOutOfMemory {}
