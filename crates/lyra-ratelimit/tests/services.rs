//! Limits by name: known services, unknown ones, and too many of either.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lyra_errors::Classify;
use lyra_ratelimit::{Feedback, Limits, ManualClock, Quota, ServiceLimits, TokioClock};

const MINUTE: Duration = Duration::from_secs(60);

fn services(room: usize) -> (ServiceLimits<ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    clock.advance(MINUTE);
    let builder = ServiceLimits::builder().with_default(Quota::per_minute(2)).with_room(room);
    (builder.with_clock(clock.clone()).build().unwrap(), clock)
}

#[test]
fn each_service_has_a_limit_of_its_own() {
    let (services, _) = services(10);
    services.register("a", Quota::per_minute(1)).unwrap();
    services.register("b", Quota::per_minute(1)).unwrap();
    services.try_acquire("a").unwrap();
    services.try_acquire("b").unwrap();
    let error = services.try_acquire("a").unwrap_err();
    assert_eq!(error.to_string(), "a: not yet: the next try makes sense in 60s");
    for _ in 0..2 {
        services.try_acquire("stranger").unwrap();
    }
    assert!(services.try_acquire("stranger").is_err());
    services.try_acquire("another").unwrap();
}

#[test]
fn a_handle_and_a_name_are_one_limit() {
    let (services, _) = services(10);
    let handle = services.register("a", Quota::per_minute(2)).unwrap();
    handle.try_acquire().unwrap();
    services.handle("a").unwrap().try_acquire().unwrap();
    assert!(services.try_acquire("a").is_err());
    assert_eq!(services.status()["a"].granted, 2);
}

#[test]
fn a_service_that_is_registered_again_keeps_what_it_took() {
    let (services, _) = services(10);
    services.register("a", Quota::per_minute(4)).unwrap();
    for _ in 0..3 {
        services.try_acquire("a").unwrap();
    }
    services.register("a", Quota::per_minute(5)).unwrap();
    assert_eq!(services.status()["a"].limits[0].available, 2);
    let other = Limits::new().with("tokens", Quota::per_minute(5));
    let error = services.register("a", other).unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.invalid");
    assert_eq!(services.status()["a"].limits[0].available, 2);
}

#[test]
fn a_stranger_that_is_registered_keeps_what_it_took() {
    let (services, _) = services(10);
    services.try_acquire("a").unwrap();
    services.try_acquire("a").unwrap();
    services.register("a", Quota::per_minute(10)).unwrap();
    assert_eq!(services.status()["a"].limits[0].available, 8);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_gets_slots_has_all_of_them_free() {
    let services = ServiceLimits::builder().with_clock(TokioClock::new()).build().unwrap();
    for _ in 0..50 {
        services.acquire("wikipedia", MINUTE).await.unwrap();
    }
    services.register("wikipedia", Limits::new().with_slots("connections", 1)).unwrap();
    drop(services.enter("wikipedia", &[], Duration::ZERO).await.unwrap());
    drop(services.enter("wikipedia", &[], Duration::ZERO).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_stranger_waits_for_the_registered_service() {
    let services = ServiceLimits::builder()
        .with_default(Quota::per_hour(1))
        .with_clock(TokioClock::new())
        .build()
        .unwrap();
    let handle = services.handle("a").unwrap();
    handle.try_acquire().unwrap();
    let start = tokio::time::Instant::now();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.acquire(MINUTE * 120).await }
    });
    tokio::task::yield_now().await;
    services.register("a", Quota::per_minute(1)).unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), MINUTE);
    assert!(services.try_acquire("a").is_err() && handle.try_acquire().is_err(), "one limit");
}

#[test]
fn what_a_stranger_was_told_counts_when_it_is_registered() {
    let (services, _) = services(10);
    services.learn("a", &Feedback::throttled(Some(MINUTE))).unwrap();
    services.register("a", Quota::per_minute(100)).unwrap();
    assert_eq!(services.try_acquire("a").unwrap_err().retry_after(), Some(MINUTE));
    assert_eq!(services.status()["a"].limits[0].pace_percent, 50);
}

#[test]
fn a_permit_of_a_stranger_gives_back_to_the_registered_service() {
    let (services, _) = services(10);
    let permit = services.enter_blocking("a", &[("requests", 2)], Duration::ZERO).unwrap();
    let limits =
        Limits::new().with("calls", Quota::per_minute(3)).with("requests", Quota::per_minute(5));
    services.register("a", limits).unwrap();
    let left = || {
        let limits = services.status()["a"].limits.clone();
        let of = |name| limits.iter().find(|l| l.name.as_deref() == Some(name)).unwrap().available;
        (of("calls"), of("requests"))
    };
    assert_eq!(left(), (3, 3));
    permit.cancel();
    assert_eq!(left(), (3, 5));
}

#[test]
fn a_handle_of_a_stranger_is_the_registered_service_also_with_permits_out() {
    let (services, clock) = services(10);
    let handle = services.handle("a").unwrap();
    let _permit = handle.try_enter(&[]).unwrap();
    services.register("a", Quota::every(Duration::from_secs(1))).unwrap();
    let mut granted = 0;
    for _ in 0..10 {
        clock.advance(Duration::from_secs(1));
        granted += u32::from(handle.try_acquire().is_ok());
        granted += u32::from(services.try_acquire("a").is_ok());
    }
    assert_eq!(granted, 10);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_a_stranger_is_given_no_slot_that_is_not_there() {
    let services = ServiceLimits::builder()
        .with_default(Quota::every(Duration::from_secs(1)))
        .with_clock(TokioClock::new())
        .build()
        .unwrap();
    services.try_acquire("a").unwrap();
    let waiting = tokio::spawn({
        let services = services.clone();
        async move { services.enter("a", &[], MINUTE).await }
    });
    tokio::task::yield_now().await;
    let limits = Limits::from(Quota::per_minute(600)).with_slots("conn", 1);
    services.register("a", limits).unwrap();
    let early = waiting.await.unwrap().unwrap();
    let permit = services.enter("a", &[], MINUTE).await.unwrap();
    drop(early);
    assert!(
        services.enter("a", &[], Duration::from_secs(5)).await.is_err(),
        "one slot, one permit"
    );
    drop(permit);
    services.enter("a", &[], MINUTE).await.unwrap().cancel();
}

#[test]
fn whoever_is_called_when_a_service_is_registered_may_come_back() {
    struct Nosy(ServiceLimits);
    impl std::task::Wake for Nosy {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.try_acquire("someone else").unwrap();
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let services = ServiceLimits::builder().with_default(Quota::per_hour(1)).build().unwrap();
    services.try_acquire("a").unwrap();
    let mut wait = Box::pin(services.acquire("a", MINUTE * 120));
    let waker = std::task::Waker::from(std::sync::Arc::new(Nosy(services.clone())));
    assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    services.register("a", Quota::per_hour(10)).unwrap();
    services.register("a", Quota::per_hour(20)).unwrap();
    assert_eq!(services.status()["someone else"].granted, 1);
}

#[test]
fn registering_while_others_call_grants_no_more_than_one_limit() {
    for round in 0..300 {
        let services = ServiceLimits::builder().with_clock(ManualClock::new()).build().unwrap();
        let granted = AtomicU64::new(0);
        let start = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for _ in 0..150 {
                    granted.fetch_add(services.try_acquire("a").is_ok().into(), Ordering::Relaxed);
                }
            });
            scope.spawn(|| {
                start.wait();
                services.register("a", Quota::per_minute(60)).unwrap();
            });
        });
        assert_eq!(granted.into_inner(), 60, "round {round}");
        assert_eq!(services.status()["a"].granted, 60);
    }
}

#[test]
fn a_cost_of_nothing_still_asks_the_other_limits_and_the_slots() {
    let (services, _) = services(10);
    let limits =
        Limits::new().with("tokens", Quota::per_minute(9)).with("requests", Quota::per_minute(2));
    services.register("model", limits).unwrap();
    let granted =
        (0..10).filter(|_| services.acquire_n_blocking("model", 0, Duration::ZERO).is_ok());
    assert_eq!(granted.count(), 2);
    services.register("page", Limits::new().with_slots("connections", 1)).unwrap();
    let error = services.acquire_n_blocking("page", 0, Duration::ZERO).unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.needs_permit");
}

#[test]
fn a_bucket_that_someone_holds_does_not_make_way() {
    let (services, clock) = services(1);
    let handle = services.handle("a").unwrap();
    services.try_acquire("b").unwrap(); // from the shared one: there is no room
    clock.advance(MINUTE);
    services.try_acquire("c").unwrap();
    handle.try_acquire().unwrap();
    handle.try_acquire().unwrap();
    assert!(services.try_acquire("a").is_err(), "it is the bucket of the handle still");
}

#[test]
fn long_names_that_look_alike_are_two_services() {
    let (services, _) = services(10);
    // They differ in the middle, and in a way that their short forms do not.
    let names: Vec<_> = (0..200).map(|n| format!("https://api-{n:03}.example.org/v1/x")).collect();
    for name in &names {
        services.register(name, Quota::per_minute(1)).unwrap();
    }
    assert!(names.iter().all(|name| services.try_acquire(name).is_ok()));
}

#[test]
fn a_registered_service_may_be_called_as_the_shared_bucket_is() {
    let (services, _) = services(1);
    services.try_acquire("a").unwrap();
    services.try_acquire("b").unwrap();
    services.register("other", Quota::per_minute(7)).unwrap();
    assert_eq!(services.status()["other"].limits[0].burst, 7);
}

#[test]
fn full_buckets_make_way_and_others_do_not() {
    let (services, clock) = services(3);
    for name in ["a", "b", "c"] {
        services.try_acquire(name).unwrap();
        services.try_acquire(name).unwrap();
    }
    // No room, and nobody is idle: the rest shares one bucket.
    services.try_acquire("d").unwrap();
    services.try_acquire("e").unwrap();
    assert!(services.try_acquire("f").is_err());
    assert_eq!(services.status()["other"].granted, 2);
    assert!(services.try_acquire("a").is_err(), "nothing was forgotten");

    clock.advance(MINUTE);
    services.try_acquire("g").unwrap();
    let known: Vec<_> = services.status().into_keys().map(|name| name.to_string()).collect();
    assert_eq!(known, ["g"], "those who are full again went");
}

#[test]
fn a_million_strange_names_take_no_more_room_than_there_is() {
    let (services, _) = services(100);
    for index in 0..100_000 {
        let _ = services.try_acquire(&format!("host-{index}"));
    }
    assert!(services.status().len() <= 101);
}

#[test]
fn five_hundred_and_twelve_services_can_be_registered() {
    let (services, _) = services(1);
    for index in 0..512 {
        services
            .register(&format!("a-service-with-a-long-name-{index}"), Quota::per_minute(1))
            .unwrap();
    }
    let error = services.register("one more", Quota::per_minute(1)).unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.invalid");
    for index in 0..512 {
        let name = format!("a-service-with-a-long-name-{index}");
        services.try_acquire(&name).unwrap();
        assert!(services.try_acquire(&name).is_err(), "{name}");
    }
    services.register("a-service-with-a-long-name-7", Quota::per_minute(2)).unwrap();
    services.try_acquire("a-service-with-a-long-name-7").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_with_several_limits_is_charged_for_all_or_none() {
    let services = ServiceLimits::builder().with_clock(TokioClock::new()).build().unwrap();
    let limits = Limits::new()
        .with("requests", Quota::per_minute(60))
        .with("tokens", Quota::per_minute(6_000).with_burst(1_000))
        .with_slots("connections", 2);
    services.register("model", limits).unwrap();
    let left = || services.status()["model"].limits.iter().map(|l| l.available).collect::<Vec<_>>();
    let long = MINUTE * 10;
    let first = services.enter("model", &[("tokens", 800)], long).await.unwrap();
    assert_eq!(left(), [59, 200, 1]);

    let start = tokio::time::Instant::now();
    let refused = services.enter("model", &[("tokens", 300)], Duration::from_millis(999)).await;
    assert_eq!(refused.unwrap_err().retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(left(), [59, 200, 1], "nothing was taken of the others");
    let second = services.enter("model", &[("tokens", 300)], long).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(1));

    first.settle(&[("tokens", 100), ("connections", 0)]).unwrap();
    assert_eq!(left(), [59, 700, 1], "a slot comes back once, whatever is said of it");
    second.cancel();
    assert_eq!(left(), [60, 1_000, 2]);
}

#[test]
fn threads_that_look_up_while_others_register_find_what_is_there() {
    let services = ServiceLimits::new();
    std::thread::scope(|scope| {
        for part in 0..2 {
            let services = &services;
            scope.spawn(move || {
                for index in 0..200 {
                    let name = format!("s{part}-{index}");
                    services.register(&name, Quota::per_hour(1)).unwrap();
                    services.try_acquire(&name).unwrap();
                    assert!(services.try_acquire(&name).is_err());
                }
            });
        }
    });
    assert_eq!(services.status().len(), 400);
}
