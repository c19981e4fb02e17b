mod gather;
mod header;
mod limit;
mod list;
mod name;
mod numbers;
mod timestamp;
mod until;

use std::time::{Duration, SystemTime};

use gather::Gathered;
use lyra_errors::Recovery;

pub use limit::{LimitUnit, ObservedLimit};

/// What a response said about the limits of its service.
///
/// It is read from the status and the headers of a response, whoever made the
/// request and with whatever client: there is no clock and no IO in it.
///
/// # Which headers
///
/// `Retry-After`, `retry-after-ms`, `x-ms-retry-after-ms`; `RateLimit` and
/// `RateLimit-Policy` as in the IETF drafts 08 to 11, and as in those before
/// them; `RateLimit-…`, `X-RateLimit-…`, `X-Rate-Limit-…` and
/// `anthropic-ratelimit-…`, each with `Limit`, `Remaining` or `Reset` before
/// or behind the name of a limit (`x-ratelimit-reset-tokens`,
/// `anthropic-ratelimit-tokens-reset`) or without a name; and, to make sense of
/// those, `Date` and `Age`.
///
/// # Which value holds
///
/// - Of values that contradict one another the stricter holds: the longer wait,
///   the smaller limit (with its window), the fewer remaining, the later reset.
///   The order of the headers makes no difference but to which limits are the
///   first eight.
/// - Limits that come from different families of headers are kept apart even
///   if they have one name, as each of them may be enforced; equal ones are
///   listed once.
/// - What can't be read is ignored, and what is too large is clamped: a value
///   that is longer than 1 KiB, negative, or not of its grammar says nothing.
/// - Dates and epochs are compared with the `Date` of the same response, since
///   the difference of two readings of one clock is right however wrong that
///   clock is. Only without a `Date` they are compared with the caller's.
/// - A bare number is a reset in seconds from now if it is below 10⁹ (31 years),
///   otherwise an epoch: in seconds below 10¹², in milliseconds from there on
///   (both mean 9 September 2001, so none of them is a moment to come in the
///   other unit), then in microseconds and nanoseconds.
/// - A response that was stored for a while (`Age` above zero) says nothing of
///   the limits as they are now. A `Retry-After` in it still counts.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use lyra_ratelimit::Feedback;
///
/// let headers = [
///     ("RateLimit-Policy", r#""burst";q=100;w=60, "daily";q=1000;w=86400"#),
///     ("RateLimit", r#""burst";r=0;t=30"#),
/// ];
/// let feedback = Feedback::from_headers(429, headers, SystemTime::now());
///
/// assert!(feedback.is_throttled());
/// assert_eq!(feedback.pause(), Some(Duration::from_secs(30)));
/// let [burst, daily] = feedback.limits() else { panic!("two policies") };
/// assert_eq!((burst.name(), burst.limit(), burst.remaining()), ("burst", Some(100), Some(0)));
/// assert_eq!(daily.window(), Some(Duration::from_secs(86_400)));
/// ```
///
/// With `http` or `reqwest` the header map itself will do:
/// `Feedback::from_headers(response.status().as_u16(), response.headers(), SystemTime::now())`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feedback {
    throttled: bool,
    retry_after: Option<Duration>,
    limits: Vec<ObservedLimit>,
}

impl Feedback {
    /// The longest wait that is believed: 24 hours, for [`retry_after`] and
    /// [`pause`]. A service that means longer can say so again a day later,
    /// and one that is mistaken, or hostile, stops its callers for a day at
    /// most.
    ///
    /// [`retry_after`]: Self::retry_after
    /// [`pause`]: Self::pause
    pub const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

    /// The longest [`window`](ObservedLimit::window) and
    /// [`reset`](ObservedLimit::reset): 366 days. They are not cut to
    /// [`MAX_WAIT`](Self::MAX_WAIT), because 1,000 calls a month are not 1,000
    /// calls a day.
    pub const MAX_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// The most limits of one response that are kept: the first eight.
    pub const MAX_LIMITS: usize = 8;

    /// A refusal that was learnt of without headers: from an error that the
    /// body carries, for instance, or from a protocol other than HTTP.
    ///
    /// `retry_after` is how long the service asked to stay away, and is cut to
    /// [`MAX_WAIT`](Self::MAX_WAIT).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use lyra_ratelimit::Feedback;
    ///
    /// let feedback = Feedback::throttled(Some(Duration::from_secs(20)));
    /// assert!(feedback.is_throttled());
    /// assert_eq!(feedback.retry_after(), Some(Duration::from_secs(20)));
    /// assert!(feedback.limits().is_empty());
    /// ```
    #[must_use]
    pub fn throttled(retry_after: Option<Duration>) -> Self {
        Self {
            throttled: true,
            retry_after: retry_after.map(|wait| wait.min(Self::MAX_WAIT)),
            limits: Vec::new(),
        }
    }

    /// Reads `status` and `headers` of a response that came at `now`, a time
    /// of the wall clock.
    ///
    /// `headers` yields pairs of name and value, in any order and as often as
    /// they came; a reference to a header map does, as does an array of pairs
    /// of strings. Names are taken in any case.
    ///
    /// It can't fail, whatever the bytes: see [what holds](Self#which-value-holds).
    /// It takes time in proportion to the headers and allocates for what it
    /// returns alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use lyra_ratelimit::Feedback;
    ///
    /// let headers = [
    ///     ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
    ///     ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"),
    /// ];
    /// // This machine's clock is decades off, and it doesn't matter.
    /// let feedback = Feedback::from_headers(503, headers, SystemTime::UNIX_EPOCH);
    /// assert_eq!(feedback.retry_after(), Some(Duration::from_secs(30)));
    /// ```
    #[must_use]
    pub fn from_headers<N, V>(
        status: u16,
        headers: impl IntoIterator<Item = (N, V)>,
        now: SystemTime,
    ) -> Self
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let mut gathered = Gathered::default();
        for (name, value) in headers {
            gathered.read(name.as_ref(), value.as_ref());
        }
        // A clock before 1970 is wrong anyway; only what has no `Date` is then
        // taken for too far away, and clamped.
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let server = gathered.server_time(now);
        // Below 400 it says when to follow a redirect or to ask for a result
        // that isn't ready, which is no matter of limits.
        let retry_after =
            gathered.retry_after.after(server).filter(|_| status >= 400).map(cut_wait);
        let limits = gathered.into_limits(server);
        Self { throttled: is_refusal(status, retry_after, &limits), retry_after, limits }
    }

    /// Whether the service refused the call because there were too many.
    ///
    /// It is so for status 429, with whatever headers; for 503 and 529
    /// (overloaded) if the service asks to stay away for a time, since without
    /// it nothing is said of limits and the call is a matter of retries; and for
    /// 403 if the service asks so or a limit has nothing remaining, which is how
    /// GitHub refuses.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// How long the service asked to stay away, from when the response came:
    /// the longest of its `Retry-After`, zero if that is over, at most
    /// [`MAX_WAIT`](Self::MAX_WAIT).
    ///
    /// Only a response of status 400 and above can ask so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The limits that were reported, in the order of the headers, at most
    /// [`MAX_LIMITS`](Self::MAX_LIMITS); last come those policies of the older
    /// drafts that are not in force now.
    ///
    /// Each holds by itself, also where two have one name.
    #[must_use]
    pub fn limits(&self) -> &[ObservedLimit] {
        &self.limits
    }

    /// What a refusal means for a call that was refused, as a retry policy
    /// wants to know it: try again, and not before
    /// [`retry_after`](Self::retry_after). `None` if it was no refusal.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use lyra_errors::Recovery;
    /// use lyra_ratelimit::Feedback;
    ///
    /// let feedback = Feedback::from_headers(429, [("retry-after", "7")], SystemTime::now());
    /// assert_eq!(feedback.recovery(), Some(Recovery::retry_after(Duration::from_secs(7))));
    /// ```
    #[must_use]
    pub fn recovery(&self) -> Option<Recovery> {
        self.throttled.then_some(Recovery::Retry { after: self.retry_after })
    }

    /// How long to send nothing: what a refusal asks for with
    /// [`retry_after`](Self::retry_after), otherwise the longest reset of the
    /// limits that have nothing remaining, at most
    /// [`MAX_WAIT`](Self::MAX_WAIT). `None` if the response doesn't say how
    /// long, or gives no reason to pause.
    ///
    /// `Retry-After` comes first even if it is the shorter, because the drafts
    /// of `RateLimit` demand it: it is about this caller, now. One of zero, or
    /// one that is over, asks for nothing.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        let asked = self.retry_after.filter(|wait| self.throttled && !wait.is_zero());
        asked.or_else(|| {
            let exhausted = self.limits.iter().filter(|limit| limit.is_exhausted());
            exhausted.filter_map(ObservedLimit::reset).max().map(cut_wait)
        })
    }
}

fn is_refusal(status: u16, retry_after: Option<Duration>, limits: &[ObservedLimit]) -> bool {
    match status {
        429 => true,
        503 | 529 => retry_after.is_some(),
        403 => retry_after.is_some() || limits.iter().any(ObservedLimit::is_exhausted),
        _ => false,
    }
}

fn cut_wait(wait: Duration) -> Duration {
    wait.min(Feedback::MAX_WAIT)
}
