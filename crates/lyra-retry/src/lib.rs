#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "backoff")]
mod backoff_delays;
mod breaker;
mod budget;
mod call;
mod clock;
mod codes;
mod context;
mod course;
mod error;
mod events;
mod explain;
mod factor;
#[cfg(feature = "tokio")]
mod future;
mod history;
mod jitter;
#[cfg(feature = "metrics")]
mod metrics;
mod policy;
mod retry_error;
mod rule;
mod schedule;
mod seed;

pub use breaker::{
    BreakerPermit, CircuitBreaker, CircuitBreakerBuilder, CircuitOpen, CircuitState,
};
pub use budget::{RetryBudget, RetryBudgetBuilder};
pub use call::Retry;
pub use clock::{Clock, ManualClock, Sleeper, SystemClock, ThreadSleeper};
pub use codes::CODES;
pub use context::RetryContext;
pub use error::PolicyError;
pub use explain::Explanation;
pub use history::{AttemptOutcome, AttemptRecord};
pub use jitter::Jitter;
#[cfg(feature = "metrics")]
pub use metrics::METRICS;
pub use policy::{OnTimeout, RetryPolicy, RetryPolicyBuilder};
pub use retry_error::RetryError;
pub use rule::{ByRecovery, OnRetry, Quiet, RetryAfter, RetryEvent, RetryRule, When};
pub use schedule::{Decision, Schedule, StopReason};
pub use seed::{FixedSeed, SeedSource, SystemSeed};
