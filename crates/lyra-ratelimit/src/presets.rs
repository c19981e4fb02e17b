//! Limits of services that agents call, ready to be registered.
//!
//! ```
//! use lyra_ratelimit::{ServiceLimits, presets};
//!
//! let services = ServiceLimits::new();
//! for (name, limits) in presets::provider() {
//!     services.register(name, limits)?;
//! }
//! # Ok::<(), lyra_ratelimit::RateLimitError>(())
//! ```

use std::time::Duration;

use crate::limits::Limits;
use crate::quota::Quota;

/// The numbers that lyra's first version promised: `wolframalpha` 60 a minute,
/// `arxiv` 30, `wikipedia` 100, `chromadb` 1,000. Other services get 60, the
/// default of [`ServiceLimits`](crate::ServiceLimits).
///
/// Some are higher than what the providers themselves ask for; see
/// [`provider`].
pub fn promised() -> impl Iterator<Item = (&'static str, Limits)> {
    [
        ("wolframalpha", Quota::per_minute(60)),
        ("arxiv", Quota::per_minute(30)),
        ("wikipedia", Quota::per_minute(100)),
        ("chromadb", Quota::per_minute(1_000)),
    ]
    .into_iter()
    .map(|(name, quota)| (name, Limits::from(quota)))
}

/// What the providers themselves ask for.
///
/// | service | limits | where it is said |
/// |---|---|---|
/// | `arxiv` | one request in 3 s, one connection | arXiv API, terms of use: rate limits |
/// | `wikipedia` | one connection: in series, not in parallel | `MediaWiki` API etiquette: request limit |
/// | `wolframalpha` | 2,000 calls in any 31 days | Wolfram\|Alpha APIs: free, non-commercial access |
///
/// Those with a connection need a permit: [`enter`](crate::ServiceLimits::enter).
pub fn provider() -> impl Iterator<Item = (&'static str, Limits)> {
    let month = Duration::from_secs(31 * 24 * 60 * 60);
    [
        ("arxiv", Limits::from(Quota::every(Duration::from_secs(3))).with_slots("connections", 1)),
        ("wikipedia", Limits::new().with_slots("connections", 1)),
        ("wolframalpha", Limits::new().with("calls", Quota::new(2_000, month).strict())),
    ]
    .into_iter()
}
