//! Every order in which things can happen to three models on two small cards,
//! as far as one gets: the shortest that breaks a law is told.

use std::collections::{HashSet, VecDeque};
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Back, World, ms};
use crate::model::{Candidate, ModelSpec};
use crate::policy::Policy;
use crate::scheduler::{Outcome, State};

/// How many states are looked at for each choice of sizes, in the gate;
/// `cargo xtask soak` multiplies it.
const STATES: usize = 5_000;

/// Beyond that there is hardly anything new.
const DEPTH: usize = 14;

const SIZES: [u64; 3] = [2, 3, 5];

#[derive(Debug, Clone, Copy)]
enum Step {
    Request(usize),
    Leave(usize),
    Load(usize),
    Fail(usize),
    Drop(usize),
    Unloaded(usize),
    Lags(usize),
    UnloadFails(usize),
    Return,
    Read(usize),
}

/// What can happen.
fn steps(world: &World) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..2).map(Step::Read).collect();
    if world.line.len() < 2 {
        steps.extend((0..3).map(Step::Request));
    }
    steps.extend((0..world.line.len()).map(Step::Leave));
    for load in 0..world.loads.len() {
        steps.extend([Step::Load(load), Step::Fail(load)]);
    }
    steps.extend((0..world.handles.len()).map(Step::Drop));
    for asked in 0..world.asked.len() {
        steps.extend([Step::Unloaded(asked), Step::Lags(asked), Step::UnloadFails(asked)]);
    }
    if world.cards.iter().any(super::Card::is_returning) {
        steps.push(Step::Return);
    }
    steps
}

fn take(world: &mut World, specs: &[ModelSpec], step: Step) {
    world.pass(ms(1));
    match step {
        Step::Request(model) => {
            world.request(&specs[model]);
        }
        Step::Leave(at) => {
            let ticket = *world.line.keys().nth(at).unwrap();
            world.leave(ticket);
        }
        Step::Load(load) => {
            world.load(load, true);
        }
        Step::Fail(load) => world.fail(load, true, ms(0)),
        Step::Drop(handle) => world.drop_handle(handle),
        Step::Unloaded(asked) => world.unloaded(asked, Back::After(ms(0))),
        Step::Lags(asked) => world.unloaded(asked, Back::Never),
        Step::UnloadFails(asked) => world.unload_fails(asked, false),
        Step::Return => world.cards.iter_mut().for_each(super::Card::return_all),
        Step::Read(card) => world.read(card),
    }
}

/// What makes a difference to what can happen; moments do not, but for their
/// order.
fn essence(world: &World) -> Vec<u64> {
    let scheduler = &world.scheduler;
    let mut essence = Vec::new();
    let name = |spec: &ModelSpec| u64::from(spec.name().as_bytes()[0]);
    for (key, entry) in &scheduler.entries {
        let earlier = |other: &&super::super::Entry| other.last_used < entry.last_used;
        let (state, attempt) = match entry.state {
            State::Loading { .. } => (0, 0),
            State::Ready => (1, 0),
            State::Unloading { attempt, .. } => (2, attempt),
            State::Verifying { is_killed, .. } => (3, u8::from(is_killed)),
            State::Quarantined => (4, 0),
        };
        let rank = scheduler.entries.values().filter(earlier).count() as u64;
        essence.extend([100, name(&entry.spec), state, u64::from(attempt)]);
        essence.extend([entry.refs as u64, rank, u64::from(entry.is_draining)]);
        essence.extend(entry.shares.iter().flat_map(|share| {
            let there = world.cards[share.device].left().get(key).copied().unwrap_or(0);
            [share.device as u64, share.bytes(), share.expected(), there]
        }));
    }
    for device in &scheduler.devices {
        let read = [u64::from(device.is_current), device.unavailable()];
        let freed = u64::try_from(device.freed().unsigned_abs()).unwrap();
        essence.extend([200, device.external, freed]);
        essence.extend(read);
    }
    essence.extend(world.cards.iter().map(super::Card::used));
    for waiter in scheduler.waiters.values() {
        let key = |key: &u64| scheduler.entries.keys().position(|other| other == key);
        let joined = waiter.joined.as_ref().and_then(key).map_or(99, |at| at as u64);
        let given = u64::from(matches!(waiter.outcome, Some(Outcome::Load(_))));
        essence.extend([300, name(&waiter.spec), joined, given, waiter.first_rung as u64]);
        essence.extend([u64::from(waiter.overtaken), u64::from(waiter.is_second_try)]);
    }
    let mut raised: Vec<u64> = scheduler
        .raised
        .iter()
        .map(|((name, _), by)| u64::from(name.as_bytes()[0]) << 32 | u64::from(*by))
        .collect();
    raised.sort_unstable();
    essence.extend(raised);
    essence
}

/// Two cards of ten, of which eight are given out.
fn small_world() -> World {
    let policy = Policy::default()
        .with_low(60)
        .with_warning(75)
        .with_admit(80)
        .with_min_free(0)
        .with_min_reclaim(0);
    let mut world = World::new(policy, &[(10, 0), (10, 0)], None);
    world.pass(ms(1));
    (0..2).for_each(|card| world.read(card));
    world
}

/// How many states were seen, and how deep all of them.
fn search(sizes: [u64; 3], states: usize) -> (usize, usize) {
    let names = ["a", "b", "c"];
    let spec = |(name, size): (&str, u64)| {
        ModelSpec::new(name).with_candidate(Candidate::gpu("gpu", size))
    };
    let specs: Vec<ModelSpec> = names.into_iter().zip(sizes).map(spec).collect();
    let mut world = small_world();
    // From cards that are in use: to fill them would take half the way.
    for spec in &specs {
        world.request(spec);
        while !world.loads.is_empty() {
            world.load(0, true);
        }
    }
    let mut seen = HashSet::new();
    let mut next = VecDeque::from([(world, Vec::new())]);
    let mut depth = 0;
    while let Some((world, path)) = next.pop_front() {
        depth = path.len();
        if seen.len() >= states || depth >= DEPTH {
            break;
        }
        for step in steps(&world) {
            let mut world = world.clone();
            let mut path: Vec<Step> = path.clone();
            path.push(step);
            let taken = catch_unwind(AssertUnwindSafe(|| take(&mut world, &specs, step)));
            assert!(taken.is_ok(), "models of {sizes:?}: {path:?}");
            if seen.insert(essence(&world)) {
                next.push_back((world, path));
            }
        }
    }
    (seen.len(), depth)
}

#[test]
fn no_order_of_things_breaks_a_law() {
    let factor = env::var("LYRA_SOAK").ok().and_then(|factor| factor.parse().ok());
    let states = STATES * factor.unwrap_or(1);
    for (at, first) in SIZES.into_iter().enumerate() {
        for (second, third) in SIZES[at..].iter().flat_map(|b| SIZES.map(|c| (*b, c))) {
            if third < second {
                continue;
            }
            let sizes = [first, second, third];
            let (seen, depth) = search(sizes, states);
            println!("models of {sizes:?}: {seen} states, all to a depth of {depth}");
            assert!(seen >= STATES, "{sizes:?}: it got nowhere");
        }
    }
}
