//! Random schedules against an exact model: nothing is ever granted that the
//! quota does not allow, and nothing is refused that it does.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
#![allow(clippy::print_stdout, reason = "a seed is shown where a test fails")]

use std::env;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lyra_ratelimit::{
    Clock, LimitSet, Limits, ManualClock, Quota, RateLimitError, RateLimiter, Reservation,
};

type Wait<'a> = Pin<Box<dyn Future<Output = Result<(), RateLimitError>> + 'a>>;

/// The bucket, exactly: levels in units of 1/period of a token, so that the
/// refill of a nanosecond is a whole number of them, `amount`.
///
/// It remembers all that happened, so that what is given back can be left out
/// as if it had never been taken.
struct Model {
    first: Quota,
    events: Vec<(u64, Event)>,
    quota: Quota,
    level: i128,
    at: u64,
}

#[derive(Clone, Copy)]
enum Event {
    Take(u64),
    Change(Quota),
}

impl Model {
    fn new(quota: Quota, now: u64) -> Self {
        let mut model = Self { first: quota, events: Vec::new(), quota, level: 0, at: now };
        model.level = model.full();
        model
    }

    fn period(&self) -> i128 {
        self.quota.period().as_nanos().try_into().unwrap()
    }

    fn full(&self) -> i128 {
        i128::from(self.quota.burst()) * self.period()
    }

    fn level_at(&self, now: u64) -> i128 {
        let refill = i128::from(now - self.at) * i128::from(self.quota.amount());
        (self.level + refill).min(self.full())
    }

    fn has(&self, now: u64, cost: u64) -> bool {
        self.level_at(now) >= i128::from(cost) * self.period()
    }

    /// Gives the place of the event, to give back a part of it.
    fn grant(&mut self, now: u64, cost: u64) -> usize {
        let level = self.level_at(now);
        assert!(self.has(now, cost), "oversold: {cost} at {now} with {level} of {}", self.quota);
        self.happens(now, Event::Take(cost))
    }

    fn happens(&mut self, now: u64, event: Event) -> usize {
        self.events.push((now, event));
        self.apply(now, event);
        self.events.len() - 1
    }

    /// All but `cost` of that event happens again.
    fn give_back(&mut self, place: usize, cost: u64) {
        if let (_, Event::Take(taken)) = &mut self.events[place] {
            *taken -= cost;
        }
        let start = self.events[0].0;
        (self.quota, self.at) = (self.first, start);
        self.level = self.full();
        for (at, event) in self.events.clone() {
            self.apply(at, event);
        }
    }

    fn apply(&mut self, now: u64, event: Event) {
        self.level = self.level_at(now);
        self.at = now;
        match event {
            Event::Take(cost) => self.level -= i128::from(cost) * self.period(),
            Event::Change(quota) => {
                let (debt, old) = (self.full() - self.level, self.period());
                self.quota = quota;
                // What was taken stays taken.
                self.level = self.full() - debt * self.period() / old;
            }
        }
    }
}

#[test]
fn nothing_is_oversold_and_nothing_withheld_in_random_schedules() {
    // The waits look for a runtime; its timers play no part, since the clock
    // is moved by hand.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut random = Random::from_environment();
    for _ in 0..schedules() {
        run(&mut random);
    }
}

/// In the gate; `cargo xtask soak` multiplies it.
fn schedules() -> u64 {
    100_000 * number("LYRA_SOAK").unwrap_or(1)
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

fn run(random: &mut Random) {
    let clock = ManualClock::new();
    clock.advance(Duration::from_nanos(random.below(1 << 40)));
    let quota = random.quota();
    let limiter = RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap();
    let mut model = Model::new(quota, clock.now());
    let mut whole = is_whole(quota);
    let mut gave_back = false;
    let mut waits: Vec<(u64, Wait<'_>)> = Vec::new();
    let mut reservations: Vec<(usize, u64, Reservation<ManualClock>)> = Vec::new();
    for _ in 0..random.below(24) {
        let cost = 1 + random.below(4).min(model.quota.burst() - 1);
        let timeout = random.pause(model.quota) * 4;
        match random.below(12) {
            0..=2 => clock.advance(random.pause(model.quota)),
            3 | 4 => {
                let has = model.has(clock.now(), cost);
                let tried = limiter.try_acquire_n(cost);
                if tried.is_ok() {
                    model.grant(clock.now(), cost);
                }
                // Where nobody waits and intervals were whole from the start,
                // the model and the limiter agree to the nanosecond.
                let agree = whole && limiter.status().waiting == 0;
                if agree && cost <= model.quota.burst() {
                    assert_eq!(tried.is_ok(), has, "{cost} of {:?}", limiter.status());
                }
                if let Err(RateLimitError::NotYet { retry_after, .. }) = tried
                    && agree
                {
                    let then = clock.now() + u64::try_from(retry_after.as_nanos()).unwrap();
                    assert!(model.has(then, cost), "{retry_after:?} was too early");
                    assert!(!model.has(then - 1, cost), "{retry_after:?} was too late");
                }
            }
            5 | 6 => {
                let wait: Wait<'_> = Box::pin(limiter.acquire_n(cost, timeout));
                waits.push((cost, wait));
                look(&mut waits, |_| true, &clock, &mut model);
            }
            7 => look(&mut waits, |_| random.below(2) == 0, &clock, &mut model),
            8 if !waits.is_empty() => {
                let index = random.index(waits.len());
                drop(waits.remove(index));
            }
            9 => {
                // It waits by moving the clock.
                if limiter.acquire_n_blocking(cost, timeout).is_ok() {
                    model.grant(clock.now(), cost);
                }
            }
            10 => match reservations.is_empty() || random.below(2) == 0 {
                true => {
                    if let Ok(reservation) = limiter.reserve_n(cost) {
                        let place = model.grant(clock.now(), cost);
                        reservations.push((place, cost, reservation));
                    }
                }
                false => {
                    let (place, cost, reservation) =
                        reservations.swap_remove(random.index(reservations.len()));
                    let used = random.below(7);
                    reservation.settle(used);
                    match used <= cost {
                        true => {
                            // Of several that give back across each other the
                            // limiter takes the least, and may withhold some.
                            whole &= !gave_back;
                            gave_back = true;
                            model.give_back(place, cost - used);
                        }
                        false => drop(model.happens(clock.now(), Event::Take(used - cost))),
                    }
                }
            },
            _ => {
                let quota = random.quota();
                limiter.set_quota(quota).unwrap();
                model.happens(clock.now(), Event::Change(quota));
                // What is owed is scaled and rounded, to a nanosecond.
                whole = false;
            }
        }
    }
}

/// Polls some of the waits, in their order.
fn look(
    waits: &mut Vec<(u64, Wait<'_>)>,
    mut which: impl FnMut(usize) -> bool,
    clock: &ManualClock,
    model: &mut Model,
) {
    let mut index = 0;
    let mut context = Context::from_waker(Waker::noop());
    waits.retain_mut(|(cost, wait)| {
        index += 1;
        if !which(index) {
            return true;
        }
        match wait.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                if outcome.is_ok() {
                    model.grant(clock.now(), *cost);
                }
                false
            }
        }
    });
}

fn is_whole(quota: Quota) -> bool {
    quota.period().as_nanos().is_multiple_of(u128::from(quota.amount()))
}

#[test]
fn a_strict_quota_holds_in_every_window() {
    let mut random = Random::from_environment();
    for _ in 0..schedules() / 50 {
        let (most, window) = (1 + random.below(5), 100 + random.below(100));
        let clock = ManualClock::new();
        let quota = Quota::new(most, Duration::from_nanos(window)).strict();
        let limiter = RateLimiter::builder(quota).with_clock(clock.clone()).build().unwrap();
        let mut grants: Vec<(u64, u64)> = Vec::new();
        for _ in 0..60 {
            clock.advance(Duration::from_nanos(random.below(window / 2)));
            let cost = 1 + random.below(most);
            let granted = match random.below(3) {
                0 => limiter.acquire_n_blocking(cost, Duration::from_nanos(window)).is_ok(),
                _ => limiter.try_acquire_n(cost).is_ok(),
            };
            let now = clock.now();
            let in_window: u64 =
                grants.iter().filter(|(at, _)| at + window > now).map(|(_, cost)| cost).sum();
            if granted {
                grants.push((now, cost));
                assert!(in_window + cost <= most, "{} in one window", in_window + cost);
            } else {
                assert!(in_window + cost > most, "{cost} fits beside {in_window}");
            }
        }
    }
}

#[test]
fn a_set_grants_only_what_all_of_its_limits_allow() {
    let mut random = Random::from_environment();
    for _ in 0..schedules() / 50 {
        let clock = ManualClock::new();
        let quotas = [Quota::per_second(2), Quota::per_second(5).with_burst(9)];
        let limits =
            Limits::new().with("calls", quotas[0]).with("tokens", quotas[1]).with_slots("slots", 2);
        let set = LimitSet::builder(limits).with_clock(clock.clone()).build().unwrap();
        let mut models = quotas.map(|quota| Model::new(quota, 0));
        let mut permits = Vec::new();
        for _ in 0..30 {
            clock.advance(Duration::from_millis(random.below(700)));
            let tokens = random.below(9);
            match random.below(4) {
                0 if !permits.is_empty() => drop(permits.swap_remove(0)),
                _ => {
                    let now = clock.now();
                    let fits =
                        models[0].has(now, 1) && models[1].has(now, tokens) && permits.len() < 2;
                    let entered = set.try_enter(&[("tokens", tokens)]);
                    assert_eq!(entered.is_ok(), fits, "{entered:?} {:?}", set.status());
                    if let Ok(permit) = entered {
                        models[0].grant(now, 1);
                        models[1].grant(now, tokens);
                        permits.push(permit);
                    }
                }
            }
        }
    }
}

#[test]
fn threads_that_race_for_tokens_never_get_one_too_many() {
    for burst in [1, 7, 1_000] {
        let clock = ManualClock::new();
        let limiter =
            RateLimiter::per_hour(1).with_burst(burst).with_clock(clock.clone()).build().unwrap();
        let granted: u64 = std::thread::scope(|scope| {
            let race = |_| {
                scope.spawn(|| (0..2_000).filter(|_| limiter.try_acquire().is_ok()).count() as u64)
            };
            let threads: Vec<_> = (0..4).map(race).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(granted, burst);
        let status = limiter.status();
        assert_eq!((status.granted, status.refused), (burst, 8_000 - burst));
    }
}

/// A small generator, so that a seed says all (`SplitMix64`).
struct Random(u64);

impl Random {
    fn from_environment() -> Self {
        let seed = number("LYRA_TEST_SEED").unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::try_from(now.unwrap().as_nanos() & u128::from(u64::MAX)).unwrap()
        });
        println!("repeat with LYRA_TEST_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    fn quota(&mut self) -> Quota {
        let periods = [1_000, 7_919, 1_000_000_000, 60_000_000_000];
        let period = periods[self.index(periods.len())];
        let quota = Quota::new(1 + self.below(12), Duration::from_nanos(period));
        if self.below(2) == 0 { quota } else { quota.with_burst(1 + self.below(20)) }
    }

    /// About as long as some tokens take.
    fn pause(&mut self, quota: Quota) -> Duration {
        let period = u64::try_from(quota.period().as_nanos()).unwrap();
        Duration::from_nanos(self.below(period / quota.amount() * 6))
    }
}
