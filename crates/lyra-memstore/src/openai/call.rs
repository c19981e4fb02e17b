//! One batch: its request, the attempts, and what each came to.

use std::time::{Instant, SystemTime};

use lyra_errors::Error;
use serde::Serialize;

use super::OpenAiEmbedder;
use super::answer::decode;
use super::failure::gave_up;
use super::thread::{Outcome, Request};

/// For a number as JSON with whatever white space: `-1.2345678901234567e-10, `
/// has 25 bytes.
const BYTES_PER_NUMBER: usize = 40;
const BYTES_BESIDE: usize = 1 << 20;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

impl OpenAiEmbedder {
    pub(super) fn embed_batch(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let body = Body {
            model: &self.model,
            input: texts,
            encoding_format: "float",
            dimensions: self.asks_for_dimension.then_some(self.dimension),
        };
        let body = serde_json::to_vec(&body).expect("texts and numbers are always JSON");
        let begun = Instant::now();
        let attempt = || self.attempt(&body, texts.len(), begun);
        self.policy.run_blocking(attempt).map_err(gave_up)
    }

    fn attempt(&self, body: &[u8], texts: usize, begun: Instant) -> Result<Vec<Vec<f32>>, Error> {
        let limit = self.attempt_timeout.min(self.deadline.saturating_sub(begun.elapsed()));
        let max_bytes = self.max_answer_bytes.unwrap_or_else(|| self.expected_bytes(texts));
        let request = Request { url: self.url.clone(), body: body.to_vec(), limit, max_bytes };
        match self.thread.exchange(request) {
            Outcome::Answered(answered) if answered.status.is_success() => {
                decode(&answered.body, texts, self.dimension)
                    .map_err(|wrong| self.quoting.wrong(wrong, &answered.body))
            }
            Outcome::Answered(answered) => Err(self.quoting.refused(&answered, SystemTime::now())),
            Outcome::TimedOut => Err(self.quoting.timed_out(limit)),
            Outcome::TooLarge => Err(self.quoting.too_large(max_bytes)),
            Outcome::CutShort(error) => Err(self.quoting.cut_short(error)),
            Outcome::Unreachable(error) => Err(self.quoting.unreachable(error)),
            Outcome::ThreadLost => Err(self.quoting.thread_lost()),
        }
    }

    /// More than any answer with that many vectors needs.
    fn expected_bytes(&self, texts: usize) -> usize {
        let numbers = texts.saturating_mul(self.dimension as usize);
        numbers.saturating_mul(BYTES_PER_NUMBER).saturating_add(BYTES_BESIDE)
    }
}
