//! What goes wrong on a card, and whom it may keep waiting.

use std::time::Duration;

use super::{Back, World, ms};
use crate::model::{Candidate, ModelSpec};
use crate::policy::Policy;
use crate::scheduler::State;
use crate::source::SourceError;

/// Cards of a thousand bytes, up to 850 of which are given out, and the
/// processor with as much.
fn world(gpus: usize) -> World {
    let policy = Policy::default().with_min_free(0);
    let mut world = World::new(policy, &vec![(1_000, 0); gpus], Some(1_000));
    step(&mut world);
    world
}

fn model(name: &str, bytes: u64) -> ModelSpec {
    ModelSpec::new(name).with_candidate(Candidate::gpu("gpu", bytes))
}

fn on(device: &str, name: &str, bytes: u64) -> ModelSpec {
    ModelSpec::new(name).with_candidate(Candidate::gpu("gpu", bytes).on(device))
}

/// Time goes by, and everything is read.
fn step(world: &mut World) {
    world.pass(ms(1));
    (0..world.cards.len()).for_each(|card| world.read(card));
}

fn idle(world: &mut World, spec: &ModelSpec) {
    world.request(spec);
    assert!(world.load(0, true));
    world.drop_handle(0);
    step(world);
}

/// So many seconds, with a reading of whatever answers in each.
fn seconds(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.pass(Duration::from_secs(1));
        (0..world.cards.len()).for_each(|card| world.read(card));
        world.wait(ms(0));
    }
}

#[test]
fn a_runner_that_died_is_gone_as_soon_as_it_is_unloaded() {
    let mut world = world(1);
    idle(&mut world, &model("dead", 600));
    idle(&mut world, &model("alive", 100));
    let (dead, _) = world.scheduler.named("dead").unwrap();
    world.free(dead, Back::After(ms(0)));
    seconds(&mut world, 5);
    world.request(&model("next", 700));
    world.unloaded(0, Back::After(ms(0)));
    step(&mut world);
    assert_eq!(world.figures.unverified, 0);
    assert_eq!(world.loads.len(), 1, "it need not wait for what is gone");
}

#[test]
fn a_model_that_took_less_than_its_size_is_not_ended_by_force() {
    let mut world = world(1);
    world.truth.insert("modest".into(), 30);
    world.request(&model("other", 100));
    world.request(&model("modest", 500));
    // Two loads at once: nobody knows what each of them took.
    while !world.loads.is_empty() {
        assert!(world.load(0, false));
    }
    step(&mut world);
    world.handles.clear();
    world.scheduler.entries.values_mut().for_each(|entry| entry.refs = 0);
    world.ask("modest");
    world.unloaded(0, Back::After(ms(0)));
    seconds(&mut world, 3);
    assert!(world.scheduler.named("modest").is_none());
    assert_eq!(world.figures.unverified, 0);
}

#[test]
fn what_strangers_took_beside_a_quarantine_is_theirs_until_they_leave() {
    let mut world = world(1);
    idle(&mut world, &model("leaky", 300));
    world.ask("leaky");
    world.unloaded(0, Back::Never);
    seconds(&mut world, 25);
    let sums = world.scheduler.devices[0].sums;
    assert_eq!((sums.quarantined, world.scheduler.devices[0].external), (300, 0));
    world.cards[0].stranger = 200;
    seconds(&mut world, 2);
    assert_eq!(world.scheduler.devices[0].projected(), 500);
    world.cards[0].stranger = 0;
    seconds(&mut world, 2);
    assert_eq!(world.scheduler.devices[0].projected(), 300);
    world.cards[0].return_all();
    seconds(&mut world, 2);
    assert_eq!(world.scheduler.devices[0].projected(), 0);
    assert!(world.scheduler.entries.is_empty());
}

#[test]
fn each_card_of_a_split_gives_back_on_its_own() {
    let mut world = world(2);
    let split = ModelSpec::new("split").with_candidate(Candidate::split("both", [400, 400]));
    idle(&mut world, &split);
    world.ask("split");
    let key = world.asked[0];
    world.unloaded(0, Back::After(Duration::from_secs(3_600)));
    world.cards[1].return_all();
    step(&mut world);
    assert_eq!(world.scheduler.devices[1].projected(), 0);
    assert_eq!(world.scheduler.devices[0].projected(), 400);
    // A card that is lost takes its part along.
    world.set_fault(0, Some(SourceError::Lost));
    step(&mut world);
    assert!(!world.scheduler.entries.contains_key(&key));
}

#[test]
fn a_split_finds_the_card_that_can_hold_its_largest_part() {
    let policy = Policy::default().with_min_free(0);
    let mut world = World::new(policy, &[(1_000, 0), (300, 0), (300, 0)], None);
    step(&mut world);
    idle(&mut world, &on("Gpu-0", "large", 750));
    let split = ModelSpec::new("split").with_candidate(Candidate::split("both", [400, 100]));
    world.request(&split);
    assert_eq!(world.asked.len(), 1, "there is only one card for the larger part");
    world.unloaded(0, Back::After(ms(0)));
    step(&mut world);
    assert_eq!(world.loads.len(), 1);
}

#[test]
fn a_card_that_hangs_keeps_nobody_who_can_be_served_elsewhere() {
    let mut world = world(2);
    idle(&mut world, &on("Gpu-0", "first", 800));
    idle(&mut world, &on("Gpu-1", "second", 800));
    world.ask("first");
    world.set_fault(0, Some(SourceError::TimedOut));
    seconds(&mut world, 5);
    world.request(&model("next", 700));
    assert_eq!(world.asked.len(), 2, "what comes back to a card that hangs, nobody sees");
}

#[test]
fn a_load_that_fails_on_a_card_that_hangs_goes_on_elsewhere() {
    let mut world = world(1);
    let spec = model("agile", 500).with_candidate(Candidate::cpu("cpu", 500));
    world.request(&spec);
    world.set_fault(0, Some(SourceError::TimedOut));
    seconds(&mut world, 5);
    world.fail(0, true, ms(0));
    assert_eq!(world.loads.len(), 1);
    let (_, entry) = world.scheduler.named("agile").unwrap();
    assert_eq!(entry.rung, 1);
}

#[test]
fn nobody_gets_a_model_whose_card_is_lost() {
    let mut world = world(1);
    let spec = model("agile", 500).with_candidate(Candidate::cpu("cpu", 500));
    idle(&mut world, &spec);
    world.set_fault(0, Some(SourceError::Lost));
    step(&mut world);
    world.request(&spec);
    assert!(world.handles.is_empty());
    world.unloaded(0, Back::After(ms(0)));
    assert_eq!(world.loads.len(), 1);
    assert_eq!(world.scheduler.named("agile").unwrap().1.rung, 1);
}

#[test]
fn a_load_that_runs_out_of_memory_never_asks_for_more_than_a_card() {
    let mut world = world(1);
    for _ in 0..4 {
        world.request(&model("unlucky", 700));
        while !world.loads.is_empty() {
            world.fail(0, true, ms(0));
            step(&mut world);
        }
    }
    world.request(&model("unlucky", 700));
    let (key, _) = world.scheduler.named("unlucky").unwrap();
    assert_eq!(world.scheduler.entries[&key].bytes(), 850);
    world.truth.insert("unlucky".into(), 80);
    assert!(world.load(0, true));
    // It takes what was said, so that memory had run out for another reason.
    world.drop_handle(0);
    world.ask("unlucky");
    world.unloaded(0, Back::After(ms(0)));
    step(&mut world);
    world.request(&model("unlucky", 700));
    let (key, _) = world.scheduler.named("unlucky").unwrap();
    assert_eq!(world.scheduler.entries[&key].bytes(), 700);
}

#[test]
fn a_model_that_takes_more_than_is_known_leaves_for_one_that_waits() {
    let mut world = world(1);
    world.is_honest = false;
    world.truth.insert("greedy".into(), 150);
    world.request(&model("other", 100));
    world.request(&model("greedy", 400));
    while !world.loads.is_empty() {
        assert!(world.load(0, false));
    }
    step(&mut world);
    while !world.handles.is_empty() {
        world.drop_handle(0);
    }
    step(&mut world);
    // All that is known to be ours would not do, without what seems to be a
    // stranger's.
    assert_eq!(world.scheduler.devices[0].external, 200);
    world.request(&model("next", 800));
    while !world.asked.is_empty() {
        world.unloaded(0, Back::After(ms(0)));
    }
    seconds(&mut world, 3);
    assert_eq!(world.loads.len(), 1);
}

#[test]
fn strangers_cost_the_idle_models_their_place_once() {
    let mut world = world(1);
    world.is_honest = false;
    idle(&mut world, &model("idle", 300));
    world.cards[0].stranger = 200;
    seconds(&mut world, 2);
    world.request(&model("large", 800));
    while !world.asked.is_empty() {
        world.unloaded(0, Back::After(ms(0)));
    }
    seconds(&mut world, 3);
    assert!(world.loads.is_empty(), "a stranger has what it would need");
    world.leave(*world.line.keys().next().unwrap());
    idle(&mut world, &model("idle", 300));
    world.request(&model("large", 800));
    assert!(world.asked.is_empty(), "now it is known");
    seconds(&mut world, 301);
    assert_eq!(world.asked.len(), 1, "but not for ever");
}

#[test]
fn who_waits_for_one_kind_of_device_keeps_nobody_from_another() {
    let mut world = world(1);
    let cpu = |name| ModelSpec::new(name).with_candidate(Candidate::cpu("cpu", 800));
    world.request(&cpu("used"));
    assert!(world.load(0, true));
    world.request(&cpu("waits"));
    assert!(world.reserve(&model("gpu", 500)).is_some());
}

#[test]
fn a_split_stays_to_be_given_up_while_one_of_its_cards_is_full() {
    let mut world = world(2);
    world.is_honest = false;
    let split = ModelSpec::new("split").with_candidate(Candidate::split("both", [600, 600]));
    world.request(&split);
    assert!(world.load(0, true));
    for card in 0..2 {
        world.cards[card].stranger = 350;
    }
    seconds(&mut world, 3);
    world.cards[0].stranger = 0;
    seconds(&mut world, 15);
    let (_, entry) = world.scheduler.named("split").unwrap();
    assert!(entry.is_draining, "the other card is as full as before");
    assert!(matches!(entry.state, State::Ready));
    world.cards[1].stranger = 0;
    seconds(&mut world, 15);
    assert!(!world.scheduler.named("split").unwrap().1.is_draining);
}
