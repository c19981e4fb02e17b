//! What a failed exchange is told as, and what may be quoted of it.

use std::time::{Duration, SystemTime};

use lyra_errors::{Code, Error, ErrorKind, Recovery, Secret};
use lyra_retry::RetryError;
use reqwest::{StatusCode, Url};

use super::answer::Wrong;
use super::thread::{Answered, MAX_REFUSAL_BYTES};
use crate::codes;

const QUOTED_CHARS: usize = 200;

/// What every error names, and what none may hold.
pub(super) struct Quoting {
    endpoint: String,
    model: String,
    key: Option<Secret<String>>,
}

impl Quoting {
    pub(super) fn new(url: &Url, model: String, key: Option<Secret<String>>) -> Self {
        let mut endpoint = url.clone();
        // It may hold a key.
        endpoint.set_query(None);
        Self { endpoint: endpoint.into(), model, key }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn unreachable(&self, source: reqwest::Error) -> Error {
        self.error(codes::EMBEDDER_UNREACHABLE, "the endpoint cannot be reached".to_owned())
            .with_recovery(Recovery::RETRY)
            .with_source(source)
    }

    pub(super) fn thread_lost(&self) -> Error {
        let told = "the thread that speaks to the endpoint is lost".to_owned();
        self.error(codes::EMBEDDER_UNREACHABLE, told)
    }

    pub(super) fn timed_out(&self, after: Duration) -> Error {
        self.error(codes::EMBEDDER_TIMEOUT, format!("no whole answer came within {after:?}"))
            .with_recovery(Recovery::RETRY)
    }

    pub(super) fn too_large(&self, limit: usize) -> Error {
        let told = format!("the answer is longer than {limit} bytes");
        self.error(codes::EMBEDDER_ANSWER, told)
    }

    pub(super) fn cut_short(&self, source: reqwest::Error) -> Error {
        self.error(codes::EMBEDDER_ANSWER, "the answer was cut short".to_owned())
            .with_recovery(Recovery::RETRY)
            .with_source(source)
    }

    pub(super) fn wrong(&self, wrong: Wrong, body: &[u8]) -> Error {
        let (told, recovery) = match wrong {
            Wrong::CutShort(told) => (told, Recovery::RETRY),
            Wrong::Other(told) => (told, Recovery::Permanent),
        };
        // What serde tells of a wrong type holds the value.
        let told = format!("a wrong answer: {}", self.quote(told.as_bytes()));
        self.error(codes::EMBEDDER_ANSWER, told)
            .with_recovery(recovery)
            .with_context("body", self.quote(body))
    }

    /// A status that is no success.
    pub(super) fn refused(&self, answered: &Answered, now: SystemTime) -> Error {
        let Answered { status, retry_after, body } = answered;
        let after = retry_after.as_deref().and_then(|value| wait_of(value, now));
        let is_throttled = *status == StatusCode::TOO_MANY_REQUESTS;
        let may_succeed_later =
            is_throttled || *status == StatusCode::REQUEST_TIMEOUT || status.is_server_error();
        let code = match status.is_server_error() {
            true => codes::EMBEDDER_UNREACHABLE,
            false => codes::EMBEDDER_REFUSED,
        };
        let kind = if is_throttled { ErrorKind::RateLimit } else { ErrorKind::Memory };
        let told = format!("the endpoint answered {status}{}", advice(*status));
        let error = self
            .error_of(kind, code, told)
            .with_context("status", status.as_u16())
            .with_context("body", self.quote(body));
        match may_succeed_later {
            true => error.with_recovery(Recovery::Retry { after }),
            false => error,
        }
    }

    fn error(&self, code: Code, told: String) -> Error {
        self.error_of(ErrorKind::Memory, code, told)
    }

    fn error_of(&self, kind: ErrorKind, code: Code, told: String) -> Error {
        Error::new(kind, code, told)
            .with_context("url", self.endpoint.as_str())
            .with_context("model", self.model.as_str())
    }

    /// The beginning of a text from outside: one line, without the key.
    fn quote(&self, text: &[u8]) -> String {
        let mut quoted: String =
            String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
        if let Some(key) = &self.key {
            let key = key.expose();
            quoted = quoted.replace(key, "[key]");
            if text.len() >= MAX_REFUSAL_BYTES {
                // Its end may be the beginning of a key.
                let kept = quoted.chars().count().saturating_sub(key.len());
                quoted = quoted.chars().take(kept).collect();
            }
        }
        if let Some((end, _)) = quoted.char_indices().nth(QUOTED_CHARS) {
            quoted.truncate(end);
            quoted.push('…');
        }
        quoted
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; check the API key",
        StatusCode::NOT_FOUND => "; check the URL and the name of the model",
        _ if status.is_redirection() => "; redirects are not followed, give the final URL",
        _ => "",
    }
}

/// `Retry-After`: seconds, or a date.
fn wait_of(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // A date that has passed asks for no wait.
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The last error of a call that gave up, with what the retries add to it.
pub(super) fn gave_up(error: RetryError<Error>) -> Error {
    use lyra_errors::Classify;
    let (attempts, recovery) = (error.attempts(), error.recovery());
    let (reason, seconds) = (error.reason(), error.elapsed().as_secs_f64());
    if error.last_error().is_none() {
        return error.into();
    }
    let last = error.into_last_error().expect("it was there a line before");
    last.with_recovery(recovery)
        .with_context("attempts", attempts)
        .with_context("elapsed_seconds", seconds)
        .with_context("gave_up", reason.to_string())
}

pub(super) fn require(is_met: bool, setting: &'static str, needs: &str) -> Result<(), Error> {
    if is_met { Ok(()) } else { Err(invalid(setting, &format!("it must be {needs}"))) }
}

pub(super) fn invalid(setting: &'static str, reason: &str) -> Error {
    let told = format!("the embedder's {setting} cannot be meant: {reason}");
    Error::new(ErrorKind::Validation, codes::EMBEDDER_SETTINGS, told)
        .with_context("setting", setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoting(key: &str) -> Quoting {
        let url = Url::parse("http://localhost/v1/embeddings?key=hidden").unwrap();
        Quoting::new(&url, "m".to_owned(), Some(Secret::new(key.to_owned())))
    }

    #[test]
    fn a_quotation_is_one_short_line_without_the_key() {
        let quoting = quoting("sk-canary");
        assert_eq!(quoting.quote(b"no\r\n \x1b[1msk-\ncanary!"), "no [1m[key]!");
        let long = quoting.quote("ü".repeat(500).as_bytes());
        assert_eq!((long.chars().count(), long.ends_with('…')), (201, true));
        assert_eq!(quoting.endpoint(), "http://localhost/v1/embeddings");
    }

    #[test]
    fn a_key_that_the_cut_goes_through_is_not_quoted() {
        let mut body = vec![b'\n'; MAX_REFUSAL_BYTES - 5];
        body.extend_from_slice(b"sk-ca");
        assert_eq!(quoting("sk-canary").quote(&body), "");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |value| wait_of(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:40 GMT"), Some(3));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:30 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-1"), None);
    }
}
