use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lyra::errors::Result;
use lyra::gpu::{
    CombinedSource, CpuSource, Detected, DeviceId, DeviceKind, DeviceSource, DeviceStatus,
    GpuManager, NvmlSource, Policy, Status, detect,
};

use crate::config::GpuConfig;
use crate::error::ConfigSnafu;

/// The devices of this machine, which were looked at once.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) manager: GpuManager,
    /// Why there is no GPU among them.
    pub(crate) no_gpu: Option<String>,
}

impl Found {
    pub(crate) fn on_this_machine(config: &GpuConfig) -> Result<Self> {
        let detected = match config.library.as_os_str().is_empty() {
            true => detect(),
            false => Detected::from_parts(NvmlSource::open_at(&config.library), CpuSource::new()),
        };
        let source: Arc<dyn DeviceSource> = Arc::new(detected.source);
        let builder = || {
            let source = CombinedSource::new([Arc::clone(&source)]);
            GpuManager::builder(source).with_policy(policy(config))
        };
        let mut manager = builder().build()?;
        if !config.budgets.is_empty() {
            let budgets = budgets(config, &manager.status())?;
            let builder = budgets
                .into_iter()
                .fold(builder(), |builder, (id, bytes)| builder.with_budget(id, bytes));
            manager = builder.build()?;
        }
        Ok(Self { manager, no_gpu: detected.no_gpu.map(|reason| reason.to_string()) })
    }
}

/// A device as `status` shows it, and as a budget may name it.
pub(super) fn label(device: &DeviceStatus) -> String {
    match device.kind {
        DeviceKind::Gpu => format!("GPU {}", device.index),
        DeviceKind::Cpu => "CPU".to_owned(),
        _ => device.id.to_string(),
    }
}

/// A reading is told as soon as it is there, and is good for as long as that
/// takes, however short the interval of a watch is.
fn policy(config: &GpuConfig) -> Policy {
    const LEAST: Duration = Duration::from_secs(1);
    let interval = config.sample_interval.duration();
    config.policy().with_sample_interval(interval.max(LEAST))
}

/// The budgets by the ids of their devices. An unknown name goes on, to be
/// refused with those that there are.
fn budgets(config: &GpuConfig, status: &Status) -> Result<HashMap<DeviceId, u64>> {
    let mut budgets = HashMap::new();
    for (name, bytes) in config.budgets.iter() {
        let shown = |device: &&DeviceStatus| label(device).eq_ignore_ascii_case(name);
        let device = status.devices.iter().find(shown);
        let id = device.map_or_else(|| DeviceId::from(name), |device| device.id.clone());
        if budgets.insert(id, bytes).is_some() {
            let reason = format!("gpu.budgets has two for the device that is also `{name}`");
            return Ok(ConfigSnafu { origin: "of this run", reason }.fail()?);
        }
    }
    Ok(budgets)
}
