use std::fmt;
use std::time::Duration;

use crate::bytes::{MIB, percent_of};
use crate::error::{GpuError, InvalidSnafu};

/// When the manager admits, when it evicts, and how long it waits for what.
///
/// | setting | default |
/// |---|---|
/// | [`low`](Self::with_low): down to where it evicts | 75 % |
/// | [`warning`](Self::with_warning), from there on; over below | 80 %; 77 % |
/// | [`admit`](Self::with_admit): no load is admitted above | 85 % |
/// | [`critical`](Self::with_critical), from there on; over below | 90 %; 87 % |
/// | [`min_free`](Self::with_min_free): stays free of a GPU whatever the percents say | 768 MiB |
/// | [`min_reclaim`](Self::with_min_reclaim): the least that an eviction under pressure is to bring | 2 %, and 512 MiB |
/// | [`transition`](Self::with_transition): a level is over once it was below for | 10 s |
/// | [`grace`](Self::with_grace): a warning may last before idle models go | 30 s |
/// | [`min_residency`](Self::with_min_residency): the time in which a model is spared if others will do | 30 s |
/// | [`load_timeout`](Self::with_load_timeout) for a loader, each time | 10 min |
/// | [`unload_timeout`](Self::with_unload_timeout) for an unloader, each time | 30 s |
/// | [`verify_timeout`](Self::with_verify_timeout) until unloaded memory is back | 10 s |
/// | [`sample_interval`](Self::with_sample_interval); while something moves, a quarter | 1 s |
/// | [`read_timeout`](Self::with_read_timeout) for a driver's answer | 2 s |
/// | [`max_overtakes`](Self::with_max_overtakes) of one that waits for models in use | 8 |
/// | [`degrade`](Self::with_degrade) | [`PreferQuality`](Degrade::PreferQuality) |
///
/// Percents are of the memory that a device has in all, and usage is all that
/// is not free, whoever has it. They have to rise: `low` < clear mark of the
/// warning < warning ≤ admit < critical, and the clear mark of critical lies
/// between warning and critical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) low: u8,
    pub(crate) warning: u8,
    pub(crate) warning_clear: Option<u8>,
    pub(crate) admit: Option<u8>,
    pub(crate) critical: u8,
    pub(crate) critical_clear: Option<u8>,
    pub(crate) min_free: u64,
    pub(crate) min_reclaim: u64,
    pub(crate) transition: Duration,
    pub(crate) grace: Duration,
    pub(crate) min_residency: Duration,
    pub(crate) load_timeout: Duration,
    pub(crate) unload_timeout: Duration,
    pub(crate) verify_timeout: Duration,
    pub(crate) sample_interval: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) max_overtakes: u32,
    pub(crate) degrade: Degrade,
}

/// What goes first where the best candidate of a model does not fit as it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Degrade {
    /// Idle models are evicted for a better candidate before a lesser one is
    /// taken.
    #[default]
    PreferQuality,
    /// A lesser candidate that fits as it is, before anything is evicted.
    PreferFast,
    /// Nothing is ever evicted for a load.
    NoEvict,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            low: 75,
            warning: 80,
            warning_clear: None,
            admit: None,
            critical: 90,
            critical_clear: None,
            min_free: 768 * MIB,
            min_reclaim: 512 * MIB,
            transition: Duration::from_secs(10),
            grace: Duration::from_secs(30),
            min_residency: Duration::from_secs(30),
            load_timeout: Duration::from_secs(600),
            unload_timeout: Duration::from_secs(30),
            verify_timeout: Duration::from_secs(10),
            sample_interval: Duration::from_secs(1),
            read_timeout: Duration::from_secs(2),
            max_overtakes: 8,
            degrade: Degrade::PreferQuality,
        }
    }
}

macro_rules! settings {
    ($($(#[$doc:meta])* $with:ident($name:ident: $type:ty);)*) => {
        impl Policy {
            $($(#[$doc])*
            #[must_use]
            pub fn $with(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            })*
        }
    };
}

settings! {
    /// Down to which percent models are evicted under pressure.
    with_low(low: u8);
    /// From which percent on a device is at the warning level.
    with_warning(warning: u8);
    /// From which percent on a device is at the critical level, and models are
    /// evicted at once.
    with_critical(critical: u8);
    /// How many bytes of a GPU stay free, whatever the percents say: a small
    /// card needs them for its contexts.
    with_min_free(min_free: u64);
    /// How many bytes an eviction under pressure is to bring at least; two
    /// percent of the device, if that is more.
    with_min_reclaim(min_reclaim: u64);
    /// For how long usage is below a clear mark until the level is over.
    with_transition(transition: Duration);
    /// How long a warning lasts before idle models are evicted.
    with_grace(grace: Duration);
    /// For how long a model that was loaded is spared, as long as others will
    /// do; at the critical level none is.
    with_min_residency(min_residency: Duration);
    /// How long a loader may take, each time it is called: then its future is
    /// dropped, the load has failed, and its memory counts until the device
    /// shows it as free. What was [reserved](crate::GpuManager::try_reserve) is
    /// the host's to give back.
    with_load_timeout(load_timeout: Duration);
    /// How long an unloader may take, each time it is asked.
    with_unload_timeout(unload_timeout: Duration);
    /// How long memory may take to come back after an unloader is done.
    with_verify_timeout(verify_timeout: Duration);
    /// How often the devices are read, at least ten milliseconds; four times as often while something is
    /// loaded or unloaded, and from the warning level on.
    with_sample_interval(sample_interval: Duration);
    /// How long a driver may take to answer. After three intervals without an
    /// answer nothing is admitted on the device.
    with_read_timeout(read_timeout: Duration);
    /// How many loads may pass one that waits for models in use, if they fit
    /// as it is.
    with_max_overtakes(max_overtakes: u32);
    /// What goes first where the best candidate does not fit as it is.
    with_degrade(degrade: Degrade);
}

impl Policy {
    /// Below which percent a warning is over; three less than the warning
    /// itself, unless it is said.
    #[must_use]
    pub fn with_warning_clear(mut self, percent: u8) -> Self {
        self.warning_clear = Some(percent);
        self
    }

    /// Below which percent the critical level is over; three less than it,
    /// unless it is said.
    #[must_use]
    pub fn with_critical_clear(mut self, percent: u8) -> Self {
        self.critical_clear = Some(percent);
        self
    }

    /// Up to which percent loads are admitted; in the middle between warning
    /// and critical, unless it is said.
    #[must_use]
    pub fn with_admit(mut self, percent: u8) -> Self {
        self.admit = Some(percent);
        self
    }

    pub(crate) fn marks(&self) -> Marks {
        let between = self.warning.saturating_add(self.critical) / 2;
        Marks {
            low: self.low,
            warning_clear: self.warning_clear.unwrap_or(self.warning.saturating_sub(3)),
            warning: self.warning,
            admit: self.admit.unwrap_or(between),
            critical_clear: self
                .critical_clear
                .unwrap_or(self.critical.saturating_sub(3).max(self.warning)),
            critical: self.critical,
        }
    }

    #[track_caller]
    pub(crate) fn check(&self) -> Result<(), GpuError> {
        let marks = self.marks();
        let rising = marks.low < marks.warning_clear
            && marks.warning_clear < marks.warning
            && marks.warning <= marks.admit
            && marks.admit < marks.critical
            && marks.critical <= 100
            && (marks.warning..marks.critical).contains(&marks.critical_clear);
        if !rising {
            let reason = "the marks have to rise: low < clear of warning < warning <= admit < \
                          critical <= 100, with the clear of critical between the last two levels";
            return InvalidSnafu { setting: "thresholds", reason, given: marks.to_string() }.fail();
        }
        for (setting, duration) in [
            ("load timeout", self.load_timeout),
            ("unload timeout", self.unload_timeout),
            ("verify timeout", self.verify_timeout),
            ("sample interval", self.sample_interval),
            ("read timeout", self.read_timeout),
        ] {
            if duration.is_zero() || duration > LONGEST {
                let reason = "it has to be over zero, and a year at most";
                return InvalidSnafu { setting, reason, given: format!("{duration:?}") }.fail();
            }
        }
        if self.sample_interval < SHORTEST_INTERVAL {
            let (setting, reason) = ("sample interval", "it has to be 10 ms at least");
            let given = format!("{:?}", self.sample_interval);
            return InvalidSnafu { setting, reason, given }.fail();
        }
        Ok(())
    }

    /// How old a reading may be that is still trusted: after three intervals
    /// without one a device no longer is.
    pub(crate) fn oldest_reading(&self) -> Duration {
        self.sample_interval * 3
    }
}

/// Below, a device would be distrusted because a thread was late.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Longer than anybody waits, and far from overflowing any clock.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// All marks, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) low: u8,
    pub(crate) warning_clear: u8,
    pub(crate) warning: u8,
    pub(crate) admit: u8,
    pub(crate) critical_clear: u8,
    pub(crate) critical: u8,
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, warning_clear, warning, admit, critical_clear, critical } = self;
        write!(
            f,
            "low {low}, warning {warning} with its clear mark at {warning_clear}, admit {admit}, \
             critical {critical} with its clear mark at {critical_clear}"
        )
    }
}

impl Policy {
    /// How many bytes of a device may be in use once a load is admitted.
    pub(crate) fn cap(&self, total: u64, is_gpu: bool) -> u64 {
        let admit = percent_of(total, self.marks().admit);
        match is_gpu {
            true => admit.min(total.saturating_sub(self.min_free)),
            false => admit,
        }
    }

    pub(crate) fn least_reclaim(&self, total: u64) -> u64 {
        self.min_reclaim.max(percent_of(total, 2))
    }
}
