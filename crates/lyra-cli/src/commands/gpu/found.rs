use lyra::errors::Result;
use lyra::gpu::{CpuSource, Detected, GpuManager, NvmlSource, detect};

use crate::config::GpuConfig;

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
        let builder = GpuManager::builder(detected.source).with_policy(config.policy());
        let manager = config
            .budgets
            .iter()
            .fold(builder, |builder, (device, bytes)| builder.with_budget(device, bytes))
            .build()?;
        Ok(Self { manager, no_gpu: detected.no_gpu.map(|reason| reason.to_string()) })
    }
}
