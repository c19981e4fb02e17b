//! Random schedules: whoever comes, leaves, settles and waits, no more is
//! granted than the quota allows.

use std::time::Duration;

use lyra_ratelimit::Quota;
use lyra_ratelimit::engine::Ability;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::subject::Subject;

const SCHEDULES: u64 = 300;

pub(crate) async fn nothing_is_oversold_in_random_schedules<S: Subject>() {
    let first = std::env::var("LYRA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = first.map_or(1..=SCHEDULES, |seed: u64| seed..=seed);
    for seed in seeds {
        println!("LYRA_SEED={seed}");
        run::<S>(&mut Random(seed)).await;
    }
}

async fn run<S: Subject>(random: &mut Random) {
    let burst = 1 + random.below(6);
    let millis = 50 + random.below(400);
    let quota = Quota::every(Duration::from_millis(millis)).with_burst(burst);
    let limiter = S::build(&[("requests", quota)]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let limiter = limiter.clone();
        let cost = 1 + random.below(burst);
        let timeout = Duration::from_millis(random.below(30 * millis));
        let leaves = Duration::from_millis(random.below(20 * millis));
        let has_patience = random.below(3) > 0;
        let waits = random.below(4) > 0;
        tasks.spawn(async move {
            let call = async {
                match waits {
                    true => limiter.acquire(cost, timeout).await,
                    false => limiter.try_acquire(cost).await,
                }
            };
            let asked = Instant::now();
            let outcome = match has_patience {
                true => Some(call.await),
                false => tokio::time::timeout(leaves, call).await.ok(),
            };
            let waited = asked.elapsed();
            let most = if waits { timeout } else { Duration::ZERO };
            let late = Duration::from_millis(1) + S::LATE;
            assert!(waited <= most + late, "{waited:?} with a timeout of {most:?}");
            matches!(outcome, Some(Ok(()))).then(|| (Instant::now(), cost))
        });
        let pause = random.below(2 * millis) * random.below(2);
        tokio::time::sleep(Duration::from_millis(pause)).await; // tidy: sleep - the clock is paused
    }
    let mut grants: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    grants.sort_unstable();
    assert!(!grants.is_empty());
    // Between any two grants: what a full bucket holds, and what came in.
    let lump = u64::from(!S::abilities().has(Ability::EvenRefill));
    for (index, (from, _)) in grants.iter().enumerate() {
        let mut sum = 0;
        for (to, cost) in &grants[index..] {
            sum += cost;
            let passed = (*to - *from + S::LATE).as_millis();
            let came = u64::try_from(passed).unwrap() / millis;
            assert!(sum <= burst + came + lump, "{sum} in {:?} with {quota}", *to - *from);
        }
    }
    // And nothing is lost: in the time of a full bucket it is full.
    let full = Duration::from_millis(millis * (burst + 1)) + S::LATE;
    tokio::time::sleep(full).await; // tidy: sleep - the clock is paused
    limiter.try_acquire(burst).await.unwrap();
}

/// `SplitMix64`: the seed is the whole schedule.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
