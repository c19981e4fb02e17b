//! What there is to count where the feature `metrics` is off: nothing.

use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Series;

impl Series {
    pub(crate) const fn named(_: Option<&str>) -> Self {
        Self
    }

    pub(crate) const fn other() -> Self {
        Self
    }

    pub(crate) const fn rename(&self, _: Option<&str>) {}

    #[inline]
    pub(crate) const fn granted(&self) {}

    #[inline]
    pub(crate) const fn refused(&self, _: &'static str) {}

    #[inline]
    pub(crate) const fn waited(&self, _: Duration) {}

    #[inline]
    pub(crate) const fn complained(&self) {}
}
