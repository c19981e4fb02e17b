//! The gate by itself; `tests/rw_lock_loom.rs` tries all interleavings of it.

use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use super::access::Access;
use super::gate::Gate;
use super::new_gate;
use crate::name::Name;
use crate::wake::Wake;

fn noop() -> Wake {
    Wake::Task(Waker::noop().clone())
}

#[test]
fn who_joins_just_after_the_last_one_left_is_in_at_once() {
    let gate = new_gate(Name::UNNAMED);
    assert!(gate.try_enter(Access::Write, Location::caller()));
    assert!(!gate.try_enter(Access::Read, Location::caller()));
    gate.leave(Access::Write);
    let ticket = gate.join(Access::Read, Location::caller());
    assert!(gate.is_in(ticket, Access::Read, noop()), "nobody would call it");
    gate.leave(Access::Read);
    assert!(gate.try_enter(Access::Write, Location::caller()), "the gate is open again");
}

#[test]
fn who_waits_to_read_is_behind_the_writers_before_it() {
    let gate = new_gate(Name::UNNAMED);
    let here = Location::caller();
    assert!(gate.try_enter(Access::Read, here) && gate.try_enter(Access::Upgradable, here));
    let first = gate.join(Access::Upgradable, here);
    assert!(!gate.is_behind_a_writer(first, Access::Upgradable));
    let write = gate.join(Access::Write, here);
    let [second, read] = [Access::Upgradable, Access::Read].map(|access| gate.join(access, here));
    assert!(!gate.is_behind_a_writer(first, Access::Upgradable), "it came before");
    assert!(gate.is_behind_a_writer(second, Access::Upgradable));
    assert!(gate.is_behind_a_writer(read, Access::Read));
    assert!(gate.give_up(write, Access::Write));
    assert!(!gate.is_behind_a_writer(second, Access::Upgradable));
    assert!(!gate.is_behind_a_writer(read, Access::Read), "it is in");
    let upgrade = gate.join(Access::Upgrade, here);
    assert!(gate.is_behind_a_writer(first, Access::Upgradable));
    let write = gate.join(Access::Write, here);
    assert!(!gate.is_behind_a_writer(write, Access::Write), "it does not read");
    assert!(!gate.is_behind_a_writer(upgrade, Access::Upgrade));
}

#[test]
fn a_waker_is_dropped_under_no_lock() {
    /// As a task that has a guard, and is dropped with its last waker.
    struct Holds(Arc<Gate>);
    impl std::task::Wake for Holds {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Holds {
        fn drop(&mut self) {
            self.0.leave(Access::Read);
        }
    }
    let gate = Arc::new(new_gate(Name::UNNAMED));
    assert!(gate.try_enter(Access::Read, Location::caller()));
    let ticket = gate.join(Access::Write, Location::caller());
    let holds = Waker::from(Arc::new(Holds(Arc::clone(&gate))));
    assert!(!gate.is_in(ticket, Access::Write, Wake::Task(holds)));
    assert!(!gate.is_in(ticket, Access::Write, noop()), "it hangs here, or not at all");
    assert!(gate.is_in(ticket, Access::Write, noop()));
}
