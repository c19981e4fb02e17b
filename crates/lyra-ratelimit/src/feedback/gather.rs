use std::time::Duration;

use super::Feedback;
use super::header::{Family, Header, Part};
use super::limit::{LimitUnit, ObservedLimit};
use super::list::{Item, Member, members};
use super::name::Name;
use super::numbers::Numbers;
use super::until::{Until, date, seconds};

/// The longest value of a header that is looked at, in bytes: eight policies
/// with names, units and partition keys take less.
const MAX_VALUE: usize = 1024;

/// What was found in the headers so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) retry_after: Until,
    date: Option<Duration>,
    age: Option<Duration>,
    limits: Vec<Draft>,
}

/// A limit in the making.
struct Draft {
    family: Family,
    name: Name,
    /// Whether it is a policy of the older drafts, which has no name but its
    /// numbers.
    nameless: bool,
    numbers: Numbers,
}

impl Gathered {
    /// Takes in one header.
    pub(super) fn read(&mut self, name: &str, value: &[u8]) {
        let Some(header) = Header::named(name) else { return };
        let value = value.trim_ascii();
        if value.len() > MAX_VALUE {
            return;
        }
        match header {
            // Of several, those that make for the longer wait.
            Header::Date => self.date = earliest(self.date, date(value)),
            Header::Age => self.age = self.age.max(seconds(value)),
            Header::RetryAfter => {
                self.retry_after = self.retry_after.or_later(Until::retry_after(value));
            }
            Header::RetryAfterMillis => {
                self.retry_after = self.retry_after.or_later(Until::millis(value));
            }
            Header::RateLimit => members(value).for_each(|member| self.service_limit(&member)),
            Header::RateLimitPolicy => members(value).for_each(|member| self.policy(&member)),
            Header::Part(family, part, name) => self.part(family, part, name, value),
        }
    }

    /// The time at the service, in the clock that its headers are in.
    pub(super) fn server_time(&self, now: Duration) -> Duration {
        let age = self.age.unwrap_or_default();
        self.date.map_or(now, |date| date.saturating_add(age))
    }

    /// The limits as they are at `server`, the time there.
    pub(super) fn into_limits(mut self, server: Duration) -> Vec<ObservedLimit> {
        // A stored response has seen nothing of the calls since.
        if self.age.is_some_and(|age| !age.is_zero()) {
            return Vec::new();
        }
        self.place_windows();
        let mut limits = Vec::with_capacity(self.limits.len());
        for draft in &self.limits {
            let limit = draft.finish(server);
            if !limits.contains(&limit) {
                limits.push(limit);
            }
        }
        limits
    }

    /// `RateLimit`: `"default";r=50;t=30` since draft 08, and
    /// `limit=100, remaining=50, reset=5` before.
    fn service_limit(&mut self, member: &Member<'_>) {
        let Item::Text(label) = member.label else { return };
        let Some(value) = member.value else {
            let left = Numbers::left(member.remaining, member.reset);
            return self.observe(Family::Draft, unescaped(label), left);
        };
        let numbers = match label {
            b"limit" => Numbers::quota(value.number(), None),
            b"remaining" => Numbers::left(value.number(), None),
            b"reset" => Numbers::left(None, value.number()),
            _ => return,
        };
        self.observe(Family::Draft, Name::new([]), numbers);
    }

    /// `RateLimit-Policy`: `"daily";q=1000;w=86400` since draft 08, and
    /// `1000;w=86400` before.
    fn policy(&mut self, member: &Member<'_>) {
        let quota = Numbers::quota(member.quota, member.window);
        match member.label {
            Item::Text(label) if quota.limit.is_some() => {
                let unit = member.unit.map(LimitUnit::of_parameter);
                self.observe(Family::Draft, unescaped(label), Numbers { unit, ..quota });
            }
            Item::Number(limit) => self.nameless(Family::Draft, limit, member.window),
            _ => {}
        }
    }

    /// A header of its own for each number. A limit may have its policies
    /// behind it (`100, 100;w=60`) or its window with it (`100;w=60`).
    fn part(&mut self, family: Family, part: Part, name: Name, value: &[u8]) {
        if let Part::Reset = part {
            let reset = Until::reset(value);
            return self.observe(family, name, Numbers { reset, ..Numbers::default() });
        }
        for (index, member) in members(value).enumerate() {
            let Some(number) = member.label.number() else { continue };
            match part {
                Part::Limit if index > 0 && member.window.is_some() => {
                    self.nameless(family, number, member.window);
                }
                Part::Limit => {
                    self.observe(family, name, Numbers::quota(Some(number), member.window));
                }
                _ => self.observe(family, name, Numbers::left(Some(number), None)),
            }
        }
    }

    fn nameless(&mut self, family: Family, limit: u64, window: Option<u64>) {
        let numbers = Numbers::quota(Some(limit), window);
        if let (Some(seconds), true) = (window, numbers.window.is_some()) {
            let name = Name::of_policy(limit, seconds);
            self.add(Draft { family, name, nameless: true, numbers });
        }
    }

    fn observe(&mut self, family: Family, name: Name, numbers: Numbers) {
        if numbers != Numbers::default() {
            self.add(Draft { family, name, nameless: false, numbers });
        }
    }

    fn add(&mut self, draft: Draft) {
        if let Some(known) = self.limits.iter_mut().find(|known| known.is_same(&draft)) {
            known.numbers.tighten(&draft.numbers);
        } else if self.limits.len() < Feedback::MAX_LIMITS {
            self.limits.push(draft);
        }
    }

    /// Gives the window of a nameless policy to the limit with its number: that
    /// is the policy in force, and told. The others come last.
    fn place_windows(&mut self) {
        let (policies, limits): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.limits).into_iter().partition(|limit| limit.nameless);
        self.limits = limits;
        for policy in policies {
            let mut told = false;
            // All of them, lest it be the first that came.
            for limit in self.limits.iter_mut().filter(|limit| limit.is_under(&policy)) {
                limit.numbers.tighten(&policy.numbers);
                told = true;
            }
            if !told {
                self.limits.push(policy);
            }
        }
    }
}

impl Draft {
    fn is_same(&self, other: &Self) -> bool {
        (self.family, self.nameless, self.name) == (other.family, other.nameless, other.name)
    }

    fn is_under(&self, policy: &Self) -> bool {
        !self.nameless && self.family == policy.family && self.numbers.limit == policy.numbers.limit
    }

    fn finish(&self, server: Duration) -> ObservedLimit {
        let (name, numbers) = (self.name.as_str(), &self.numbers);
        let reset = numbers.reset.after(server);
        ObservedLimit {
            name: name.to_owned(),
            unit: numbers.unit.unwrap_or_else(|| LimitUnit::of_name(name)),
            limit: numbers.limit,
            window: numbers.window.or_else(|| window_of_name(name)),
            remaining: numbers.remaining,
            reset: reset.map(|reset| reset.min(Feedback::MAX_WINDOW)),
        }
    }
}

/// The window that a name such as `requests-day` ends in.
fn window_of_name(name: &str) -> Option<Duration> {
    let seconds = match name.rsplit('-').next()? {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// The earlier of two moments; one that is missing is not.
fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

/// The name that stands in a string with its escapes.
fn unescaped(text: &[u8]) -> Name {
    let mut escaped = false;
    Name::new(text.iter().copied().filter(move |byte| {
        escaped = !escaped && *byte == b'\\';
        !escaped
    }))
}
