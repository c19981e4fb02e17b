//! Engines that hang, fail, answer nonsense, or are dropped on their way.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use lyra_errors::{Classify, Error, Recovery};
use lyra_ratelimit::engine::{
    Abilities, Ability, Denial, Engine, EngineError, EngineLimiter, InProcess, InProcessGrant,
    Standing, Taken, Wait,
};
use lyra_ratelimit::{Limits, Quota, RateLimitError, TokioClock};
use tokio::sync::Notify;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(100_000);
const SECOND: Duration = Duration::from_secs(1);

/// What the engine does with the next calls.
#[derive(Clone, Default)]
enum Mood {
    #[default]
    Works,
    Hangs,
    Fails(EngineError),
    Says(Denial),
    Panics,
    /// Takes, and answers only when it is let go.
    HoldsBack,
}

/// A real engine with moods.
struct Moody {
    inner: InProcess<TokioClock>,
    mood: Arc<Mutex<Mood>>,
    go: Arc<Notify>,
    takes: Arc<AtomicUsize>,
    /// How long the next look ahead is on its way to the engine.
    foresees_after: Mutex<Option<Duration>>,
    abilities: Abilities,
    names: Vec<Arc<str>>,
}

impl Moody {
    fn new(quota: Quota) -> Self {
        let inner = InProcess::with_clock(quota, TokioClock::new()).unwrap();
        let names = inner.names();
        Self {
            inner,
            mood: Arc::default(),
            go: Arc::default(),
            takes: Arc::default(),
            foresees_after: Mutex::default(),
            abilities: Abilities::ALL,
            names,
        }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn act(&self) -> Result<Option<Denial>, EngineError> {
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Works | Mood::HoldsBack => Ok(None),
            Mood::Hangs => std::future::pending().await,
            Mood::Fails(error) => Err(error),
            Mood::Says(denial) => Ok(Some(denial)),
            Mood::Panics => panic!("as a test wants it"),
        }
    }
}

impl Engine for Moody {
    type Grant = InProcessGrant;

    fn names(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }

    async fn take(&self, costs: &[u64]) -> Result<Taken<InProcessGrant>, EngineError> {
        self.takes.fetch_add(1, Ordering::Relaxed);
        if let Some(denial) = self.act().await? {
            return Ok(Taken::Denied(denial));
        }
        let taken = self.inner.take(costs).await;
        let holds_back = matches!(*self.mood.lock().unwrap(), Mood::HoldsBack);
        if holds_back {
            self.go.notified().await;
        }
        taken
    }

    async fn foresee(&self, ahead: &[u64], costs: &[u64]) -> Result<Denial, EngineError> {
        let journey = self.foresees_after.lock().unwrap().take();
        pass(journey.unwrap_or_default()).await;
        match self.act().await? {
            Some(denial) => Ok(denial),
            None => self.inner.foresee(ahead, costs).await,
        }
    }

    async fn settle(
        &self,
        grant: InProcessGrant,
        costs: &[u64],
        used: &[u64],
    ) -> Result<(), EngineError> {
        self.act().await?;
        self.inner.settle(grant, costs, used).await
    }

    async fn set_quota(&self, limit: usize, quota: Quota) -> Result<(), EngineError> {
        self.act().await?;
        self.inner.set_quota(limit, quota).await
    }

    async fn standing(&self) -> Result<Standing, EngineError> {
        self.act().await?;
        self.inner.standing().await
    }
}

fn moody(burst: u64) -> EngineLimiter<Moody> {
    EngineLimiter::new(Moody::new(Quota::every(SECOND).with_burst(burst))).unwrap()
}

async fn available(limiter: &EngineLimiter<Moody>) -> u64 {
    limiter.engine().inner.standing().await.unwrap().limits[0].available
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // tidy: sleep - the clock is paused
}

#[tokio::test(start_paused = true)]
async fn a_failing_engine_is_an_error_with_its_cause_and_lets_nobody_through() {
    let engine = Moody::new(Quota::every(SECOND));
    let limiter = EngineLimiter::builder(engine).named("model").build().unwrap();
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let fault = EngineError::retry("the server is away", Some(SECOND)).because(refused);
    limiter.engine().set(Mood::Fails(fault));
    let line = line!() + 1;
    let error = limiter.acquire(LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "model: the engine could not take");
    assert_eq!(error.code().id(), "ratelimit.engine");
    assert_eq!(error.recovery(), Recovery::retry_after(SECOND));
    assert_eq!(error.location().unwrap().line(), line);
    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "the server is away");
    assert!(source.source().unwrap().is::<io::Error>());
    let rendered = Error::from(error).to_json().to_string();
    assert!(rendered.contains("the server is away") && rendered.contains("refused"), "{rendered}");

    limiter.engine().set(Mood::Fails(EngineError::permanent("the file is corrupt")));
    for outcome in [
        limiter.try_acquire().await,
        limiter.reserve_n(1).await.map(drop),
        limiter.set_quota("requests", Quota::per_second(1)).await,
        limiter.status().await.map(drop),
    ] {
        let error = outcome.unwrap_err();
        assert_eq!(error.code().id(), "ratelimit.engine");
        assert_eq!(error.recovery(), Recovery::Permanent, "{error}");
    }
    assert_eq!(limiter.faults(), 5);
    assert_eq!(available(&limiter).await, 1);
    limiter.engine().set(Mood::Works);
    assert_eq!(limiter.status().await.unwrap().granted, 0);
    limiter.acquire(LONG).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn timeouts_hold_where_the_engine_hangs() {
    let limiter = moody(1);
    limiter.engine().set(Mood::Hangs);
    let start = Instant::now();
    let error = limiter.acquire(SECOND / 2).await.unwrap_err();
    assert_eq!(start.elapsed(), SECOND / 2);
    assert!(matches!(error, RateLimitError::TimedOut { .. }), "{error:?}");

    // The engine has a second, however long the caller would wait.
    for (index, outcome) in [
        limiter.acquire(LONG).await,
        limiter.try_acquire().await,
        limiter.status().await.map(drop),
        limiter.set_quota("requests", Quota::per_second(1)).await,
    ]
    .into_iter()
    .enumerate()
    {
        let error = outcome.unwrap_err();
        assert_eq!(error.code().id(), "ratelimit.engine", "{index}");
        assert_eq!(error.source().unwrap().to_string(), "no answer came within 1s");
        assert!(error.recovery().is_recoverable());
    }
    assert_eq!(start.elapsed(), SECOND / 2 + SECOND * 4);

    // All who wait get their own answer, in time.
    let waits: Vec<_> = [SECOND / 4, SECOND / 2, LONG]
        .into_iter()
        .map(|timeout| {
            let limiter = limiter.clone();
            tokio::spawn(async move { (limiter.acquire(timeout).await, Instant::now()) })
        })
        .collect();
    let start = Instant::now();
    let mut ends = Vec::new();
    for wait in waits {
        let (outcome, at) = wait.await.unwrap();
        assert!(outcome.is_err());
        ends.push(at - start);
    }
    assert_eq!(ends[..2], [SECOND / 4, SECOND / 2]);
    assert!(ends[2] <= SECOND * 2, "{:?}", ends[2]);
    limiter.engine().set(Mood::Works);
    limiter.acquire(Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_while_the_engine_takes_gets_it_given_back() {
    let limiter = moody(5);
    limiter.engine().set(Mood::HoldsBack);
    let leaves = tokio::time::timeout(SECOND / 10, limiter.acquire_n(3, LONG)).await;
    assert!(leaves.is_err());
    assert_eq!(available(&limiter).await, 2, "it is taken");
    limiter.engine().go.notify_one();
    pass(SECOND / 100).await;
    assert_eq!(available(&limiter).await, 5, "and given back");
    assert_eq!((limiter.lost(), limiter.faults()), (0, 0));

    // The same where the caller's own timeout, or the engine's second, is up.
    for (timeout, waits) in [(SECOND / 10, SECOND / 10), (LONG, SECOND)] {
        let start = Instant::now();
        limiter.acquire_n(3, timeout).await.unwrap_err();
        assert_eq!(start.elapsed(), waits);
        assert!(available(&limiter).await <= 3);
        limiter.engine().go.notify_one();
        pass(SECOND / 100).await;
        assert_eq!(available(&limiter).await, 5);
    }
    // One that never answers is let go of, and its tokens come back by time.
    limiter.acquire_n(3, LONG).await.unwrap_err();
    pass(SECOND * 2).await;
    assert_eq!(Arc::strong_count(&limiter.engine().mood), 1);
    assert_eq!(available(&limiter).await, 5);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_goes_when_an_abandoned_take_comes_back() {
    let limiter = moody(3);
    limiter.engine().set(Mood::HoldsBack);
    let leaves = tokio::time::timeout(SECOND / 10, limiter.acquire_n(3, LONG)).await;
    assert!(leaves.is_err());
    limiter.engine().set(Mood::Works);
    let start = Instant::now();
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_n(3, LONG).await }
    });
    pass(SECOND / 10).await;
    assert!(!waiting.is_finished());
    limiter.engine().go.notify_one();
    waiting.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), SECOND / 10);
}

#[tokio::test(start_paused = true)]
async fn a_silent_second_holds_up_nobody_when_the_first_leaves() {
    let limiter = moody(20);
    limiter.try_acquire_n(20).await.unwrap();
    let start = Instant::now();
    let spawn = |cost| {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.acquire_n(cost, LONG).await })
    };
    let first = spawn(20);
    tokio::task::yield_now().await;
    let mut silent = Box::pin(limiter.acquire(LONG));
    assert!(poll_once(silent.as_mut()).await.is_pending());
    let third = spawn(1);
    pass(SECOND * 3).await;
    first.abort();
    third.await.unwrap().unwrap();
    assert!(start.elapsed() <= SECOND * 3 + SECOND / 5, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn whoever_was_silent_is_back_in_its_place() {
    let limiter = moody(1);
    limiter.try_acquire().await.unwrap();
    let start = Instant::now();
    let ends = |limiter: EngineLimiter<Moody>| async move {
        limiter.acquire(LONG).await.unwrap();
        start.elapsed()
    };
    let mut silent = Box::pin(ends(limiter.clone()));
    assert!(poll_once(silent.as_mut()).await.is_pending());
    let passes = tokio::spawn(ends(limiter.clone())).await.unwrap();
    assert!(passes <= SECOND + SECOND / 5, "{passes:?}");
    let next = tokio::spawn(ends(limiter.clone()));
    pass(SECOND / 2).await;
    assert!(poll_once(silent.as_mut()).await.is_pending());
    // It is first again, and has its grace again.
    let next = next.await.unwrap();
    assert!(next >= passes + SECOND + SECOND / 20, "{next:?}");
    assert!(silent.await <= next + SECOND + SECOND / 100);
}

#[tokio::test(start_paused = true)]
async fn a_take_on_its_way_is_not_counted_twice() {
    let limiter = moody(5);
    limiter.engine().set(Mood::HoldsBack);
    // It is taken already, and the answer is on its way.
    let mut first = Box::pin(limiter.acquire_n(5, LONG));
    assert!(poll_once(first.as_mut()).await.is_pending());
    let mut second = Box::pin(limiter.acquire_n(1, SECOND * 2));
    assert!(poll_once(second.as_mut()).await.is_pending(), "it can be served after a second");
    limiter.engine().set(Mood::Works);
    limiter.engine().go.notify_one();
    first.await.unwrap();
    second.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_look_ahead_that_was_overtaken_refuses_nobody() {
    let limiter = moody(5);
    limiter.try_acquire_n(5).await.unwrap();
    let mut first = Box::pin(limiter.acquire_n(5, LONG));
    assert!(poll_once(first.as_mut()).await.is_pending());
    pass(SECOND * 5 - SECOND / 100).await;
    // It looks ahead while the first one waits, and is answered after that
    // one was granted: five are counted twice.
    *limiter.engine().foresees_after.lock().unwrap() = Some(SECOND / 10);
    let mut second = Box::pin(limiter.acquire_n(1, SECOND * 2));
    assert!(poll_once(second.as_mut()).await.is_pending());
    let (first, second) = tokio::join!(first, second);
    first.unwrap();
    second.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_settling_that_nobody_waits_for_is_done() {
    let limiter = moody(5);
    let slot = limiter.reserve_n(5).await.unwrap();
    drop(slot.settle(2));
    pass(SECOND / 100).await;
    assert_eq!(available(&limiter).await, 3);
    limiter.reserve_n(3).await.unwrap().settle_with(&[("cats", 1)]).await.unwrap_err();
    pass(SECOND / 100).await;
    assert_eq!(available(&limiter).await, 0, "it counts as it had been asked for");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_given_back_is_counted() {
    let limiter = moody(9);
    let slots = [limiter.reserve_n(4).await.unwrap(), limiter.reserve_n(5).await.unwrap()];
    limiter.engine().set(Mood::Fails(EngineError::permanent("gone")));
    let [one, other] = slots;
    let error = one.settle(1).await.unwrap_err();
    assert_eq!(error.to_string(), "the engine could not settle");
    assert_eq!(limiter.lost(), 3);
    drop(other);
    pass(SECOND / 100).await;
    assert_eq!(limiter.lost(), 8);

    limiter.engine().set(Mood::Works);
    pass(SECOND * 9).await;
    let slot = limiter.reserve_n(9).await.unwrap();
    limiter.engine().set(Mood::Hangs);
    drop(slot);
    pass(SECOND * 2).await;
    assert_eq!(limiter.lost(), 17, "it never ended");
}

#[tokio::test(start_paused = true)]
async fn nonsense_does_not_spin_and_breaks_no_promise() {
    let limiter = moody(1);
    let waits = [
        Wait::exactly(Duration::ZERO),
        Wait::at_least(Duration::ZERO).looking_again_in(Duration::MAX),
        Wait::at_least(Duration::ZERO).looking_again_in(Duration::ZERO),
        Wait::exactly(Duration::MAX),
    ];
    for wait in waits {
        limiter.engine().set(Mood::Says(Denial::NotYet(wait)));
        limiter.engine().takes.store(0, Ordering::Relaxed);
        let start = Instant::now();
        let error = limiter.acquire(SECOND / 10).await.unwrap_err();
        assert!(error.recovery().is_recoverable(), "{error:?}");
        assert!(start.elapsed() <= SECOND / 10, "{wait:?}");
        let takes = limiter.engine().takes.load(Ordering::Relaxed);
        assert!(takes <= 102, "{takes} calls for {wait:?}");
        let told = limiter.try_acquire().await.unwrap_err().retry_after().unwrap();
        assert!(told == wait.least() || told == Duration::from_millis(1), "{told:?}");
    }
    limiter.engine().set(Mood::Says(Denial::TooLarge { limit: 77, most: 0 }));
    let error = limiter.acquire(LONG).await.unwrap_err();
    assert!(matches!(error, RateLimitError::TooLarge { cost: 0, most: 0, .. }), "{error:?}");
    limiter.engine().set(Mood::Works);
    limiter.acquire(Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_panics_takes_only_its_caller_along() {
    let limiter = moody(1);
    limiter.engine().set(Mood::Panics);
    let panics = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(LONG).await }
    });
    assert!(panics.await.unwrap_err().is_panic());
    limiter.engine().set(Mood::Works);
    assert_eq!(limiter.status().await.unwrap().waiting, 0);
    limiter.acquire(Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_lacks_is_refused_before_it_is_asked() {
    let mut engine = Moody::new(Quota::every(SECOND).with_burst(4));
    engine.abilities = Abilities::ALL
        .without(Ability::LiveChange)
        .without(Ability::Learn)
        .without(Ability::Refund);
    let limiter = EngineLimiter::new(engine).unwrap();
    let error = limiter.set_quota("requests", Quota::per_second(9)).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "this engine has no live changes of a quota");
    let error = limiter.learn(&lyra_ratelimit::Feedback::default()).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "this engine has no learning from responses");
    limiter.reserve_n(4).await.unwrap().settle(1).await.unwrap();
    assert_eq!(limiter.lost(), 3, "it can't give back, and says so");
    let error = limiter.set_quota("cats", Quota::per_second(9)).await.unwrap_err();
    assert_eq!(error.code().id(), "ratelimit.unknown_limit");
}

#[tokio::test(start_paused = true)]
async fn engines_and_settings_that_cannot_be_meant_are_refused() {
    for names in [vec![], vec!["one"; 9], vec!["one", "two", "one"]] {
        let mut engine = Moody::new(Quota::per_second(1));
        engine.names = names.into_iter().map(Arc::from).collect();
        let error = EngineLimiter::new(engine).unwrap_err();
        assert!(matches!(error, RateLimitError::Invalid { setting: "engine", .. }), "{error:?}");
    }
    for within in [Duration::ZERO, Duration::MAX] {
        let builder = EngineLimiter::builder(Moody::new(Quota::per_second(1)));
        let error = builder.with_answer_within(within).build().unwrap_err();
        assert_eq!(error.code().id(), "ratelimit.invalid");
    }
    let slots = Limits::new().with_slots("connections", 2);
    assert_eq!(InProcess::new(slots).unwrap_err().code().id(), "ratelimit.invalid");
}

#[tokio::test(start_paused = true)]
async fn every_error_names_the_line_of_the_call() {
    let limiter = moody(1);
    let cats: &[(&str, u64)] = &[("cats", 1)];
    let line = line!();
    let errors = [
        limiter.acquire_with(cats, LONG).await.unwrap_err(),
        limiter.reserve_with(cats, LONG).await.unwrap_err(),
        limiter.set_quota("cats", Quota::per_second(1)).await.unwrap_err(),
        limiter.set_quota("requests", Quota::per_second(0)).await.unwrap_err(),
        limiter.acquire_n(2, LONG).await.unwrap_err(),
        limiter.try_acquire_n(2).await.unwrap_err(),
        limiter.reserve_n(2).await.unwrap_err(),
        limiter.reserve_n_within(2, LONG).await.unwrap_err(),
        limiter.reserve_n(1).await.unwrap().settle_with(cats).await.unwrap_err(),
        limiter.acquire(Duration::ZERO).await.unwrap_err(),
        limiter.acquire_with(&[cats[0], cats[0]], LONG).await.unwrap_err(),
        limiter.acquire_with(&[("requests", 1), ("requests", 2)], LONG).await.unwrap_err(),
    ];
    for (error, line) in errors.iter().zip(line + 2..) {
        let location = error.location().unwrap();
        assert_eq!((location.file(), location.line()), (file!(), line), "{error}");
    }
}

#[test]
fn outside_of_a_runtime_it_says_so() {
    let engine = InProcess::new(Quota::per_second(1)).unwrap();
    let limiter = EngineLimiter::new(engine).unwrap();
    let mut wait = Box::pin(limiter.acquire(SECOND));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(outcome) = wait.as_mut().poll(&mut context) else {
        panic!("it waits for a runtime")
    };
    assert_eq!(outcome.unwrap_err().code().id(), "ratelimit.no_runtime");
}
