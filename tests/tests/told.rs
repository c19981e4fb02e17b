//! What the crates tell of themselves reaches lyra-log, and says in which
//! operation it happened.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lyra_backup::{BackupManager, CreateOptions};
use lyra_errors::{Error, Recovery};
use lyra_gpu::{Candidate, GIB, GpuManager, LoadError, Loaded, ModelSpec, SimSource};
use lyra_log::{Instrument, JsonLayer, MemorySink, Run, Settings, operation};
use lyra_memstore::{MemoryError, MemoryStore};
use lyra_ratelimit::{Feedback, RateLimiter};
use lyra_retry::{CircuitBreaker, RetryPolicy};
use lyra_sync::TimeoutLock;
use serde_json::Value;
use tracing_subscriber::prelude::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

async fn retries() {
    let breaker = CircuitBreaker::consecutive(2).named("router").build().unwrap();
    let policy = RetryPolicy::exponential().with_base_delay(MILLISECOND).with_breaker(breaker);
    let policy = policy.with_max_retries(1).build().unwrap();
    let flaky = || async { Err::<(), _>(Error::router("no route").with_recovery(Recovery::RETRY)) };
    policy.run(flaky).await.unwrap_err();
    let hopeless = RetryPolicy::exponential().build().unwrap();
    hopeless.run_blocking(|| Err::<(), _>(Error::validation("age", "no"))).unwrap_err();
}

async fn limits() {
    let limiter = RateLimiter::per_second(100).with_burst(1).named("anthropic").build().unwrap();
    limiter.try_acquire().unwrap();
    limiter.try_acquire().unwrap_err();
    limiter.acquire(SECOND * 2).await.unwrap();
    limiter.learn(&Feedback::throttled(Some(SECOND)));
}

fn locks() {
    let lock = TimeoutLock::named("state", 0);
    let held = lock.lock_for(SECOND).unwrap();
    let (here, span) = (tracing::dispatcher::get_default(Clone::clone), tracing::Span::current());
    let wait = || span.in_scope(|| lock.lock_for(MILLISECOND).map(drop).unwrap_err());
    std::thread::scope(|scope| {
        scope.spawn(|| tracing::dispatcher::with_default(&here, wait));
    });
    drop(held);
}

fn memories(directory: &Path) {
    let store = MemoryStore::open(directory).unwrap();
    store.begin().unwrap().commit().unwrap();
    store.transaction(|_| Err::<(), MemoryError>(store.begin().unwrap_err())).unwrap_err();
}

fn backups(source: &Path, backups: &Path) {
    let manager = BackupManager::builder(source, backups).build().unwrap();
    let report = manager.create_blocking(CreateOptions::default()).unwrap();
    manager.validate_blocking(&report.name).unwrap();
    manager.restore(&report.name).to(source.with_extension("again")).run_blocking().unwrap();
    manager.validate_blocking("none").unwrap_err();
}

async fn models() {
    let sim = SimSource::new().with_gpu("sim-0", 24 * GIB);
    let gpu = GpuManager::builder(sim.clone()).build().unwrap();
    let monitor = gpu.start().unwrap();
    let spec = ModelSpec::new("chat")
        .with_candidate(Candidate::gpu("q8", 26 * GIB))
        .with_candidate(Candidate::gpu("q4", 14 * GIB));
    let load = move |grant: lyra_gpu::Grant| {
        let sim = sim.clone();
        async move {
            let (device, bytes) = grant.shares[0].clone();
            sim.take(device, bytes).map(Loaded::value).map_err(LoadError::out_of_memory)
        }
    };
    drop(gpu.acquire(&spec, SECOND * 60, load).await.unwrap());
    monitor.shutdown(SECOND).await;
}

#[test]
fn what_happens_in_an_operation_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (store, kept) = (directory.path().join("store"), directory.path().join("backups"));
    let lines = Arc::new(MemorySink::new());
    let json = JsonLayer::new(lines.clone(), Arc::new(Run::new()), Settings::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(json), || {
        let whole = async {
            retries().await;
            limits().await;
            locks();
            memories(&store);
            backups(&store, &kept);
            models().await;
        };
        runtime.block_on(whole.instrument(operation!("nightly", user_id = "123")));
    });

    let lines = lines.take();
    let records: Vec<Value> = lines.iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    let find = |target: &str, message: &str| {
        let is_it = |record: &&Value| record["target"] == target && record["msg"] == message;
        let record = records.iter().find(is_it);
        record.unwrap_or_else(|| panic!("no {message} of {target} in {lines:#?}"))
    };
    let told = [
        ("lyra_retry", "attempt failed", "code", "host.router"),
        ("lyra_retry", "circuit broken", "circuit", "router"),
        ("lyra_retry", "gave up", "reason", "retries_used_up"),
        ("lyra_retry", "not retried", "code", "host.validation"),
        ("lyra_ratelimit", "refused", "limiter", "anthropic"),
        ("lyra_ratelimit", "waited", "limiter", "anthropic"),
        ("lyra_ratelimit", "service complained", "limiter", "anthropic"),
        ("lyra_sync", "timed out", "waited_for", "state"),
        ("lyra_memstore", "opened", "operation", "nightly"),
        ("lyra_memstore", "committed", "operation", "nightly"),
        ("lyra_memstore", "rolled back", "operation", "nightly"),
        ("lyra_backup", "created", "operation", "nightly"),
        ("lyra_backup", "verified", "operation", "nightly"),
        ("lyra_backup", "restored", "operation", "nightly"),
        ("lyra_backup", "failed", "code", "backup.not_found"),
        ("lyra_gpu", "degraded", "variant", "q4"),
        ("lyra_gpu", "loaded", "model", "chat"),
    ];
    for (target, message, key, value) in told {
        let record = find(target, message);
        assert_eq!(record[key], value, "{record}");
        // Whoever is at telling a manager's events tells those of others, too.
        if target != "lyra_gpu" {
            let (operation, user) = (&record["operation"], &record["user_id"]);
            assert_eq!((operation, user), (&"nightly".into(), &"123".into()), "{record}");
        }
    }
}
