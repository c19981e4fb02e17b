//! Whether a key says that its value is secret.

/// What a key says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Plain,
    /// Secret, but for a number: `tokens=512` counts.
    UnlessNumber,
    Secret,
}

/// Secret wherever they stand in a key.
const STRONG: &[&str] = &[
    "apikey",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "jwt",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "sessionid",
    "token",
];

/// Secret as words that follow one another.
const PAIRS: &[(&str, &str)] = &[
    ("access", "key"),
    ("amz", "signature"),
    ("account", "key"),
    ("api", "key"),
    ("auth", "key"),
    ("encryption", "key"),
    ("master", "key"),
    ("private", "key"),
    ("session", "id"),
    ("session", "key"),
    ("signing", "key"),
    ("ssh", "key"),
];

/// Secret where nothing but a [carrier](CARRIERS) follows: `session_started`
/// and `auth_method` are none.
const WEAK: &[&str] = &["auth", "otp", "pw", "session"];

/// A word that ends so is one of these: people write `dbpassword`.
const ENDINGS: &[&str] =
    &["apikey", "authorization", "cookie", "passphrase", "passwd", "password", "secret", "token"];

/// Words that only say in which form the secret comes.
const CARRIERS: &[&str] = &["data", "header", "raw", "string", "text", "value"];

/// Words behind which the value is about the secret, and not the secret.
const ABOUT: &[&str] = &[
    "age",
    "attempts",
    "budget",
    "chars",
    "count",
    "counter",
    "enabled",
    "endpoint",
    "estimate",
    "expired",
    "expires",
    "expiration",
    "expiry",
    "file",
    "kind",
    "left",
    "len",
    "length",
    "limit",
    "max",
    "min",
    "missing",
    "ms",
    "name",
    "path",
    "per",
    "policy",
    "present",
    "rate",
    "remaining",
    "required",
    "seconds",
    "secs",
    "size",
    "total",
    "ttl",
    "type",
    "uri",
    "url",
    "usage",
    "used",
];

/// Words before a plural that make it a count, as in `max_tokens`.
const COUNTED: &[&str] = &[
    "cached",
    "completion",
    "generated",
    "input",
    "max",
    "min",
    "n",
    "num",
    "output",
    "prompt",
    "total",
    "used",
];

/// The keys that a host added, and those that it declared to be ordinary.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    secret: Vec<Vec<String>>,
    plain: Vec<Vec<String>>,
}

impl Keys {
    pub(super) fn add(&mut self, key: &str) {
        let words = lowered(key);
        if !words.is_empty() {
            self.secret.push(words);
        }
    }

    pub(super) fn keep(&mut self, key: &str) {
        self.plain.push(lowered(key));
    }

    pub(super) fn added(&self) -> usize {
        self.secret.len()
    }

    pub(super) fn judge(&self, key: &str) -> Verdict {
        if self.plain.iter().any(|plain| begins_with(words(key), plain) == Some(0)) {
            return Verdict::Plain;
        }
        if self.secret.iter().any(|secret| contains(words(key), secret)) {
            return Verdict::Secret;
        }
        judge_words(words(key))
    }
}

fn judge_words(words: Words<'_>) -> Verdict {
    let mut verdict = Verdict::Plain;
    let mut weak = false;
    let (mut before, mut counted) = ("", false);
    for word in words {
        let (stem, plural) = stem(word);
        let secret = is_one_of(stem, STRONG)
            || PAIRS.iter().any(|(first, second)| is(before, first) && is(stem, second))
            || ENDINGS.iter().any(|ending| ends_with(stem, ending));
        if secret {
            weak = false;
            verdict = match (plural, counted) {
                (true, true) => Verdict::Plain,
                (true, false) => Verdict::UnlessNumber,
                (false, _) => Verdict::Secret,
            };
        } else if is_one_of(word, WEAK) {
            weak = true;
        } else if verdict != Verdict::Plain && is_one_of(word, ABOUT) {
            verdict = Verdict::Plain;
        } else if !is_one_of(word, CARRIERS) {
            weak = false;
        }
        counted |= is_one_of(word, COUNTED);
        before = word;
    }
    if weak { Verdict::Secret } else { verdict }
}

/// A word without the number behind it, and without the `s` of a plural.
fn stem(word: &str) -> (&str, bool) {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    match word.strip_suffix(['s', 'S']) {
        Some(stem) if stem.len() > 2 => (stem, true),
        _ => (word, false),
    }
}

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn is_one_of(word: &str, list: &[&str]) -> bool {
    list.iter().any(|other| is(word, other))
}

fn ends_with(word: &str, ending: &str) -> bool {
    word.len()
        .checked_sub(ending.len())
        .and_then(|at| word.get(at..))
        .is_some_and(|end| is(end, ending))
}

fn lowered(key: &str) -> Vec<String> {
    words(key).map(str::to_ascii_lowercase).collect()
}

/// How many words are left behind `wanted`, where they begin with it.
fn begins_with(mut words: Words<'_>, wanted: &[String]) -> Option<usize> {
    for wanted in wanted {
        let word = words.next()?;
        if !is(word, wanted) && !is(stem(word).0, wanted) {
            return None;
        }
    }
    Some(words.count())
}

fn contains(mut words: Words<'_>, wanted: &[String]) -> bool {
    loop {
        if begins_with(words, wanted).is_some() {
            return true;
        }
        if words.next().is_none() {
            return false;
        }
    }
}

fn words(key: &str) -> Words<'_> {
    Words(key)
}

/// The words of `api_key`, `api-key`, `apiKey` and `APIKey`.
#[derive(Clone, Copy)]
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start_matches(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric());
        let bytes = rest.as_bytes();
        if bytes.is_empty() {
            return None;
        }
        let end = (1..bytes.len())
            .find(|&at| ends_word(bytes[at - 1], bytes[at], bytes.get(at + 1).copied()))
            .unwrap_or(bytes.len());
        let (word, rest) = rest.split_at(end);
        self.0 = rest;
        Some(word)
    }
}

/// Whether a word ends between the first two. A break is before an ASCII
/// byte, so it is between characters.
fn ends_word(before: u8, at: u8, after: Option<u8>) -> bool {
    match at {
        b'A'..=b'Z' => {
            !before.is_ascii_uppercase() || after.is_some_and(|after| after.is_ascii_lowercase())
        }
        _ => at.is_ascii() && !at.is_ascii_alphanumeric(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(key: &str) -> Verdict {
        Keys::default().judge(key)
    }

    #[test]
    fn words_are_found_in_any_spelling() {
        for key in ["api_key", "api-key", "apiKey", "APIKey", "x.api.key", "API_KEY", "api key"] {
            assert_eq!(
                words(key).collect::<Vec<_>>().len(),
                2 + usize::from(key.len() > 7),
                "{key}"
            );
            assert_eq!(judge(key), Verdict::Secret, "{key}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_keys() {
        for key in [
            "password",
            "Password2",
            "user.password",
            "dbPassword",
            "dbpassword",
            "passwd",
            "pwd",
            "PASSPHRASE",
            "client_secret",
            "token",
            "accessToken",
            "token_from_env",
            "apikey",
            "OPENAI_API_KEY",
            "authorization",
            "Proxy-Authorization",
            "auth",
            "x-auth",
            "cookie",
            "set-cookie",
            "Set_Cookie",
            "private_key",
            "session",
            "session_id",
            "sessionId",
            "auth_header",
            "aws_secret_access_key",
            "jwt",
            "password_hash",
        ] {
            assert_eq!(judge(key), Verdict::Secret, "{key}");
        }
    }

    #[test]
    fn what_counts_or_describes_is_no_secret() {
        for key in [
            "tokens_used",
            "max_tokens",
            "prompt_tokens",
            "completionTokens",
            "token_count",
            "tokens_per_second",
            "token_type",
            "token_ttl_seconds",
            "password_length",
            "author",
            "authors",
            "auth_method",
            "session_started",
            "session_count",
            "cookie_name",
            "tokenizer",
            "secretary",
            "monkey",
            "key",
            "keyboard",
            "passed",
            "compass",
            "secret_name",
            "user_id",
        ] {
            assert_eq!(judge(key), Verdict::Plain, "{key}");
        }
        assert_eq!(judge("tokens"), Verdict::UnlessNumber);
        assert_eq!(judge("credentials"), Verdict::UnlessNumber);
    }

    #[test]
    fn a_host_adds_keys_and_keeps_others() {
        let mut keys = Keys::default();
        keys.add("badge_number");
        keys.keep("session_id");
        assert_eq!(keys.judge("myBadgeNumber2"), Verdict::Secret);
        assert_eq!(keys.judge("badge"), Verdict::Plain);
        assert_eq!(keys.judge("SessionId"), Verdict::Plain);
        assert_eq!(keys.judge("old_session_id"), Verdict::Secret);
    }
}
