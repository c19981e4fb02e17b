//! Which lock was asked for while which was held, by anybody, ever. A circle
//! in it is a possible deadlock.

#[cfg(test)]
mod tests;
mod ways;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use lyra_errors::Location;

use super::Within;
use super::report::{LockOrderEdge, LockOrderReport, keep, tell};
use crate::name::Name;

/// The most names that are kept, which is for ever: more than a program has
/// whose names say what its locks guard. Beyond it, further ones are not
/// watched.
const NAMES: usize = 1_024;

/// So many reports show one and the same order. One that is wrong closes a
/// circle with each that is right, and to tell all of these tells nothing new.
const SHOWN: usize = 8;

/// A lock in the graph. Locks of one name are one, so that an order is learnt
/// from any of them; two of one name among themselves are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: Name,
    pub(super) lock: u64,
}

/// The two ends of an edge: names, or locks of one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Name(Name),
    Lock(u64),
}

#[derive(Debug, Default)]
struct Graph {
    all: HashMap<Key, Orders>,
    names: usize,
    /// A name, and the two places where it was locked, one within the other.
    within: HashSet<(Name, Location, Location)>,
}

/// What is known of one lock.
#[derive(Debug, Default)]
struct Orders {
    /// What was asked for while it was held.
    after: HashMap<Key, Order>,
    /// What was held while it was asked for: by it a lock that goes finds all
    /// that is known of it.
    before: HashSet<Key>,
}

#[derive(Debug)]
struct Order {
    edge: Arc<LockOrderEdge>,
    /// How many reports have it.
    shown: usize,
}

static GRAPH: Mutex<Option<Graph>> = Mutex::new(None);

/// `asked` is asked for at `location` while `held` is held since `since`.
pub(super) fn asked_while_held(held: &Node, since: Location, asked: &Node, location: Location) {
    let (from, to) = match held.name == asked.name {
        true => (Key::Lock(held.lock), Key::Lock(asked.lock)),
        false => (Key::Name(held.name.clone()), Key::Name(asked.name.clone())),
    };
    let edge = LockOrderEdge::new(&held.name, since, &asked.name, location);
    let reports = with(|graph| graph.add(&from, &to, edge));
    // All of them are kept, also where the handler panics at the first.
    reports.iter().for_each(keep);
    reports.iter().for_each(tell);
}

/// It is waited for at `location` by who holds it since `since`.
pub(super) fn asked_within(within: Within, name: &Name, since: Location, location: Location) {
    if with(|graph| graph.is_new_within(name, since, location)) {
        let report = LockOrderReport::within(within, name, since, location);
        keep(&report);
        tell(&report);
    }
}

/// A lock is gone, and its number is never used again.
pub(super) fn forget(lock: u64) {
    with(|graph| graph.remove(&Key::Lock(lock)));
}

impl Graph {
    /// Adds an order; the circles that it closes.
    ///
    /// It is kept where it closes one, since others may lead over it.
    fn add(&mut self, from: &Key, to: &Key, edge: LockOrderEdge) -> Vec<LockOrderReport> {
        let is_known = self.all.get(from).is_some_and(|known| known.after.contains_key(to));
        if is_known || !self.has_room(from, to) {
            return Vec::new();
        }
        let order = Order { edge: Arc::new(edge), shown: 0 };
        self.all.entry(from.clone()).or_default().after.insert(to.clone(), order);
        self.all.entry(to.clone()).or_default().before.insert(from.clone());
        let ways = self.shortest_ways(to, from);
        ways.into_iter().filter_map(|way| self.circle(from, &way)).collect()
    }

    /// The report of a circle, from a lock to the one asked for, and back.
    fn circle(&mut self, from: &Key, way: &[Key]) -> Option<LockOrderReport> {
        let keys: Vec<_> = std::iter::once(from).chain(way).collect();
        let is_open = |pair: &[&Key]| self.order(pair[0], pair[1]).is_some_and(Order::is_open);
        // Two locks in two orders are always told: one order that is wrong can
        // close one such circle alone.
        if keys.len() > 3 && !keys.windows(2).all(is_open) {
            return None;
        }
        let mut edges = Vec::new();
        for pair in keys.windows(2) {
            let order = self.all.get_mut(pair[0])?.after.get_mut(pair[1])?;
            order.shown += 1;
            edges.push(Arc::clone(&order.edge));
        }
        Some(LockOrderReport::circle(edges))
    }

    fn is_new_within(&mut self, name: &Name, since: Location, location: Location) -> bool {
        self.within.len() < NAMES && self.within.insert((name.clone(), since, location))
    }

    fn remove(&mut self, key: &Key) {
        let Some(known) = self.all.remove(key) else { return };
        for after in known.after.keys() {
            self.unlink(after, |orders| {
                orders.before.remove(key);
            });
        }
        for before in &known.before {
            self.unlink(before, |orders| {
                orders.after.remove(key);
            });
        }
    }

    fn unlink(&mut self, key: &Key, change: impl FnOnce(&mut Orders)) {
        let Some(orders) = self.all.get_mut(key) else { return };
        change(orders);
        if orders.after.is_empty() && orders.before.is_empty() {
            self.all.remove(key);
        }
    }

    /// Counts the names that are new; none if there are too many.
    fn has_room(&mut self, from: &Key, to: &Key) -> bool {
        let is_new = |key: &&Key| matches!(key, Key::Name(_)) && !self.all.contains_key(key);
        let names = self.names + [from, to].into_iter().filter(is_new).count();
        if names <= NAMES {
            self.names = names;
        }
        names <= NAMES
    }

    fn order(&self, from: &Key, to: &Key) -> Option<&Order> {
        self.all.get(from)?.after.get(to)
    }
}

impl Order {
    fn is_open(&self) -> bool {
        self.shown < SHOWN
    }
}

fn with<R>(change: impl FnOnce(&mut Graph) -> R) -> R {
    // Nothing panics while it is held.
    let mut graph = GRAPH.lock().unwrap_or_else(PoisonError::into_inner);
    change(graph.get_or_insert_default())
}
