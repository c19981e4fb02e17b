//! What there is to count where the feature `metrics` is off: nothing.

use crate::name::Name;

/// Somebody waits, until this is dropped.
#[derive(Debug)]
pub(crate) struct Wait;

#[inline]
pub(crate) const fn wait(_: &'static str, _: &Name) -> Wait {
    Wait
}

#[inline]
pub(crate) const fn timed_out(_: &'static str, _: &Name) {}

#[inline]
pub(crate) const fn created(_: &Name) {}

#[inline]
pub(crate) const fn create_failed(_: &Name, _: &'static str) {}

#[inline]
pub(crate) const fn removed(_: &Name, _: &'static str) {}

#[inline]
pub(crate) const fn panicked(_: &Name) {}

#[inline]
pub(crate) const fn long_held(_: &Name) {}

#[cfg(feature = "lock-order")]
#[inline]
pub(crate) const fn lock_order_reported() {}
