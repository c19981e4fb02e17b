use std::fmt;

use super::manager::Manager;
use super::status::HeldResource;

/// What a hook says about a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceFate {
    /// It goes on being used.
    Keep,
    /// It is destroyed.
    Destroy,
}

type AfterCreate<M> =
    dyn Fn(&mut <M as Manager>::Resource) -> Result<(), <M as Manager>::Error> + Send + Sync;
type Report = dyn Fn(&HeldResource) + Send + Sync;
type Judge<M> = dyn Fn(&mut <M as Manager>::Resource) -> ResourceFate + Send + Sync;

/// What users hang in. They run outside of the pool's lock.
pub(crate) struct Hooks<M: Manager> {
    pub(crate) after_create: Option<Box<AfterCreate<M>>>,
    pub(crate) before_recycle: Option<Box<Judge<M>>>,
    pub(crate) after_release: Option<Box<Judge<M>>>,
    pub(crate) on_long_held: Option<Box<Report>>,
}

impl<M: Manager> Default for Hooks<M> {
    fn default() -> Self {
        Self { after_create: None, before_recycle: None, after_release: None, on_long_held: None }
    }
}

impl<M: Manager> fmt::Debug for Hooks<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("after_create", &self.after_create.is_some())
            .field("before_recycle", &self.before_recycle.is_some())
            .field("after_release", &self.after_release.is_some())
            .field("on_long_held", &self.on_long_held.is_some())
            .finish()
    }
}
