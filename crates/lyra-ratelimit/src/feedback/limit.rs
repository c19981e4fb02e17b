use std::time::Duration;

/// One limit of a service, as far as a response reports it.
///
/// Each part is there only if the headers said so. The numbers are the
/// service's own: a limit of zero and a remaining above the limit do occur.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use lyra_ratelimit::{Feedback, LimitUnit};
///
/// let headers = [
///     ("x-ratelimit-limit-tokens", "150000"),
///     ("x-ratelimit-remaining-tokens", "149984"),
///     ("x-ratelimit-reset-tokens", "6m0s"),
/// ];
/// let feedback = Feedback::from_headers(200, headers, SystemTime::now());
/// let [tokens] = feedback.limits() else { panic!("one limit") };
/// assert_eq!((tokens.name(), tokens.unit()), ("tokens", LimitUnit::Tokens));
/// assert_eq!(tokens.limit(), Some(150_000));
/// assert_eq!(tokens.remaining(), Some(149_984));
/// assert_eq!(tokens.reset(), Some(Duration::from_secs(360)));
/// assert_eq!(tokens.window(), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedLimit {
    pub(super) name: String,
    pub(super) unit: LimitUnit,
    pub(super) limit: Option<u64>,
    pub(super) window: Option<Duration>,
    pub(super) remaining: Option<u64>,
    pub(super) reset: Option<Duration>,
}

impl ObservedLimit {
    /// What the service calls it: the name of its policy, or what its headers
    /// add to `x-ratelimit-limit` and the like, in lower case (`requests`,
    /// `input-tokens`). It is `default` if it has no name; and a policy of the
    /// older drafts that is not the one in force is called as it is written,
    /// such as `1000;w=3600`.
    ///
    /// Printable ASCII, at most 64 bytes; the rest of a longer name is cut off.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is counted.
    #[must_use]
    pub fn unit(&self) -> LimitUnit {
        self.unit
    }

    /// How many units there are in a window, or at once if the
    /// [`unit`](Self::unit) is [`LimitUnit::ConcurrentRequests`].
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// The time that [`limit`](Self::limit) is for: never zero, at most
    /// [`Feedback::MAX_WINDOW`](crate::Feedback::MAX_WINDOW).
    ///
    /// Few headers but `RateLimit-Policy` say so; a name that ends in
    /// `second`, `minute`, `hour` or `day` does as well.
    #[must_use]
    pub fn window(&self) -> Option<Duration> {
        self.window
    }

    /// How many units are left. It is a hint: a service may refuse sooner.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// How long after the response the units come back: zero if that is over,
    /// at most [`Feedback::MAX_WINDOW`](crate::Feedback::MAX_WINDOW).
    ///
    /// Services differ in whether all of them come back then, or the first.
    #[must_use]
    pub fn reset(&self) -> Option<Duration> {
        self.reset
    }

    /// Whether the service says that nothing is left.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.remaining == Some(0)
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum LimitUnit {
    /// Calls: what the drafts assume where a policy doesn't say, and what
    /// headers are assumed to mean here that don't name tokens.
    #[default]
    Requests,
    /// The tokens of a language model.
    Tokens,
    /// Bytes of content.
    ContentBytes,
    /// Calls that are under way at once: it is not a rate.
    ConcurrentRequests,
    /// Something that this version doesn't know.
    Other,
}

impl LimitUnit {
    /// The unit that a `qu` parameter names.
    pub(super) fn of_parameter(unit: &[u8]) -> Self {
        match unit {
            b"requests" | b"request" => Self::Requests,
            b"tokens" => Self::Tokens,
            // `bytes` stands in an example of draft 08.
            b"content-bytes" | b"bytes" => Self::ContentBytes,
            b"concurrent-requests" => Self::ConcurrentRequests,
            _ => Self::Other,
        }
    }

    /// The unit that the name of a limit suggests.
    pub(super) fn of_name(name: &str) -> Self {
        let mut words = name.split('-');
        if words.any(|word| word == "tokens") { Self::Tokens } else { Self::Requests }
    }
}
