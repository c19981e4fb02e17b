//! Limits whose state lies elsewhere: in a file that processes share, on a
//! server that machines share, or in another crate.
//!
//! An [`Engine`] holds the state of one or several limits and decides takes;
//! it never waits. An [`EngineLimiter`] is what callers hold: it stands in line
//! for them, sleeps, keeps their timeouts, and tidies up after those who leave.

mod abilities;
mod answer;
mod call;
mod error;
mod in_process;
#[cfg(feature = "leaky-bucket")]
mod leaky_bucket;
mod limiter;
mod line;
mod reservation;
mod trips;

use std::sync::Arc;

use crate::feedback::Feedback;
use crate::quota::Quota;

pub use abilities::{Abilities, Ability};
pub use answer::{Denial, Standing, Taken, Wait};
pub use error::EngineError;
pub use in_process::{InProcess, InProcessGrant};
#[cfg(feature = "leaky-bucket")]
pub use leaky_bucket::LeakyBucket;
pub use limiter::{EngineLimiter, EngineLimiterBuilder};
pub use reservation::EngineReservation;

/// The seam behind [`EngineLimiter`]: a place that holds the state of one to
/// eight limits, and decides.
///
/// All costs are given in the order of [`names`](Self::names), one for each
/// limit; a cost of zero asks nothing of its limit. An engine takes from all
/// of its limits in one step, or from none.
///
/// An engine never sleeps until tokens are there: it says no and tells the
/// wait, so that nothing is held meanwhile (no lock of a file, no connection).
/// It needs no order of its own either, no timeouts of callers, and no checks
/// of costs and quotas: quotas that reach it can be meant.
///
/// # Cancel safety
///
/// A future that is dropped before it was polled has done nothing. One that
/// was polled may have been sent on its way and may still come to effect:
/// nothing can be said of it. So [`EngineLimiter`] drops no call on its way
/// that can be carried to its end. When a caller goes away, the call is
/// finished in the background, and what it took is given back.
///
/// Only a call that does not end at all (nor in twice the time that
/// [`with_answer_within`](EngineLimiterBuilder::with_answer_within) gives it),
/// and one whose runtime ends, is dropped on its way. An engine has to endure
/// that: what such a take took stays taken until it is refilled, which errs to
/// the safe side. In no case may a dropped call leave a lock held, or let more
/// be granted than the limits allow.
pub trait Engine: Send + Sync + 'static {
    /// What is needed to settle a take later: when it was granted, or what it
    /// is called on the server.
    type Grant: Send + 'static;

    /// The names of the limits, one to eight, all different.
    fn names(&self) -> Vec<Arc<str>>;

    /// What it can do. The conformance suite believes neither a claim nor its
    /// absence: it tries both.
    fn abilities(&self) -> Abilities;

    /// Takes `costs` of all limits if they are there, or else nothing, and
    /// says when.
    ///
    /// # Errors
    ///
    /// Of the engine itself. Where it can't tell whether the take came to
    /// effect (the answer was lost), it must not let more be granted for that.
    fn take(
        &self,
        costs: &[u64],
    ) -> impl Future<Output = Result<Taken<Self::Grant>, EngineError>> + Send;

    /// When `costs` would be granted to one who stands behind others, who are
    /// going to take `ahead` in sum. Takes nothing.
    ///
    /// The wait may be a lower bound, since a sum does not tell how the limits
    /// come together; it must not be longer than the true one, for callers are
    /// refused by it.
    ///
    /// # Errors
    ///
    /// Of the engine itself.
    fn foresee(
        &self,
        ahead: &[u64],
        costs: &[u64],
    ) -> impl Future<Output = Result<Denial, EngineError>> + Send;

    /// Corrects a take of `costs` to `used`: gives back what was not used, and
    /// takes what was used beyond even where it is not there; those who come
    /// next wait for it. All in one step.
    ///
    /// An engine without [`Ability::Refund`] or [`Ability::Overdraft`] leaves
    /// out that half and succeeds. It is called once for a grant at most; a
    /// failed call is not repeated.
    ///
    /// # Errors
    ///
    /// Of the engine itself; where it can't tell whether that came to effect,
    /// it is as if it had not.
    fn settle(
        &self,
        grant: Self::Grant,
        costs: &[u64],
        used: &[u64],
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Another quota for one limit, for all who share the engine. What was
    /// taken stays taken. Only called where it has [`Ability::LiveChange`].
    ///
    /// # Errors
    ///
    /// Of the engine itself; then nothing has changed.
    fn set_quota(
        &self,
        limit: usize,
        quota: Quota,
    ) -> impl Future<Output = Result<(), EngineError>> + Send {
        let _ = (limit, quota);
        async { Err(EngineError::unable(Ability::LiveChange)) }
    }

    /// Takes in what a response said, for all who share the engine. Only
    /// called where it has [`Ability::Learn`].
    ///
    /// # Errors
    ///
    /// Of the engine itself.
    fn learn(&self, feedback: &Feedback) -> impl Future<Output = Result<(), EngineError>> + Send {
        let _ = feedback;
        async { Err(EngineError::unable(Ability::Learn)) }
    }

    /// How the limits stand.
    ///
    /// # Errors
    ///
    /// Of the engine itself.
    fn standing(&self) -> impl Future<Output = Result<Standing, EngineError>> + Send;
}
