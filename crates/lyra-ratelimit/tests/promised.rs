//! What the first version promised, row by row: 4.1 and 4.2.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::Duration;

use lyra_ratelimit::{
    ManualClock, Quota, RateLimiter, ServiceLimits, TokioClock, global, presets, set_global,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn calls_a_minute_with_a_burst_that_refills() {
    let clock = ManualClock::new();
    let limiter =
        RateLimiter::per_minute(60).with_burst(10).with_clock(clock.clone()).build().unwrap();
    assert_eq!(limiter.available(), 10);
    for _ in 0..10 {
        limiter.try_acquire().unwrap();
    }
    assert_eq!(limiter.available(), 0);
    assert_eq!(limiter.try_acquire().unwrap_err().retry_after(), Some(SECOND));
    clock.advance(SECOND * 3);
    assert_eq!(limiter.available(), 3);
    clock.advance(SECOND * 3_600);
    assert_eq!(limiter.available(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_for_its_token_up_to_its_timeout() {
    let limiter =
        RateLimiter::per_minute(60).with_burst(1).with_clock(TokioClock::new()).build().unwrap();
    let start = tokio::time::Instant::now();
    limiter.acquire(SECOND * 10).await.unwrap();
    limiter.acquire(SECOND * 10).await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
    assert!(limiter.acquire(SECOND / 10).await.is_err());
    assert_eq!(start.elapsed(), SECOND, "a timeout of a tenth of a second takes no longer");
}

#[test]
fn a_thread_waits_for_its_token_up_to_its_timeout() {
    let clock = ManualClock::new();
    let limiter =
        RateLimiter::per_minute(60).with_burst(1).with_clock(clock.clone()).build().unwrap();
    let start = lyra_ratelimit::Clock::now(&clock);
    limiter.acquire_blocking(SECOND * 10).unwrap();
    limiter.acquire_blocking(SECOND * 10).unwrap();
    assert!(limiter.acquire_blocking(SECOND / 10).is_err());
    assert_eq!(lyra_ratelimit::Clock::now(&clock) - start, 1_000_000_000);
}

#[test]
fn a_real_thread_really_waits() {
    let limiter = RateLimiter::per_second(100).with_burst(1).build().unwrap();
    let start = std::time::Instant::now();
    for _ in 0..6 {
        limiter.acquire_blocking(SECOND * 10).unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(49), "{:?}", start.elapsed());
}

#[test]
fn the_promised_services_have_the_promised_limits() {
    let services = ServiceLimits::with_presets();
    let promised = [("wolframalpha", 60), ("arxiv", 30), ("wikipedia", 100), ("chromadb", 1_000)];
    let status = services.status();
    assert_eq!(status.len(), promised.len());
    for (name, per_minute) in promised {
        assert_eq!(status[name].limits[0].quota, Some(Quota::per_minute(per_minute)), "{name}");
    }
    for _ in 0..60 {
        services.try_acquire("somebody").unwrap();
    }
    assert!(services.try_acquire("somebody").is_err(), "the default is 60 a minute");
}

#[test]
fn the_providers_own_rules_are_there_too() {
    let clock = ManualClock::new();
    let services = ServiceLimits::builder().with_clock(clock.clone()).build().unwrap();
    for (name, limits) in presets::provider() {
        services.register(name, limits).unwrap();
    }
    let zero = Duration::ZERO;
    let paper = services.enter_blocking("arxiv", &[], zero).unwrap();
    clock.advance(SECOND * 10);
    assert!(services.enter_blocking("arxiv", &[], zero).is_err(), "one connection");
    drop(paper);
    drop(services.enter_blocking("arxiv", &[], zero).unwrap());
    assert!(services.enter_blocking("arxiv", &[], zero).is_err(), "one request in 3 s");

    let page = services.enter_blocking("wikipedia", &[], zero).unwrap();
    assert!(services.enter_blocking("wikipedia", &[], zero).is_err(), "in series");
    drop(page);

    for _ in 0..2_000 {
        services.try_acquire("wolframalpha").unwrap();
    }
    clock.advance(SECOND * 86_400 * 30);
    assert!(services.try_acquire("wolframalpha").is_err(), "2,000 in any month");
    clock.advance(SECOND * 86_400);
    services.try_acquire("wolframalpha").unwrap();
}

#[test]
fn there_is_one_instance_for_those_who_want_it() {
    let mine = ServiceLimits::new();
    mine.register("mine", Quota::per_minute(7)).unwrap();
    set_global(mine).unwrap();
    assert!(global().status().contains_key("mine"));
    let late = set_global(ServiceLimits::new()).unwrap_err();
    assert!(late.0.status().is_empty(), "the one that came too late is handed back");
}
