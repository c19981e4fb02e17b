use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The name of a lock, a semaphore or a pool, as errors and statuses say it.
/// To clone it allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Inner);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Inner {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Name {
    /// What has no name of its own.
    pub(crate) const UNNAMED: Self = Self(Inner::Static("unnamed"));

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Inner::Static(name) => name,
            Inner::Shared(name) => name,
        }
    }

    /// Whether it was given one.
    #[cfg(any(feature = "lock-order", feature = "metrics"))]
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::UNNAMED
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self(Inner::Static(name))
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self(Inner::Shared(name.into()))
    }
}

impl From<Cow<'static, str>> for Name {
    fn from(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => name.into(),
            Cow::Owned(name) => name.into(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
