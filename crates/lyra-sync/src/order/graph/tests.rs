//! What the graph keeps, and for how long.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::panic::Location;

use super::*;
use crate::timeout_lock::TimeoutLock;

fn add(graph: &mut Graph, from: &Key, to: &Key) -> usize {
    let here = Location::caller();
    let edge = LockOrderEdge::new(&"held".into(), here, &"asked".into(), here);
    graph.add(from, to, edge).len()
}

fn name(index: usize) -> Key {
    Key::Name(format!("name-{index}").into())
}

#[test]
fn a_lock_that_goes_takes_its_orders_along_and_leaves_the_others() {
    let [a, b, c] = [1, 2, 3].map(Key::Lock);
    let mut graph = Graph::default();
    add(&mut graph, &a, &b);
    add(&mut graph, &b, &c);
    add(&mut graph, &name(0), &name(1));
    graph.remove(&Key::Lock(4)); // it has none
    assert_eq!(graph.all.len(), 5);
    graph.remove(&b);
    assert_eq!(graph.all.len(), 2, "nothing was known of the other two but by it");
    assert_eq!(add(&mut graph, &c, &a), 0, "no circle leads over it any more");
    assert_eq!(add(&mut graph, &a, &c), 1);
    graph.remove(&a);
    graph.remove(&c);
    assert_eq!(graph.all.len(), 2);
    assert_eq!(add(&mut graph, &name(1), &name(0)), 1, "names stay");
}

#[test]
fn an_order_is_shown_so_often_and_two_locks_in_two_orders_are_told_all_the_same() {
    let mut graph = Graph::default();
    let (a, b) = (name(0), name(1));
    assert_eq!(add(&mut graph, &a, &b), 0);
    for other in (10..20).map(name) {
        add(&mut graph, &b, &other);
        let told = add(&mut graph, &other, &a);
        assert_eq!(told == 1, graph.order(&b, &other).unwrap().shown == 1);
    }
    assert_eq!(graph.order(&a, &b).unwrap().shown, SHOWN);
    assert_eq!(add(&mut graph, &b, &a), 1);
}

#[test]
fn of_many_circles_of_the_fewest_locks_so_many_are_told() {
    let mut graph = Graph::default();
    let (start, end) = (name(0), name(1));
    let between: Vec<_> = (10..30).map(name).collect();
    for (index, key) in between.iter().enumerate() {
        add(&mut graph, &start, key);
        add(&mut graph, key, &end);
        // And many that are longer.
        for other in &between[..index] {
            add(&mut graph, other, key);
        }
    }
    assert_eq!(add(&mut graph, &end, &start), SHOWN);
}

#[test]
fn locks_of_one_name_leave_the_graph_when_they_are_dropped() {
    let locks = || with(|graph| graph.all.keys().filter(|key| matches!(key, Key::Lock(_))).count());
    let (parent, child) = (TimeoutLock::named("twins", ()), TimeoutLock::named("twins", ()));
    drop((parent.lock().unwrap(), child.lock().unwrap()));
    assert_eq!(locks(), 2);
    drop((parent, child));
    assert_eq!(locks(), 0);
}

#[test]
fn so_many_names_are_kept_and_no_more() {
    let mut graph = Graph::default();
    let outer = name(0);
    for index in 1..=NAMES + 10 {
        add(&mut graph, &outer, &name(index));
    }
    assert_eq!((graph.all.len(), graph.names), (NAMES, NAMES));
    assert_eq!(graph.all.get(&outer).unwrap().after.len(), NAMES - 1);
    assert_eq!(add(&mut graph, &name(NAMES), &outer), 0, "it is not watched");
    assert_eq!(add(&mut graph, &name(NAMES - 1), &outer), 1);
    assert_eq!(add(&mut graph, &Key::Lock(1), &Key::Lock(2)), 0);
    assert_eq!(add(&mut graph, &Key::Lock(2), &Key::Lock(1)), 1, "locks come and go");
}

#[test]
fn so_many_reads_within_reads_are_kept_and_no_more() {
    let (mut graph, here) = (Graph::default(), Location::caller());
    for index in 0..NAMES {
        assert!(graph.is_new_within(&format!("name-{index}").into(), here, here));
    }
    assert!(!graph.is_new_within(&"late".into(), here, here));
    assert_eq!(graph.within.len(), NAMES);
}
