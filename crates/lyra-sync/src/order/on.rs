use std::sync::atomic::{AtomicU64, Ordering};

use lyra_errors::Location;

use super::Within;
use super::graph::{Node, asked_while_held, asked_within, forget};
use super::owner::{Held, Owner};
use crate::name::Name;

/// So many locks that somebody holds are looked at, the latest first, when it
/// asks for another one.
const HELD: usize = 64;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a lock has for the order graph: a number of its own, given when it is
/// first used.
#[derive(Debug, Default)]
pub(crate) struct OrderMark(AtomicU64);

/// What a guard has for it: gone, the lock is no longer held.
#[derive(Debug)]
pub(crate) struct HeldMark(Option<(Owner, u64)>);

impl OrderMark {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Somebody is about to lock, and would wait.
    pub(crate) fn ask(&self, name: &Name, location: Location) {
        if !name.is_given() {
            return;
        }
        let asked = self.node(name);
        for held in Owner::now().all_held().into_iter().rev().take(HELD) {
            // To ask for a lock that one holds is another fault, which the
            // lock itself tells, where it is one.
            if held.node.lock != asked.lock {
                asked_while_held(&held.node, held.location, &asked, location);
            }
        }
    }

    /// Somebody waits for the lock. If it holds it already, `is_so` tells
    /// whether it waits for itself.
    pub(crate) fn wait(
        &self,
        name: &Name,
        location: Location,
        within: Within,
        is_so: impl FnOnce() -> bool,
    ) {
        if !name.is_given() {
            return;
        }
        let asked = self.node(name);
        let held = Owner::now().all_held();
        if let Some(held) = held.iter().find(|held| held.node.lock == asked.lock)
            && is_so()
        {
            asked_within(within, name, held.location, location);
        }
    }

    /// Somebody locked.
    pub(crate) fn held(&self, name: &Name, location: Location) -> HeldMark {
        if !name.is_given() {
            return HeldMark(None);
        }
        let (owner, serial) = (Owner::now(), NEXT.fetch_add(1, Ordering::Relaxed));
        owner.add(Held { serial, node: self.node(name), location });
        HeldMark(Some((owner, serial)))
    }

    fn node(&self, name: &Name) -> Node {
        let mut lock = self.0.load(Ordering::Relaxed);
        if lock == 0 {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            let given = self.0.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
            lock = given.map_or_else(|other| other, |_| new);
        }
        Node { name: name.clone(), lock }
    }
}

impl Drop for OrderMark {
    fn drop(&mut self) {
        if *self.0.get_mut() != 0 {
            forget(*self.0.get_mut());
        }
    }
}

impl Drop for HeldMark {
    fn drop(&mut self) {
        if let Some((owner, serial)) = self.0 {
            owner.remove(serial);
        }
    }
}
