//! A limiter that listens to what responses say.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::time::{Duration, SystemTime};

use lyra_ratelimit::{
    Feedback, LimitSet, Limits, ManualClock, Quota, RateLimitError, RateLimiter, ServiceLimits,
    TokioClock,
};

const SECOND: Duration = Duration::from_secs(1);

fn limiter(quota: Quota) -> (RateLimiter<ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    clock.advance(SECOND * 3_600);
    (RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap(), clock)
}

fn response<const N: usize>(status: u16, headers: [(&str, &str); N]) -> Feedback {
    Feedback::from_headers(status, headers, SystemTime::now())
}

fn wait(limiter: &RateLimiter<ManualClock>) -> Duration {
    limiter.try_acquire().err().and_then(|error| error.retry_after()).unwrap_or_default()
}

#[test]
fn it_stays_away_for_as_long_as_it_was_asked_to() {
    let (limiter, clock) = limiter(Quota::per_second(10));
    limiter.learn(&response(429, [("Retry-After", "20")]));
    assert_eq!(wait(&limiter), SECOND * 20);
    assert_eq!(limiter.status().held_for, SECOND * 20);
    clock.advance(SECOND * 20);
    assert_eq!(limiter.try_acquire(), Ok(()));
    assert_eq!(limiter.status().held_for, Duration::ZERO);
}

#[test]
fn it_goes_on_at_half_the_speed_and_recovers_in_small_steps() {
    let (limiter, clock) = limiter(Quota::per_second(10).with_burst(1));
    limiter.learn(&Feedback::throttled(None));
    limiter.try_acquire().unwrap();
    assert_eq!(wait(&limiter), Duration::from_millis(200));
    let mut seen = vec![];
    for _ in 0..6 {
        seen.push(limiter.status().limits[0].pace_percent);
        clock.advance(SECOND * 30);
    }
    assert_eq!(seen, [50, 60, 70, 80, 90, 100]);
    limiter.try_acquire().unwrap();
    assert_eq!(wait(&limiter), Duration::from_millis(100));
}

#[test]
fn it_never_stops_for_good_however_often_it_is_told_off() {
    let (limiter, clock) = limiter(Quota::per_second(10).with_burst(1));
    for _ in 0..1_000 {
        limiter.learn(&response(429, [("Retry-After", "99999999999")]));
    }
    assert_eq!(wait(&limiter), SECOND * 3_600, "an hour is the longest hold");
    clock.advance(SECOND * 3_600);
    assert_eq!(limiter.try_acquire(), Ok(()));
}

#[test]
fn hostile_headers_change_nothing() {
    let (limiter, _) = limiter(Quota::per_second(10));
    let hostile = [
        ("Retry-After", "-5"),
        ("Retry-After", "NaN"),
        ("X-RateLimit-Remaining", "-1"),
        ("X-RateLimit-Limit", "1e400"),
        ("RateLimit", "\"x\";r="),
    ];
    for header in hostile {
        limiter.learn(&response(200, [header]));
    }
    limiter.learn(&response(503, [("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT")]));
    assert_eq!(limiter.available(), 10);
    assert_eq!(wait(&limiter), Duration::ZERO);
}

#[test]
fn it_counts_no_more_than_the_service_has_left() {
    let (limiter, _) = limiter(Quota::per_minute(60));
    limiter.learn(&response(200, [("X-RateLimit-Remaining", "7")]));
    assert_eq!(limiter.available(), 7);
    limiter.learn(&response(200, [("X-RateLimit-Remaining", "5000")]));
    assert_eq!(limiter.available(), 7, "never more than it was told");
    let nothing = [("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "90")];
    limiter.learn(&response(200, nothing));
    assert_eq!(wait(&limiter), SECOND * 90);
}

#[test]
fn a_lower_rate_of_the_service_is_kept() {
    let (limiter, _) = limiter(Quota::per_second(10).with_burst(1));
    let policy = [("RateLimit-Policy", "\"default\";q=150;w=60")];
    limiter.learn(&response(200, policy));
    limiter.try_acquire().unwrap();
    assert_eq!(wait(&limiter), Duration::from_millis(400), "150 a minute, a quarter of ours");
    assert_eq!(limiter.quota(), Quota::per_second(10).with_burst(1), "it will be back");
}

#[test]
fn what_may_be_used_at_once_in_a_long_window_is_no_rate() {
    let (limiter, _) = limiter(Quota::per_minute(100));
    let policy = [("RateLimit-Policy", "\"burst\";q=100;w=60, \"daily\";q=1000;w=86400")];
    limiter.learn(&response(200, policy));
    limiter.learn(&response(200, [("x-ratelimit-limit-requests-day", "14400")]));
    assert_eq!(limiter.status().limits[0].pace_percent, 100);
    let nearly_used = [("x-ratelimit-remaining-requests-day", "3")];
    limiter.learn(&response(200, nearly_used));
    assert_eq!(limiter.available(), 3);
}

#[test]
fn well_meant_responses_do_not_keep_a_complaint_alive() {
    let (limiter, clock) = limiter(Quota::per_minute(100));
    for _ in 0..5 {
        limiter.learn(&Feedback::throttled(None));
    }
    assert_eq!(limiter.status().limits[0].pace_percent, 5);
    for _ in 0..600 {
        clock.advance(SECOND);
        limiter.learn(&response(200, [("RateLimit-Policy", "\"default\";q=90;w=60")]));
    }
    assert_eq!(limiter.status().limits[0].pace_percent, 90);
}

#[test]
fn a_new_quota_does_not_end_a_complaint() {
    let (limiter, _) = limiter(Quota::per_second(10).with_burst(1));
    limiter.learn(&Feedback::throttled(None));
    limiter.set_quota(Quota::per_second(100).with_burst(1)).unwrap();
    limiter.try_acquire().unwrap();
    assert_eq!(wait(&limiter), Duration::from_millis(20));
}

#[test]
fn what_is_told_while_it_recovers_reckons_with_the_recovery() {
    let (limiter, clock) = limiter(Quota::every(SECOND * 600));
    limiter.learn(&Feedback::throttled(None));
    limiter.try_acquire().unwrap();
    let told = wait(&limiter);
    assert!(told > SECOND * 600 && told < SECOND * 700, "{told:?}");
    clock.advance(told - Duration::from_nanos(1));
    assert!(limiter.try_acquire().is_err());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(limiter.try_acquire(), Ok(()));
}

#[test]
fn a_limit_that_is_held_back_shows_it_until_there_is_something_left() {
    let (limiter, _) = limiter(Quota::per_minute(10));
    limiter.learn(&response(200, [("RateLimit", "\"default\";r=0;t=3600")]));
    assert_eq!(limiter.status().held_for, SECOND * 3_600);
    limiter.learn(&response(200, [("RateLimit", "\"default\";r=1000;t=3600")]));
    assert_eq!(limiter.status().held_for, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_sooner_when_it_recovers() {
    let limiter = RateLimiter::builder(Quota::every(SECOND * 600))
        .with_clock(TokioClock::new())
        .build()
        .unwrap();
    limiter.learn(&Feedback::throttled(None));
    limiter.try_acquire().unwrap();
    let start = tokio::time::Instant::now();
    let told = limiter.try_acquire().unwrap_err().retry_after().unwrap();
    limiter.acquire(SECOND * 1_200).await.unwrap();
    let late = start.elapsed().checked_sub(told).unwrap();
    assert!(late < Duration::from_millis(1), "{late:?} after {told:?}");
}

#[test]
fn a_strict_window_waits_and_keeps_its_amount() {
    let (limiter, clock) = limiter(Quota::per_minute(4).strict());
    limiter.learn(&response(429, [("Retry-After", "10"), ("X-RateLimit-Remaining", "1")]));
    assert_eq!(wait(&limiter), SECOND * 10);
    clock.advance(SECOND * 10);
    limiter.try_acquire().unwrap();
    assert_eq!(wait(&limiter), SECOND * 50);
}

#[test]
fn each_limit_of_a_set_learns_what_is_meant_for_it() {
    let limits = Limits::new()
        .with("requests", Quota::per_minute(60))
        .with("tokens", Quota::per_minute(9_000))
        .with_slots("connections", 3);
    let set = LimitSet::builder(limits).with_clock(ManualClock::new()).build().unwrap();
    set.learn(&response(
        200,
        [("x-ratelimit-remaining-requests", "59"), ("x-ratelimit-remaining-tokens", "1200")],
    ));
    let left: Vec<_> = set.status().limits.iter().map(|limit| limit.available).collect();
    assert_eq!(left, [59, 1_200, 3]);
    set.learn(&response(200, [("anthropic-ratelimit-tokens-remaining", "100")]));
    assert_eq!(set.status().limits[1].available, 100);
    assert_eq!(set.status().limits[0].available, 59);
}

#[test]
fn a_service_learns_by_name() {
    let services = ServiceLimits::builder().with_clock(ManualClock::new()).build().unwrap();
    services.register("api", Quota::per_minute(100)).unwrap();
    services.learn("api", &response(200, [("ratelimit-remaining", "3")])).unwrap();
    services.learn("stranger", &response(200, [("ratelimit-remaining", "4")])).unwrap();
    let status = services.status();
    assert_eq!(status["api"].limits[0].available, 3);
    assert_eq!(status["stranger"].limits[0].available, 4);
}

#[test]
fn a_clock_that_is_set_back_makes_a_hold_no_longer() {
    let (limiter, clock) = limiter(Quota::per_second(10));
    limiter.learn(&response(429, [("Retry-After", "60")]));
    clock.set_back(SECOND * 3_600);
    assert_eq!(wait(&limiter), SECOND * 60);
    clock.advance(SECOND * 60);
    assert_eq!(wait(&limiter), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_held_back_or_told_that_it_will_be_too_late() {
    let limiter =
        RateLimiter::per_second(1).with_burst(1).with_clock(TokioClock::new()).build().unwrap();
    limiter.try_acquire().unwrap();
    let start = tokio::time::Instant::now();
    let wait = |timeout| {
        let limiter = limiter.clone();
        tokio::spawn(async move { (limiter.acquire(timeout).await, start.elapsed()) })
    };
    let (short, patient) = (wait(SECOND * 5), wait(SECOND * 100));
    tokio::task::yield_now().await;
    limiter.learn(&response(429, [("Retry-After", "20")]));
    let (outcome, at) = short.await.unwrap();
    assert!(matches!(outcome, Err(RateLimitError::TimedOut { .. })), "{outcome:?}");
    assert_eq!(at, Duration::ZERO, "at once");
    let (outcome, at) = patient.await.unwrap();
    assert_eq!((outcome, at), (Ok(()), SECOND * 20));
}
