//! Single cases, most of which the random runs have found.

use std::time::Duration;

use super::{Back, World, ms};
use crate::model::{Candidate, ModelSpec};
use crate::policy::Policy;
use crate::scheduler::State;

/// One card of a thousand bytes, up to 850 of which are given out.
fn world(stranger: u64, max_overtakes: u32) -> World {
    let policy = Policy::default().with_min_free(0).with_max_overtakes(max_overtakes);
    let mut world = World::new(policy, &[(1_000, stranger)], None);
    step(&mut world);
    world
}

fn model(name: &str, bytes: u64) -> ModelSpec {
    ModelSpec::new(name).with_candidate(Candidate::gpu("gpu", bytes))
}

/// Time goes by, and the card is read.
fn step(world: &mut World) {
    world.pass(ms(1));
    world.read(0);
}

/// A model that is loaded, and that nobody uses.
fn idle(world: &mut World, name: &str, bytes: u64) {
    world.request(&model(name, bytes));
    assert!(world.load(0, true));
    world.drop_handle(0);
    step(world);
}

fn leaving(world: &World) -> Vec<&str> {
    let leaving = world.scheduler.entries.values();
    let leaving = leaving.filter(|entry| matches!(entry.state, State::Unloading { .. }));
    leaving.map(|entry| entry.spec.name()).collect()
}

#[test]
fn no_more_leave_than_are_needed_beside_those_that_are_leaving() {
    let mut world = world(0, 8);
    for name in ["first", "second", "third"] {
        idle(&mut world, name, 250);
    }
    world.request(&model("large", 300));
    assert_eq!(leaving(&world), ["first"]);
    world.request(&model("small", 100));
    assert_eq!(leaving(&world), ["first", "second"]);
}

#[test]
fn a_model_that_takes_little_hides_no_stranger() {
    let mut world = world(300, 8);
    world.truth.insert("modest".into(), 25);
    idle(&mut world, "modest", 400);
    assert_eq!(world.scheduler.devices[0].external, 300);
    world.unregister("modest");
    step(&mut world);
    assert_eq!(world.scheduler.devices[0].projected(), 300);
}

#[test]
fn what_is_given_up_is_somebody_elses_at_once() {
    let mut world = world(0, 8);
    world.request(&model("stubborn", 600));
    assert!(world.load(0, false));
    world.drop_handle(0);
    world.pass(ms(1));
    world.ask("stubborn");
    world.unloaded(0, Back::Never);
    world.request(&model("next", 600));
    for _ in 0..25 {
        world.pass(Duration::from_secs(1));
        world.read(0);
        world.wait(ms(0));
    }
    assert_eq!(world.figures.unverified, 1);
    assert_eq!(world.scheduler.devices[0].external, 600);
    assert!(world.loads.is_empty(), "there is no room for it");
}

#[test]
fn nothing_is_given_up_that_no_reading_has_shown() {
    let mut world = world(0, 8);
    world.request(&model("failing", 600));
    assert!(world.load_part(0, 50));
    world.fail(0, false, Duration::from_secs(60));
    world.wait(Duration::from_secs(30));
    assert_eq!(world.figures.unverified, 0, "nothing was read since");
    assert_eq!(world.scheduler.devices[0].projected(), 600);
}

#[test]
fn nobody_is_overtaken_more_often_than_is_said_by_those_that_come_at_once() {
    let mut world = world(0, 1);
    world.request(&model("used", 400));
    assert!(world.load(0, true));
    world.pass(Duration::from_secs(4));
    // The card is stale, and nobody is served.
    world.wait(ms(0));
    world.request(&model("patient", 800));
    for name in ["a", "b", "c"] {
        world.request(&model(name, 100));
    }
    step(&mut world);
    assert_eq!(world.loads.len(), 1, "one passes, and no more");
}

#[test]
fn what_a_load_takes_meanwhile_is_not_memory_that_came_back() {
    let mut world = world(0, 8);
    idle(&mut world, "slow", 300);
    world.ask("slow");
    world.unloaded(0, Back::After(Duration::from_secs(60)));
    world.request(&model("next", 400));
    assert!(world.load_part(0, 100));
    step(&mut world);
    assert!(world.scheduler.named("slow").is_some(), "it is still there");
}
