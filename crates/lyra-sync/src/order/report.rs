use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lyra_errors::Location;

use super::Within;
use crate::events;
use crate::holder::thread_name;
use crate::name::Name;
use crate::series;

/// The most reports that are kept; later ones only reach the handler.
const MOST: usize = 64;

/// A way in which locks were taken that can end in a deadlock, though it did
/// not have to happen.
#[derive(Debug, Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "lock-order")))]
pub struct LockOrderReport {
    edges: Vec<Arc<LockOrderEdge>>,
    within: Option<Within>,
}

/// One lock asked for while another was held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(docsrs, doc(cfg(feature = "lock-order")))]
pub struct LockOrderEdge {
    /// The name of the lock that was held.
    pub held: Name,
    /// Where it had been locked.
    pub held_since: Location,
    /// The name of the lock that was asked for.
    pub asked: Name,
    /// Where it was asked for.
    pub asked_at: Location,
    /// The thread that did it.
    pub thread: Arc<str>,
}

type Handler = Box<dyn Fn(&LockOrderReport) + Send + Sync>;

static REPORTS: Mutex<Vec<LockOrderReport>> = Mutex::new(Vec::new());
static HANDLER: OnceLock<Handler> = OnceLock::new();

/// What was found so far, each circle once: the first 64 reports, while a
/// handler is told of all.
///
/// A test suite ends well with `assert!(lock_order_reports().is_empty())`.
#[must_use]
#[cfg_attr(docsrs, doc(cfg(feature = "lock-order")))]
pub fn lock_order_reports() -> Vec<LockOrderReport> {
    REPORTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Calls `handler` with each report from now on, on the thread that is about
/// to lock: to log it, or to panic in a test. The first handler stays; whether
/// this is it.
#[cfg_attr(docsrs, doc(cfg(feature = "lock-order")))]
pub fn on_lock_order_report(handler: impl Fn(&LockOrderReport) + Send + Sync + 'static) -> bool {
    HANDLER.set(Box::new(handler)).is_ok()
}

/// Counts and keeps a report.
pub(super) fn keep(report: &LockOrderReport) {
    series::lock_order_reported();
    let mut reports = REPORTS.lock().unwrap_or_else(PoisonError::into_inner);
    if reports.len() < MOST {
        reports.push(report.clone());
    }
}

/// Tells the log and the handler, under no lock of this crate.
pub(super) fn tell(report: &LockOrderReport) {
    events::lock_order(report);
    if let Some(handler) = HANDLER.get() {
        handler(report);
    }
}

impl LockOrderReport {
    pub(super) fn circle(edges: Vec<Arc<LockOrderEdge>>) -> Self {
        Self { edges, within: None }
    }

    pub(super) fn within(within: Within, name: &Name, since: Location, location: Location) -> Self {
        let edge = Arc::new(LockOrderEdge::new(name, since, name, location));
        Self { edges: vec![edge], within: Some(within) }
    }

    /// The locks in a circle: each was asked for while the one before was
    /// held, the first one last by whoever caused this report. One alone is
    /// the same lock, waited for by whoever holds it.
    pub fn edges(&self) -> impl Iterator<Item = &LockOrderEdge> {
        self.edges.iter().map(|edge| &**edge)
    }

    /// Whether it is a read within a read of the same lock, behind a writer
    /// that waits.
    #[must_use]
    pub fn is_recursive_read(&self) -> bool {
        self.within == Some(Within::Read)
    }

    /// Whether it is a lock that is waited for by whoever holds it, and not as
    /// in [`is_recursive_read`](Self::is_recursive_read).
    #[must_use]
    pub fn is_reentry(&self) -> bool {
        self.within == Some(Within::Itself)
    }
}

impl LockOrderEdge {
    pub(super) fn new(held: &Name, held_since: Location, asked: &Name, asked_at: Location) -> Self {
        let (held, asked) = (held.clone(), asked.clone());
        Self { held, held_since, asked, asked_at, thread: thread_name() }
    }
}

/// Over several lines, each with the places to look at.
impl fmt::Display for LockOrderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.within {
            None => "possible deadlock, locks taken in different orders:",
            Some(Within::Read) => "possible deadlock, a read within a read behind a writer:",
            Some(Within::Itself) => "deadlock, a lock waited for by whoever holds it:",
        })?;
        self.edges().try_for_each(|edge| write!(f, "\n  {edge}"))
    }
}

impl fmt::Display for LockOrderEdge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { held, held_since, asked, asked_at, thread } = self;
        write!(
            f,
            "`{asked}` asked for at {asked_at}, holding `{held}` since {held_since}, on thread `{thread}`"
        )
    }
}
