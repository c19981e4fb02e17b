#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acquire;
mod care;
mod clock;
mod codes;
pub mod engine;
mod error;
mod events;
mod feedback;
mod gate;
mod gcra;
mod global;
mod hold;
mod learn;
mod limit;
mod limit_set;
mod limiter;
mod limits;
mod line;
mod meter;
#[cfg(feature = "metrics")]
mod metrics;
mod pace;
mod permit;
pub mod presets;
mod queue;
mod quota;
mod reservation;
#[cfg(not(feature = "metrics"))]
mod series;
mod services;
mod status;
mod wait;
mod waiter;
mod window;

pub use clock::{Clock, ManualClock, MonotonicClock, TokioClock};
pub use codes::CODES;
pub use error::RateLimitError;
pub use feedback::{Feedback, LimitUnit, ObservedLimit};
pub use global::{global, set_global};
pub use limit_set::{LimitSet, LimitSetBuilder};
pub use limiter::{RateLimiter, RateLimiterBuilder};
pub use limits::Limits;
#[cfg(feature = "metrics")]
pub use metrics::METRICS;
pub use permit::Permit;
pub use quota::Quota;
pub use reservation::Reservation;
pub use services::{ServiceLimits, ServiceLimitsBuilder};
pub use status::{LimitStatus, Status};
