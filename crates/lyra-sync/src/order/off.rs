use lyra_errors::Location;

use crate::name::Name;

/// What a lock has for the order graph: nothing.
#[derive(Debug, Default)]
pub(crate) struct OrderMark;

/// What a guard has for it: nothing.
#[derive(Debug)]
pub(crate) struct HeldMark;

impl OrderMark {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// Somebody is about to lock, and would wait.
    #[inline]
    pub(crate) const fn ask(&self, _: &Name, _: Location) {}

    /// Somebody waits for the lock.
    #[inline]
    pub(crate) fn wait(&self, _: &Name, _: Location, _: super::Within, _: impl FnOnce() -> bool) {}

    /// Somebody locked.
    #[inline]
    pub(crate) const fn held(&self, _: &Name, _: Location) -> HeldMark {
        HeldMark
    }
}
