//! The thread that speaks to the network. It has a runtime of its own, so
//! that nobody's runtime is needed, and none is blocked or nested in.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How much of a refusal is read: enough to quote from.
pub(super) const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// How much later than its limit an exchange may be told to have ended. Past
/// that the thread is believed lost.
const GRACE: Duration = Duration::from_secs(2);

/// One request, and where its outcome goes.
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) body: Vec<u8>,
    /// How long it may take, from name resolution to the last byte.
    pub(super) limit: Duration,
    pub(super) max_bytes: usize,
}

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered(Answered),
    TimedOut,
    TooLarge,
    /// The connection broke in the middle of the answer.
    CutShort(reqwest::Error),
    Unreachable(reqwest::Error),
    /// The thread is gone, or did not answer in time.
    ThreadLost,
}

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
    pub(super) body: Vec<u8>,
}

type Job = (Request, mpsc::SyncSender<Outcome>);

/// The handle of the thread, which ends when this is dropped.
pub(super) struct Thread {
    /// `None` only while it is dropped.
    jobs: Option<UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    /// Starts it. `client` is called there, since what a TLS library does when
    /// it is set up wrongly is to panic.
    pub(super) fn start(
        client: impl FnOnce() -> Result<Client, String> + Send + 'static,
    ) -> Result<Self, String> {
        let (jobs, queue) = unbounded_channel();
        let (ready, started) = mpsc::sync_channel(1);
        let body = move || match client().and_then(|client| Ok((runtime()?, client))) {
            Ok((runtime, client)) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(serve(client, queue));
                // A name that is still being resolved must not hold the drop.
                runtime.shutdown_background();
            }
            Err(reason) => {
                let _ = ready.send(Err(reason));
            }
        };
        let thread = std::thread::Builder::new()
            .name("lyra-embedder".to_owned())
            .spawn(body)
            .map_err(|error| format!("its thread cannot start: {error}"))?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { jobs: Some(jobs), thread: Some(thread) }),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err("its HTTP client panicked while it was made".to_owned()),
        }
    }

    /// Makes a request and waits for its end, which comes by its limit.
    pub(super) fn exchange(&self, request: Request) -> Outcome {
        let (answer, answered) = mpsc::sync_channel(1);
        let wait = request.limit.saturating_add(GRACE);
        let jobs = self.jobs.as_ref().expect("it is taken only by the drop");
        if jobs.send((request, answer)).is_err() {
            return Outcome::ThreadLost;
        }
        answered.recv_timeout(wait).unwrap_or(Outcome::ThreadLost)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was told by then, to whoever waited.
            let _ = thread.join();
        }
    }
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Used for name resolution alone.
        .max_blocking_threads(4)
        .build()
        .map_err(|error| format!("its runtime cannot start: {error}"))
}

async fn serve(client: Client, mut queue: UnboundedReceiver<Job>) {
    while let Some((request, answer)) = queue.recv().await {
        let client = client.clone();
        // Where it panics the sender is dropped, which the caller sees.
        tokio::spawn(async move {
            let limit = request.limit;
            let outcome = tokio::time::timeout(limit, exchange(&client, request)).await;
            let _ = answer.send(outcome.unwrap_or(Outcome::TimedOut));
        });
    }
}

async fn exchange(client: &Client, request: Request) -> Outcome {
    let Request { url, body, max_bytes, .. } = request;
    let sent = client.post(url).header(CONTENT_TYPE, "application/json").body(body).send().await;
    let response = match sent {
        Ok(response) => response,
        Err(error) => return Outcome::Unreachable(error.without_url()),
    };
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let is_refusal = !status.is_success();
    let limit = if is_refusal { MAX_REFUSAL_BYTES } else { max_bytes };
    match read(response, limit).await {
        (_, End::Broken(error)) if !is_refusal => Outcome::CutShort(error.without_url()),
        (_, End::TooLarge) if !is_refusal => Outcome::TooLarge,
        // Whatever came of a refusal is enough to quote from.
        (body, _) => Outcome::Answered(Answered { status, retry_after, body }),
    }
}

enum End {
    Whole,
    TooLarge,
    Broken(reqwest::Error),
}

/// The body in pieces, so that no more than `limit` bytes are ever held.
async fn read(mut response: Response, limit: usize) -> (Vec<u8>, End) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => {
                let room = limit - body.len();
                body.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    return (body, End::TooLarge);
                }
            }
            Ok(None) => return (body, End::Whole),
            Err(error) => return (body, End::Broken(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::dns::{Name, Resolve, Resolving};
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::openai::client::client_builder;

    struct Broken;

    impl Resolve for Broken {
        fn resolve(&self, _: Name) -> Resolving {
            panic!("a defect below us");
        }
    }

    fn request() -> Request {
        let url = Url::parse("http://endpoint.test/").unwrap();
        Request { url, body: Vec::new(), limit: Duration::from_secs(60), max_bytes: 1 }
    }

    #[test]
    fn a_thread_that_cannot_start_says_so() {
        let refused = Thread::start(|| Err("no".to_owned())).err();
        assert_eq!(refused.as_deref(), Some("no"));
        let panicked = Thread::start(|| panic!("a defect below us")).err();
        assert_eq!(panicked.as_deref(), Some("its HTTP client panicked while it was made"));
    }

    #[test]
    fn a_panic_of_an_exchange_is_its_end_and_not_that_of_the_next() {
        let client = || {
            let builder = client_builder(HeaderMap::new(), Duration::from_secs(60), false, false);
            Ok(builder?.dns_resolver(Broken).build().unwrap())
        };
        let thread = Thread::start(client).unwrap();
        for _ in 0..2 {
            assert!(matches!(thread.exchange(request()), Outcome::ThreadLost));
        }
    }
}
