//! How a manager stands, as machines are told.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{DeviceStatus, ModelStatus, Status};
use crate::scheduler::Counts;

/// The keys keep their names and their order; a new one may come, and then
/// `schema` stays.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    mode: &'static str,
    devices: Vec<Device<'a>>,
    models: Vec<Model<'a>>,
    counters: Counters,
    waiting: usize,
    closed: bool,
}

#[derive(Debug, Serialize)]
struct Device<'a> {
    uuid: &'a str,
    index: u32,
    name: &'a str,
    kind: &'static str,
    state: &'static str,
    total: u64,
    free: u64,
    used: u64,
    reserved: Option<u64>,
    used_pct: f64,
    level: &'static str,
    external: u64,
    committed: u64,
    admit_headroom: u64,
}

#[derive(Debug, Serialize)]
struct Model<'a> {
    name: &'a str,
    variant: &'a str,
    rung: usize,
    state: &'static str,
    bytes: u64,
    shares: Vec<Share<'a>>,
    refs: usize,
    use_count: u64,
    last_used_ms_ago: u64,
    pinned: bool,
    priority: i8,
    ttl_s: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Share<'a> {
    device: &'a str,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Counters {
    admitted: u64,
    joined: u64,
    degraded: u64,
    load_failed: u64,
    out_of_memory: u64,
    evicted: u64,
    unloaded: u64,
    unverified: u64,
    read_errors: u64,
}

impl Status {
    /// The status as one document of JSON, for a route of a host; the same as
    /// its [`Serialize`]. Sizes are in bytes.
    ///
    /// ```
    /// use lyra_gpu::{GIB, GpuManager, SimSource};
    ///
    /// let gpu = GpuManager::builder(SimSource::new().with_gpu("sim-0", 24 * GIB)).build()?;
    /// let json = gpu.status().to_json();
    /// assert!(json.starts_with(r#"{"schema":1,"mode":"gpu","devices":[{"uuid":"sim-0","#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        // It fails for maps with keys that are no text, and there is no map.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What there is to load models on, in a word: `gpu` or `cpu`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        if self.has_gpu { "gpu" } else { "cpu" }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = Document {
            schema: 1,
            mode: self.mode(),
            devices: self.devices.iter().map(Device::of).collect(),
            models: self.models.iter().map(|model| Model::of(model, self.at)).collect(),
            counters: Counters::of(&self.counts),
            waiting: self.waiting,
            closed: self.is_closed,
        };
        document.serialize(serializer)
    }
}

impl DeviceStatus {
    /// How much of it is used, to a tenth of a percent.
    #[must_use]
    pub fn used_percent(&self) -> f64 {
        let tenths = u128::from(self.used) * 1_000 / u128::from(self.total.max(1));
        f64::from(u32::try_from(tenths).unwrap_or(1_000)) / 10.0
    }
}

impl<'a> Device<'a> {
    fn of(device: &'a DeviceStatus) -> Self {
        Self {
            uuid: device.id.as_str(),
            index: device.index,
            name: &device.name,
            kind: device.kind.as_str(),
            state: device.health.as_str(),
            total: device.total,
            free: device.total.saturating_sub(device.used),
            used: device.used,
            reserved: device.reserved,
            used_pct: device.used_percent(),
            level: device.level.as_str(),
            external: device.external,
            committed: device.committed,
            admit_headroom: device.headroom,
        }
    }
}

impl<'a> Model<'a> {
    fn of(model: &'a ModelStatus, now: Duration) -> Self {
        let shares = model.shares.iter();
        let idle = now.saturating_sub(model.last_used).as_millis();
        Self {
            name: &model.name,
            variant: &model.variant,
            rung: model.rung,
            state: model.state.as_str(),
            bytes: model.shares.iter().map(|(_, bytes)| bytes).sum(),
            shares: shares
                .map(|(device, bytes)| Share { device: device.as_str(), bytes: *bytes })
                .collect(),
            refs: model.refs,
            use_count: model.uses,
            last_used_ms_ago: u64::try_from(idle).unwrap_or(u64::MAX),
            pinned: model.is_pinned,
            priority: model.priority,
            ttl_s: model.idle_ttl.map(|ttl| ttl.as_secs()),
        }
    }
}

impl Counters {
    fn of(counts: &Counts) -> Self {
        Self {
            admitted: counts.admitted,
            joined: counts.joined,
            degraded: counts.degraded,
            load_failed: counts.load_failed,
            out_of_memory: counts.out_of_memory,
            evicted: counts.evicted,
            unloaded: counts.unloaded,
            unverified: counts.unverified,
            read_errors: counts.read_errors,
        }
    }
}
