//! Which lock was asked for while which was held, by anybody, ever. A circle
//! in it is a possible deadlock.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use lyra_errors::Location;

use super::report::{LockOrderEdge, LockOrderReport, file};
use crate::name::Name;

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
    edges: HashMap<Key, HashMap<Key, Arc<LockOrderEdge>>>,
    reported: HashSet<(Key, Key)>,
}

static GRAPH: Mutex<Option<Graph>> = Mutex::new(None);

/// `asked` is asked for at `location` while `held` is held since `since`.
pub(super) fn asked_while_held(held: &Node, since: Location, asked: &Node, location: Location) {
    let (from, to) = match held.name == asked.name {
        true => (Key::Lock(held.lock), Key::Lock(asked.lock)),
        false => (Key::Name(held.name.clone()), Key::Name(asked.name.clone())),
    };
    let edge = LockOrderEdge::new(&held.name, since, &asked.name, location);
    if let Some(report) = with(|graph| graph.add(from, to, edge)) {
        file(&report);
    }
}

/// A lock is gone, and its number is never used again.
pub(super) fn forget(lock: u64) {
    let key = Key::Lock(lock);
    with(|graph| {
        graph.edges.remove(&key);
        graph.edges.retain(|_, ends| {
            ends.remove(&key);
            !ends.is_empty()
        });
        graph.reported.retain(|(from, to)| *from != key && *to != key);
    });
}

impl Graph {
    /// Adds an edge; a report if it closes a circle for the first time.
    fn add(&mut self, from: Key, to: Key, edge: LockOrderEdge) -> Option<LockOrderReport> {
        if self.edges.get(&from).is_some_and(|ends| ends.contains_key(&to)) {
            return None;
        }
        let edge = Arc::new(edge);
        let circle = self.path(&to, &from);
        // An edge that closes a circle is not kept: the order that was there
        // first stays the order, and other edges are judged by it.
        let Some(mut path) = circle else {
            self.edges.entry(from).or_default().insert(to, edge);
            return None;
        };
        path.insert(0, edge);
        self.reported.insert((from, to)).then(|| LockOrderReport::circle(path))
    }

    /// The edges that lead from one to the other.
    fn path(&self, from: &Key, to: &Key) -> Option<Vec<Arc<LockOrderEdge>>> {
        let mut came_by: HashMap<&Key, (&Key, &Arc<LockOrderEdge>)> = HashMap::new();
        let mut next = vec![from];
        while let Some(key) = next.pop() {
            for (end, edge) in self.edges.get(key).into_iter().flatten() {
                if end == from || came_by.contains_key(end) {
                    continue;
                }
                came_by.insert(end, (key, edge));
                if end == to {
                    let mut path = Vec::new();
                    let mut at = end;
                    while let Some((before, edge)) = came_by.get(at) {
                        path.insert(0, Arc::clone(edge));
                        at = before;
                    }
                    return Some(path);
                }
                next.push(end);
            }
        }
        None
    }
}

fn with<R>(change: impl FnOnce(&mut Graph) -> R) -> R {
    // Nothing panics while it is held.
    let mut graph = GRAPH.lock().unwrap_or_else(PoisonError::into_inner);
    change(graph.get_or_insert_default())
}
