use std::fmt::Write as _;
use std::time::Duration;

use lyra::errors::Result;
use serde_json::{Value, json};

use super::agreement::Attempt;
use crate::output::{Output, units};

/// The attempts so far, each told once it is known what follows from it.
#[derive(Debug)]
pub(super) struct Timeline {
    output: Output,
    attempts: Vec<Attempt>,
    told: usize,
}

impl Timeline {
    pub(super) fn new(output: Output) -> Self {
        Self { output, attempts: Vec::new(), told: 0 }
    }

    pub(super) fn push(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
    }

    /// The latest attempt is followed by another one after this wait.
    pub(super) fn goes_on_after(&mut self, wait: Duration) {
        if let Some(attempt) = self.attempts[self.told..].last_mut() {
            attempt.next_try = Some(wait);
        }
    }

    /// Tells what is not yet told.
    pub(super) fn tell(&mut self) -> Result<()> {
        while let Some(attempt) = self.attempts.get(self.told) {
            let before = self.told.checked_sub(1).map(|before| self.attempts[before].call);
            self.told += 1;
            self.output.step(line(attempt, before != Some(attempt.call)))?;
        }
        Ok(())
    }

    pub(super) fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }
}

/// An attempt for people; the first one of a call names it.
fn line(attempt: &Attempt, is_first: bool) -> String {
    let mut line = format!("{:14}{:.2} s  ", "", attempt.ended.as_secs_f64());
    let _ = match is_first {
        true => write!(line, "call {}  ", attempt.call),
        false => write!(line, "{:8}", ""),
    };
    // The moment in which the clock was read again is no wait worth telling.
    if attempt.turn >= Duration::from_millis(1) {
        let _ = write!(line, "waited {} for its turn", units::time(attempt.turn));
        let _ = match attempt.rate_percent {
            100 => write!(line, "; "),
            percent => write!(line, " at {percent} % of the rate; "),
        };
    }
    let _ = match attempt.status {
        Some(status) => write!(line, "{status}"),
        None => write!(line, "no answer"),
    };
    if !attempt.stay_away.is_zero() {
        let _ = write!(line, ", asked to stay away for {}", units::time(attempt.stay_away));
    }
    if let Some(wait) = attempt.next_try {
        let _ = write!(line, "; next try in {}", units::time(wait));
    }
    line
}

/// Attempts for machines, times in seconds.
pub(super) fn document(attempts: &[Attempt]) -> Value {
    let row = |attempt: &Attempt| {
        json!({
            "call": attempt.call,
            "at": attempt.ended.as_secs_f64(),
            "rate_percent": attempt.rate_percent,
            "waited": attempt.turn.as_secs_f64(),
            "status": attempt.status,
            "stay_away": attempt.stay_away.as_secs_f64(),
            "next_try": attempt.next_try.map(|wait| wait.as_secs_f64()),
        })
    };
    attempts.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_one_line_that_says_what_followed_from_it() {
        let ms = Duration::from_millis;
        let mut attempt = Attempt { call: 3, status: Some(200), ..Attempt::default() };
        assert_eq!(line(&attempt, true), "              0.00 s  call 3  200");
        attempt.ended = ms(1_204);
        attempt.turn = ms(199);
        attempt.rate_percent = 50;
        attempt.status = Some(429);
        attempt.stay_away = ms(1_000);
        attempt.next_try = Some(ms(1_000));
        let told = line(&attempt, false);
        let expected = "1.20 s          waited 199 ms for its turn at 50 % of the rate; \
                        429, asked to stay away for 1.0 s; next try in 1.0 s";
        assert_eq!(told.trim_start(), expected);
    }
}
