use std::sync::Arc;

use crate::care::Care;
use crate::error::{RateLimitError, require};
use crate::limit::Limit;
use crate::line::Line;
use crate::quota::Quota;
use crate::waiter::MOST_LIMITS;

/// The limits of one service: so many requests, so many tokens, so many at
/// once, whatever it counts. A plain value, of which a
/// [`LimitSet`](crate::LimitSet) is made, or a service is registered.
///
/// A single [`Quota`] is one limit with the name `requests`.
///
/// ```
/// use lyra_ratelimit::{Limits, Quota};
///
/// let model = Limits::new()
///     .with("requests", Quota::per_minute(60))
///     .with("tokens", Quota::per_minute(90_000))
///     .with_slots("connections", 4);
/// assert_eq!(model.names().collect::<Vec<_>>(), ["requests", "tokens", "connections"]);
/// assert_eq!(Limits::from(Quota::per_minute(100)).names().next(), Some("requests"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Limits(Vec<(Arc<str>, Rule)>);

/// What one limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Quota(Quota),
    Slots(u64),
}

impl Limits {
    /// None yet; at least one has to follow, and 8 may.
    pub fn new() -> Self {
        Self::default()
    }

    /// A limit on how often. Each call counts as one, unless it says more.
    pub fn with(self, name: impl Into<Arc<str>>, quota: Quota) -> Self {
        self.and(name.into(), Rule::Quota(quota))
    }

    /// A limit on how many calls run at once. Each call takes one slot,
    /// unless it says more, and holds it as long as its permit.
    pub fn with_slots(self, name: impl Into<Arc<str>>, slots: u64) -> Self {
        self.and(name.into(), Rule::Slots(slots))
    }

    /// The names, in the order in which they were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Arc<str>, Rule)> {
        self.0.iter().map(|(name, rule)| (name, *rule))
    }

    /// A line with these limits, all free.
    #[track_caller]
    pub(crate) fn line(&self, care: Care) -> Result<Line, RateLimitError> {
        self.check()?;
        let (longest_hold, step) = care.nanos()?;
        let mut limits = Vec::with_capacity(self.0.len());
        for (name, rule) in &self.0 {
            let name = Some(Arc::clone(name));
            limits.push(match rule {
                Rule::Quota(quota) => Limit::new(name, *quota, step)?,
                Rule::Slots(most) => Limit::slots(name, *most),
            });
        }
        Ok(Line::new(limits, longest_hold))
    }

    #[track_caller]
    pub(crate) fn check(&self) -> Result<(), RateLimitError> {
        let count = self.0.len();
        require((1..=MOST_LIMITS).contains(&count), "limits", "there have to be 1 to 8", count)?;
        for (index, (name, rule)) in self.0.iter().enumerate() {
            require(!name.is_empty(), "name", "a limit has to have one", name)?;
            let is_first = self.0[..index].iter().all(|(earlier, _)| earlier != name);
            require(is_first, "name", "two limits have the same", name)?;
            match rule {
                Rule::Quota(quota) => quota.shape().map(|_| ())?,
                Rule::Slots(most) => {
                    require(*most >= 1, "slots", "there has to be at least 1", most)?;
                }
            }
        }
        Ok(())
    }

    fn and(mut self, name: Arc<str>, rule: Rule) -> Self {
        self.0.push((name, rule));
        self
    }
}

impl From<Quota> for Limits {
    fn from(quota: Quota) -> Self {
        Self::new().with("requests", quota)
    }
}
