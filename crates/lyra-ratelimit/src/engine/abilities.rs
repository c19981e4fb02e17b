use std::fmt;

/// Something that an engine may be unable to do by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// It tells exactly when a take would be granted, not only a lower bound.
    ExactWait,
    /// It fills evenly: never more than the burst and the rate allow. Without,
    /// it fills in lumps, and may grant one lump more.
    EvenRefill,
    /// It keeps any rate to within 0.1 %. Without, it may be slower, never
    /// faster.
    AnyRate,
    /// It takes back what was not used.
    Refund,
    /// It takes what was used beyond, also where it is not there.
    Overdraft,
    /// Its quotas can be changed.
    LiveChange,
    /// It holds [strict](crate::Quota::strict) quotas.
    StrictWindow,
    /// It holds several limits, and takes from all or none.
    SeveralLimits,
    /// It learns from what responses say.
    Learn,
}

/// What an engine can do.
///
/// ```
/// use lyra_ratelimit::engine::{Abilities, Ability};
///
/// let abilities = Abilities::ALL.without(Ability::Refund);
/// assert!(abilities.has(Ability::LiveChange) && !abilities.has(Ability::Refund));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Abilities(u16);

impl Ability {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::ExactWait,
        Self::EvenRefill,
        Self::AnyRate,
        Self::Refund,
        Self::Overdraft,
        Self::LiveChange,
        Self::StrictWindow,
        Self::SeveralLimits,
        Self::Learn,
    ];

    /// Its name, in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExactWait => "exact waits",
            Self::EvenRefill => "an even refill",
            Self::AnyRate => "any rate",
            Self::Refund => "refunds",
            Self::Overdraft => "overdrafts",
            Self::LiveChange => "live changes of a quota",
            Self::StrictWindow => "strict windows",
            Self::SeveralLimits => "several limits",
            Self::Learn => "learning from responses",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Abilities {
    /// Able to do everything.
    pub const ALL: Self = Self(u16::MAX);

    /// All but `ability`.
    pub const fn without(self, ability: Ability) -> Self {
        Self(self.0 & !ability.bit())
    }

    /// Whether `ability` is among them.
    #[must_use]
    pub const fn has(self, ability: Ability) -> bool {
        self.0 & ability.bit() != 0
    }
}

impl fmt::Debug for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = Ability::ALL.into_iter().filter(|ability| self.has(*ability));
        f.debug_set().entries(has).finish()
    }
}
