use super::name::{MAX_NAME, Name};

/// What a header is for, by its name.
pub(super) enum Header {
    Date,
    Age,
    RetryAfter,
    RetryAfterMillis,
    RateLimit,
    RateLimitPolicy,
    /// One number of one limit.
    Part(Family, Part, Name),
}

/// Headers that are written by one hand. A gateway and the service behind it
/// may both send theirs, and of different limits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// The IETF's, of all drafts: services that send two drafts at once mean
    /// the same limits.
    Draft,
    XRateLimit,
    XRateDashLimit,
    Anthropic,
}

/// Which of its numbers.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Limit,
    Remaining,
    Reset,
}

const FAMILIES: [(&str, Family); 4] = [
    ("ratelimit-", Family::Draft),
    ("x-ratelimit-", Family::XRateLimit),
    ("x-rate-limit-", Family::XRateDashLimit),
    ("anthropic-ratelimit-", Family::Anthropic),
];

const PARTS: [(&str, Part); 3] =
    [("limit", Part::Limit), ("remaining", Part::Remaining), ("reset", Part::Reset)];

impl Header {
    /// What the header `name` is for; `None` if it says nothing of limits.
    pub(super) fn named(name: &str) -> Option<Self> {
        // Also keeps a name that is cut from being taken for a shorter one.
        if name.len() > MAX_NAME || !name.bytes().all(is_name_byte) {
            return None;
        }
        let name = Name::new(name.bytes().map(|byte| byte.to_ascii_lowercase()));
        Some(match name.as_str() {
            "date" => Self::Date,
            "age" => Self::Age,
            "retry-after" => Self::RetryAfter,
            "retry-after-ms" | "x-ms-retry-after-ms" => Self::RetryAfterMillis,
            "ratelimit" => Self::RateLimit,
            "ratelimit-policy" => Self::RateLimitPolicy,
            other => return Self::part(other),
        })
    }

    fn part(name: &str) -> Option<Self> {
        let (family, rest) = FAMILIES
            .iter()
            .find_map(|(prefix, family)| Some((*family, name.strip_prefix(prefix)?)))?;
        let (part, limit) =
            PARTS.iter().find_map(|(word, part)| Some((*part, around(rest, word)?)))?;
        // Discord's `x-ratelimit-reset-after` is the reset of no limit `after`.
        let limit = if matches!(part, Part::Reset) && limit == "after" { "" } else { limit };
        Some(Self::Part(family, part, Name::new(limit.bytes())))
    }
}

/// The name that stands before or behind `word`, empty if `word` is all.
fn around<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    if text == word {
        return Some("");
    }
    let behind = text.strip_prefix(word).and_then(|rest| rest.strip_prefix('-'));
    let name = behind.or_else(|| text.strip_suffix(word).and_then(|rest| rest.strip_suffix('-')));
    name.filter(|name| !name.is_empty())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit and the part that `name` is about.
    fn part(name: &str) -> Option<(String, &'static str)> {
        let Some(Header::Part(_, part, limit)) = Header::named(name) else { return None };
        let part = match part {
            Part::Limit => "limit",
            Part::Remaining => "remaining",
            Part::Reset => "reset",
        };
        Some((limit.as_str().to_owned(), part))
    }

    #[test]
    fn the_name_of_a_limit_stands_before_or_behind_its_part() {
        for (header, limit, word) in [
            ("X-RateLimit-Limit", "default", "limit"),
            ("x-rate-limit-remaining", "default", "remaining"),
            ("RateLimit-Reset", "default", "reset"),
            ("x-ratelimit-reset-after", "default", "reset"),
            ("x-ratelimit-limit-after", "after", "limit"),
            ("X-RateLimit-Remaining-Requests", "requests", "remaining"),
            ("x-ratelimit-limit-tokens-minute", "tokens-minute", "limit"),
            ("anthropic-ratelimit-requests-limit", "requests", "limit"),
            ("anthropic-ratelimit-output-tokens-reset", "output-tokens", "reset"),
        ] {
            assert_eq!(part(header), Some((limit.to_owned(), word)), "{header}");
        }
        let longest = "a".repeat(MAX_NAME - "x-ratelimit-limit-".len());
        assert_eq!(part(&format!("x-ratelimit-limit-{longest}")), Some((longest, "limit")));
    }

    #[test]
    fn other_headers_say_nothing() {
        let long = format!("x-ratelimit-limit-{}", "a".repeat(MAX_NAME));
        for header in [
            "",
            "-",
            "x-ratelimit-",
            "x-ratelimit-limit-",
            "x-ratelimit--limit",
            "x-ratelimit-used",
            "x-ratelimit-resource",
            "x-ratelimit-limits",
            "ratelimit-resettime",
            "x-ratelimit-limit-a b",
            "x-ratelimit-limit-\u{fc}",
            "limit",
            &long,
        ] {
            assert!(Header::named(header).is_none(), "{header}");
        }
    }
}
