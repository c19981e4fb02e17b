//! An endpoint fails in every way that there is; each has its code, ends in
//! time, and tells nobody the key.
#![cfg(feature = "openai")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

#[path = "support/endpoint.rs"]
mod endpoint;

use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use endpoint::{Endpoint, Reply};
use lyra_errors::{Classify, Error, ErrorKind, Recovery};
use lyra_memstore::{
    Embedder, Entry, MemoryStore, OpenAiEmbedder, OpenAiEmbedderBuilder, Query, Space,
};
use lyra_retry::{CircuitBreaker, Jitter, ManualClock, RetryPolicy};

const KEY: &str = "sk-canary-0123456789";
/// Of a call that is to fail by itself: long, so that no busy machine does.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of a call that is to run out of time.
const BRIEF: Duration = Duration::from_millis(60);

fn builder(url: impl Into<String>) -> OpenAiEmbedderBuilder {
    OpenAiEmbedder::builder(url, "m").with_dimension(2).with_api_key(KEY.to_owned())
}

/// Two retries on a clock on which nothing really waits.
fn patient(clock: &ManualClock) -> RetryPolicy {
    RetryPolicy::exponential()
        .with_max_retries(2)
        .with_base_delay(Duration::from_secs(1))
        .with_jitter(Jitter::None)
        .with_attempt_timeout(PATIENCE)
        .with_manual_time(clock)
        .build()
        .unwrap()
}

struct Tried {
    result: Result<Vec<Vec<f32>>, Error>,
    slept: Vec<u64>,
    requests: usize,
}

/// What one text comes to at an endpoint with these replies.
fn tried(replies: impl IntoIterator<Item = Reply>) -> Tried {
    let endpoint = Endpoint::new(replies);
    let clock = ManualClock::new();
    let embedder = builder(endpoint.url()).with_retry_policy(patient(&clock)).build().unwrap();
    let result = embedder.embed(&["text"]);
    if let Err(error) = &result {
        assert_hides_the_key(error);
    }
    let slept = clock.slept().iter().map(Duration::as_secs).collect();
    Tried { result, slept, requests: endpoint.requests() }
}

/// The error of a call that is not retried.
fn permanent(reply: Reply) -> Error {
    let tried = tried([reply]);
    let error = tried.result.unwrap_err();
    assert_eq!((tried.requests, error.recovery()), (1, Recovery::Permanent), "{error:?}");
    error
}

fn assert_hides_the_key(error: &Error) {
    let causes: Vec<_> = error.causes().map(|cause| format!("{cause} {cause:?}")).collect();
    let told = format!("{error} {error:?} {} {causes:?}", error.to_json());
    assert!(!told.contains(KEY), "{told}");
}

fn context(error: &Error, key: &str) -> String {
    let mut pairs = error.context().iter();
    let value = pairs
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
        .unwrap_or_else(|| panic!("no {key} in {error:?}"));
    value.to_string()
}

#[test]
fn texts_become_vectors_by_the_request_that_all_servers_know() {
    let endpoint = Endpoint::new([]);
    let embedder = builder(endpoint.url()).build().unwrap();
    assert_eq!(embedder.embed(&["a", "four"]).unwrap(), [[1.0, 1.0], [4.0, 1.0]]);
    let seen = &endpoint.take_seen()[0];
    assert!(seen.head.starts_with("POST /v1/embeddings HTTP/1.1\r\n"), "{}", seen.head);
    let head = seen.head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}")), "{head}");
    let body =
        serde_json::json!({"model": "m", "input": ["a", "four"], "encoding_format": "float"});
    assert_eq!(seen.body, body);
}

#[test]
fn a_base_url_may_end_in_a_slash_and_keep_a_query_that_is_told_to_nobody() {
    let endpoint = Endpoint::new([Reply::status("400 Bad Request")]);
    let url = format!("{}/?api-version={KEY}", endpoint.url());
    let embedder = OpenAiEmbedder::builder(url, "m").with_requested_dimension(2).build().unwrap();
    let error = embedder.embed(&["a"]).unwrap_err();
    assert_hides_the_key(&error);
    assert!(!format!("{embedder:?}").contains(KEY));
    let seen = &endpoint.take_seen()[0];
    assert!(seen.head.starts_with(&format!("POST /v1/embeddings?api-version={KEY} ")));
    assert!(!seen.head.to_ascii_lowercase().contains("authorization"));
    assert_eq!(seen.body["dimensions"], 2);
}

#[test]
fn no_text_makes_no_request_and_many_make_several() {
    let endpoint = Endpoint::new([]);
    let embedder = builder(endpoint.url()).with_max_batch(2).build().unwrap();
    assert!(embedder.embed(&[]).unwrap().is_empty());
    assert_eq!(endpoint.requests(), 0);
    let vectors = embedder.embed(&["1", "22", "333", "4444", "55555"]).unwrap();
    let lengths: Vec<f32> = vectors.iter().map(|vector| vector[0]).collect();
    assert_eq!(lengths, [1.0, 2.0, 3.0, 4.0, 5.0]);
    let seen = endpoint.take_seen();
    let sizes: Vec<_> =
        seen.iter().map(|seen| seen.body["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[test]
fn vectors_are_put_into_the_order_of_their_texts() {
    let body = r#"{"data":[{"index":1,"embedding":[2,2]},{"index":0,"embedding":[1,1]}]}"#;
    let endpoint = Endpoint::new([Reply::ok(body)]);
    let embedder = builder(endpoint.url()).build().unwrap();
    assert_eq!(embedder.embed(&["a", "b"]).unwrap(), [[1.0, 1.0], [2.0, 2.0]]);
}

#[test]
fn a_wrong_answer_is_refused_at_once() {
    for (body, said) in [
        ("<html>busy</html>", "not the JSON"),
        (r#"{"error":"no such model"}"#, "missing field `data`"),
        (r#"{"data":[]}"#, "0 vectors for 1 texts"),
        (r#"{"data":[{"index":0,"embedding":[1,1]},{"index":0,"embedding":[1,1]}]}"#, "2 vectors"),
        (r#"{"data":[{"index":1,"embedding":[1,1]}]}"#, "the index 1"),
        (r#"{"data":[{"index":0,"embedding":[1]}]}"#, "1 numbers instead of 2"),
        (r#"{"data":[{"index":0,"embedding":[1,null]}]}"#, "null"),
        (r#"{"data":[{"index":0,"embedding":[1,1e999]}]}"#, "out of range"),
        (r#"{"data":[{"index":0,"embedding":[1,NaN]}]}"#, "not the JSON"),
        (r#"{"data":"sk-canary-0123456789"}"#, "[key]"),
    ] {
        let error = permanent(Reply::ok(body));
        assert_eq!(error.code().id(), "memstore.embedder_answer", "{body}");
        assert!(error.to_string().contains(said), "{error} does not say {said:?}");
    }
    let two = r#"{"data":[{"index":0,"embedding":[1,1]},{"index":0,"embedding":[1,1]}]}"#;
    let endpoint = Endpoint::new([Reply::ok(two)]);
    let error = builder(endpoint.url()).build().unwrap().embed(&["a", "b"]).unwrap_err();
    assert!(error.to_string().contains("the index 0 twice"), "{error}");
}

#[test]
fn an_answer_that_is_cut_short_is_asked_for_again() {
    for cut in [Reply::Cut(r#"{"data":["#, 400), Reply::ok(r#"{"data":["#)] {
        let tried = tried([cut]);
        assert_eq!((tried.result.unwrap(), tried.requests), (vec![vec![4.0, 1.0]], 2));
    }
    let error = tried(vec![Reply::Cut("{", 400); 3]).result.unwrap_err();
    assert_eq!(error.code().id(), "memstore.embedder_answer");
    assert_eq!(error.recovery(), Recovery::Exhausted);
}

#[test]
fn no_more_of_an_answer_is_read_than_was_allowed() {
    // A length that is told, and one that only shows.
    for reply in [Reply::ok(" ".repeat(5_000)), Reply::Trickle] {
        let endpoint = Endpoint::new([reply]);
        let embedder = builder(endpoint.url()).with_max_answer_bytes(10).build().unwrap();
        let error = embedder.embed(&["a"]).unwrap_err();
        assert_eq!(error.code().id(), "memstore.embedder_answer");
        assert_eq!(error.to_string(), "the answer is longer than 10 bytes");
        drop(embedder);
        endpoint.wait_until_closed();
    }
}

#[test]
fn what_the_endpoint_refuses_is_not_tried_again_and_says_what_to_check() {
    for (status, said) in [
        ("400 Bad Request", "400"),
        ("401 Unauthorized", "check the API key"),
        ("403 Forbidden", "check the API key"),
        ("404 Not Found", "check the URL and the name of the model"),
        ("413 Payload Too Large", "413"),
    ] {
        let error = permanent(Reply::status(status));
        assert_eq!(error.code().id(), "memstore.embedder_refused");
        assert_eq!(error.kind(), ErrorKind::Memory);
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(context(&error, "status"), status[..3]);
    }
}

#[test]
fn a_refusal_is_quoted_in_short_and_without_the_key() {
    let body = format!("the key\r\n{KEY} is \u{1b}[31mwrong {}", "x".repeat(100_000));
    let error = permanent(Reply::Status("401 Unauthorized", String::new(), body));
    let quoted = context(&error, "body");
    assert!(quoted.contains("the key[key] is [31mwrong xxx"), "{quoted}");
    assert!(quoted.chars().count() <= 203, "{quoted}");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Endpoint::new([]);
    let location = format!("location: {}/embeddings\r\n", elsewhere.url());
    for status in ["302 Found", "307 Temporary Redirect"] {
        let error = permanent(Reply::Status(status, location.clone(), String::new()));
        assert_eq!(error.code().id(), "memstore.embedder_refused");
        assert!(error.to_string().contains("redirects are not followed"), "{error}");
    }
    assert_eq!(elsewhere.requests(), 0);
}

#[test]
fn a_wait_that_the_endpoint_asks_for_is_kept() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let tried = tried([Reply::retry_after(status, "7")]);
        tried.result.unwrap();
        assert_eq!((tried.slept, tried.requests), (vec![7], 2));
    }
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(40));
    let slept = tried([Reply::retry_after("429 Too Many Requests", &date)]).slept;
    assert!((20..=40).contains(&slept[0]), "{slept:?}");
    // Longer than the deadline: the caller is told at once.
    let tried = tried([Reply::retry_after("429 Too Many Requests", "500")]);
    let error = tried.result.unwrap_err();
    assert_eq!((tried.requests, error.kind()), (1, ErrorKind::RateLimit));
    assert_eq!(error.code().id(), "memstore.embedder_refused");
    assert!(context(&error, "gave_up").contains("500"), "{error:?}");
}

#[test]
fn an_endpoint_that_fails_is_tried_again_until_the_retries_end() {
    let once = tried([Reply::status("500 Internal Server Error")]);
    assert_eq!((once.result.unwrap(), once.slept), (vec![vec![4.0, 1.0]], vec![1]));
    let always = tried(vec![Reply::status("500 Internal Server Error"); 3]);
    let error = always.result.unwrap_err();
    assert_eq!((always.requests, always.slept), (3, vec![1, 2]));
    assert_eq!(error.code().id(), "memstore.embedder_unreachable");
    assert_eq!(error.recovery(), Recovery::Exhausted);
    assert_eq!(context(&error, "attempts"), "3");
}

#[test]
fn where_nobody_listens_it_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clock = ManualClock::new();
    let embedder = builder(format!("http://{free}/v1"));
    let embedder = embedder.with_retry_policy(patient(&clock)).build().unwrap();
    let error = embedder.embed(&["a"]).unwrap_err();
    assert_eq!(error.code().id(), "memstore.embedder_unreachable");
    assert_eq!(clock.slept().len(), 2);
    assert!(context(&error, "url").contains(&format!("http://{free}/v1/embeddings")));
    assert!(format!("{error:?}").contains("refused"), "{error:?}");
    assert_hides_the_key(&error);

    let url = format!("http://{free}/v1?key={KEY}");
    let embedder = builder(url).with_max_retries(0).build().unwrap();
    assert_hides_the_key(&embedder.embed(&["a"]).unwrap_err());
}

#[test]
fn no_endpoint_holds_a_call_longer_than_its_timeout() {
    for reply in [Reply::Silence, Reply::Trickle] {
        let endpoint = Endpoint::new([reply]);
        let embedder = builder(endpoint.url()).with_max_retries(0).with_attempt_timeout(BRIEF);
        let error = embedder.build().unwrap().embed(&["a"]).unwrap_err();
        assert_eq!(error.code().id(), "memstore.embedder_timeout");
        assert_hides_the_key(&error);
        endpoint.wait_until_closed();
    }
}

#[test]
fn an_attempt_that_ran_out_of_time_is_followed_by_another() {
    let endpoint = Endpoint::new([Reply::Silence]);
    let policy = RetryPolicy::exponential().with_base_delay(Duration::from_millis(1));
    let embedder = builder(endpoint.url())
        .with_retry_policy(policy.build().unwrap())
        .with_attempt_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    assert_eq!(embedder.embed(&["a"]).unwrap(), [[1.0, 1.0]]);
    assert_eq!(endpoint.requests(), 2);
}

#[test]
fn the_deadline_ends_attempts_that_would_be_allowed_to_take_longer() {
    let endpoint = Endpoint::new(vec![Reply::Silence; 5]);
    let embedder = builder(endpoint.url()).with_deadline(BRIEF).build().unwrap();
    let error = embedder.embed(&["a"]).unwrap_err();
    assert_eq!(error.code().id(), "memstore.embedder_timeout");
    // Not after the 30 s of the attempt.
    assert!(error.to_string().ends_with("ms"), "{error}");
    assert_eq!((endpoint.requests(), error.recovery()), (1, Recovery::Exhausted));
}

#[test]
fn an_open_circuit_keeps_calls_away() {
    let endpoint = Endpoint::new([]);
    let breaker = CircuitBreaker::consecutive(5).build().unwrap();
    let policy = RetryPolicy::exponential().with_breaker(breaker.clone()).build().unwrap();
    let embedder = builder(endpoint.url()).with_retry_policy(policy).build().unwrap();
    breaker.isolate();
    assert_eq!(embedder.embed(&["a"]).unwrap_err().code().id(), "retry.circuit_open");
    assert_eq!(endpoint.requests(), 0);
}

#[test]
fn several_threads_embed_at_the_same_time() {
    let all = Arc::new(Barrier::new(8));
    let endpoint = Endpoint::new(vec![Reply::Together(all); 8]);
    let embedder = builder(endpoint.url()).with_max_retries(0).build().unwrap();
    std::thread::scope(|scope| {
        for length in 1..=8 {
            let (embedder, text) = (&embedder, "x".repeat(length));
            scope.spawn(move || {
                let vectors = embedder.embed(&[&text]).unwrap();
                assert_eq!(vectors, [[text.len() as f32, 1.0]]);
            });
        }
    });
}

#[tokio::test]
async fn it_lives_inside_of_a_runtime_too() {
    let endpoint = Endpoint::new([]);
    let embedder = Arc::new(builder(endpoint.url()).build().unwrap());
    // It blocks the runtime, but does not nest one in it.
    assert_eq!(embedder.embed(&["a"]).unwrap(), [[1.0, 1.0]]);
    let shared = embedder.clone();
    let task = tokio::task::spawn_blocking(move || shared.embed(&["bb"]));
    assert_eq!(task.await.unwrap().unwrap(), [[2.0, 1.0]]);
    drop(embedder);
    endpoint.wait_until_closed();
}

#[test]
fn dropped_it_closes_its_connections() {
    let endpoint = Endpoint::new([]);
    let embedder = builder(endpoint.url()).build().unwrap();
    embedder.embed(&["a"]).unwrap();
    embedder.embed(&["a"]).unwrap();
    drop(embedder);
    endpoint.wait_until_closed();
}

#[test]
fn settings_that_cannot_be_meant_are_refused_when_it_is_built() {
    let good = || builder("http://localhost/v1");
    let of = |url: &str| builder(url);
    let policy = "retry_policy";
    let cases: Vec<(OpenAiEmbedderBuilder, &str)> = vec![
        (of("localhost:11434/v1"), "base_url"),
        (of("nonsense"), "base_url"),
        (of("ftp://localhost/v1"), "base_url"),
        (of(&format!("http://me:{KEY}@localhost/v1")), "base_url"),
        (of(&format!("http://{KEY}@localhost/v1")), "base_url"),
        (of(&format!("http://localhost:{KEY}/v1")), "base_url"),
        (of("http://localhost/v1#here"), "base_url"),
        (OpenAiEmbedder::builder("http://localhost", "").with_dimension(2), "model"),
        (OpenAiEmbedder::builder("http://localhost", "a\nb").with_dimension(2), "model"),
        (OpenAiEmbedder::builder("http://localhost", "m"), "dimension"),
        (good().with_dimension(65_537), "dimension"),
        (good().with_api_key(format!("{KEY}\n")), "api_key"),
        (good().with_api_key(format!("{KEY}ü")), "api_key"),
        (good().with_api_key(String::new()), "api_key"),
        (good().with_max_batch(0), "max_batch"),
        (good().with_max_answer_bytes(0), "max_answer_bytes"),
        (good().with_deadline(Duration::ZERO), "deadline"),
        (good().with_attempt_timeout(Duration::ZERO), policy),
        (good().with_fingerprint(""), "fingerprint"),
        (good().with_fingerprint("a\u{7}"), "fingerprint"),
        (good().with_fingerprint("x".repeat(257)), "fingerprint"),
    ];
    for (builder, setting) in cases {
        assert!(!format!("{builder:?}").contains(KEY));
        let error = builder.build().unwrap_err();
        assert_eq!(error.code().id(), "memstore.embedder_settings", "{error}");
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(context(&error, "setting").trim_matches('"'), setting, "{error}");
        assert_hides_the_key(&error);
    }
    let embedder = good().build().unwrap();
    assert!(!format!("{embedder:?}").contains(KEY));
}

#[test]
fn the_fingerprint_is_of_the_model_and_not_of_where_it_runs() {
    let of = |builder: OpenAiEmbedderBuilder| builder.build().unwrap().fingerprint().to_owned();
    assert_eq!(of(builder("http://localhost/v1")), "openai:m:2");
    assert_eq!(of(builder("http://127.0.0.1:1/v2")), "openai:m:2");
    assert_eq!(of(builder("http://localhost").with_requested_dimension(3)), "openai:m:3:asked");
    assert_eq!(of(builder("http://localhost").with_fingerprint("mine")), "mine");
}

/// The variables of this process are those of all its tests, so another one
/// looks at them.
#[test]
fn a_proxy_is_used_only_by_those_who_ask_for_it() {
    const NAME: &str = "a_proxy_is_used_only_by_those_who_ask_for_it";
    if let Ok(url) = std::env::var("LYRA_TEST_ENDPOINT") {
        let direct = builder(url).with_max_retries(0).build().unwrap();
        assert_eq!(direct.embed(&["a"]).unwrap(), [[1.0, 1.0]]);
        let proxied = builder("http://nowhere.invalid/v1").with_max_retries(0);
        let proxied = proxied.with_environment_proxy().build().unwrap();
        assert_eq!(proxied.embed(&["bb"]).unwrap(), [[2.0, 1.0]]);
        return;
    }
    let (endpoint, proxy) = (Endpoint::new([]), Endpoint::new([]));
    let mut child = Command::new(std::env::current_exe().unwrap());
    for unset in ["http_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "REQUEST_METHOD"]
    {
        child.env_remove(unset);
    }
    let child = child.args(["--exact", NAME]).env("LYRA_TEST_ENDPOINT", endpoint.url());
    let ended = child.env("http_proxy", proxy.url()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    let (direct, proxied) = (endpoint.take_seen(), proxy.take_seen());
    assert_eq!((direct.len(), proxied.len()), (1, 1));
    assert!(proxied[0].head.starts_with("POST http://nowhere.invalid/v1/embeddings "));
}

fn store_with(dir: &tempfile::TempDir, embedder: OpenAiEmbedder) -> (MemoryStore, Space) {
    let space = Space::cosine(2).with_embedder(&embedder);
    let store = MemoryStore::builder(dir.path().join("memory")).with_embedder(Arc::new(embedder));
    (store.open().unwrap(), space)
}

#[test]
fn a_store_finds_texts_by_it_and_refuses_another_model() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new([]);
    let (store, space) = store_with(&dir, builder(endpoint.url()).build().unwrap());
    let texts = store.collection("texts", space).unwrap();
    texts.add(vec![Entry::fact("x"), Entry::fact("x".repeat(30))]).unwrap();
    let hits = texts.query(Query::text("y".repeat(29)).top(1)).unwrap();
    assert_eq!(hits[0].entry.content().len(), 30);
    drop((texts, store));

    let other = OpenAiEmbedder::builder(endpoint.url(), "other").with_dimension(2);
    let (store, space) = store_with(&dir, other.build().unwrap());
    let error = store.collection("texts", space).unwrap_err();
    assert_eq!(error.code().id(), "memstore.space_mismatch");
}

#[test]
fn an_embedder_that_fails_leaves_the_store_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new([Reply::Vectors, Reply::status("401 Unauthorized")]);
    let (store, space) = store_with(&dir, builder(endpoint.url()).build().unwrap());
    let texts = store.collection("texts", space).unwrap();
    texts.add(Entry::fact("x").with_id("1")).unwrap();
    let error: Error = texts.upsert(Entry::fact("yy").with_id("1")).unwrap_err().into();
    assert_eq!(error.code().id(), "memstore.embedding_failed");
    assert!(format!("{error:?}").contains("memstore.embedder_refused"), "{error:?}");
    assert_hides_the_key(&error);
    assert_eq!(texts.get("1").unwrap().unwrap().content(), "x");
}
