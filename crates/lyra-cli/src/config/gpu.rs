use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lyra::gpu::Policy;
use serde::{Deserialize, Serialize};

use crate::quantity::{Interval, Size, as_text};

/// When a device counts as full, and what stands in for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct GpuConfig {
    pub(crate) low: u8,
    pub(crate) warning: u8,
    pub(crate) admit: u8,
    pub(crate) critical: u8,
    pub(crate) sample_interval: Interval,
    pub(crate) budgets: Budgets,
    /// The driver's library; the system's own where nothing is named.
    pub(crate) library: PathBuf,
}

impl Default for GpuConfig {
    fn default() -> Self {
        Self {
            low: 75,
            warning: 80,
            admit: 85,
            critical: 90,
            sample_interval: Interval::SECOND,
            budgets: Budgets::default(),
            library: PathBuf::new(),
        }
    }
}

impl GpuConfig {
    pub(crate) fn policy(&self) -> Policy {
        Policy::default()
            .with_low(self.low)
            .with_warning(self.warning)
            .with_admit(self.admit)
            .with_critical(self.critical)
            .with_sample_interval(self.sample_interval.duration())
    }
}

/// What devices are treated to have at most, as `DEVICE=SIZE, DEVICE=SIZE`: by
/// their ids, or as `lyra gpu status` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Budgets(Vec<(String, Size)>);

impl Budgets {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(device, size)| (device.as_str(), size.bytes()))
    }
}

impl FromStr for Budgets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let budget = |part: &str| match part.split_once('=') {
            Some((device, size)) if !device.trim().is_empty() => {
                Ok((device.trim().to_owned(), size.parse()?))
            }
            _ => Err(format!("`{part}` is no budget: it takes the form DEVICE=SIZE")),
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let budgets: Vec<(String, Size)> = parts.map(budget).collect::<Result<_, _>>()?;
        let mut devices = HashSet::new();
        match budgets.iter().find(|(device, _)| !devices.insert(device.to_lowercase())) {
            Some((device, _)) => Err(format!("`{device}` has two budgets")),
            None => Ok(Self(budgets)),
        }
    }
}

impl fmt::Display for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let budgets = self.0.iter().map(|(device, size)| format!("{device}={size}"));
        f.write_str(&budgets.collect::<Vec<_>>().join(", "))
    }
}

as_text!(Budgets);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_crate() {
        // Which takes the middle between warning and critical for `admit`.
        assert_eq!(GpuConfig::default().policy(), Policy::default().with_admit(85));
    }

    #[test]
    fn budgets_are_read_and_shown_alike() {
        let text = "GPU-1=20GiB, cpu=1536MiB";
        let budgets: Budgets = text.parse().unwrap();
        assert_eq!(budgets.iter().collect::<Vec<_>>(), [("GPU-1", 20 << 30), ("cpu", 3 << 29)]);
        assert_eq!(budgets.to_string(), text);
        assert_eq!("".parse(), Ok(Budgets::default()));
        assert!(
            ["20GiB", "=2GiB", "cpu=much", "cpu=1GiB, CPU=2GiB"]
                .iter()
                .all(|bad| bad.parse::<Budgets>().is_err())
        );
    }
}
