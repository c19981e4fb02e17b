//! The gate of the read-write lock under loom: all interleavings of two and
//! three threads, up to a number of preemptions, as the C11 memory model allows
//! them.
//!
//! It sees the word, the line and the calls: exclusion, lost wake-ups, a word
//! that is not zero at the end. It does not see the value behind the gate
//! (async-lock's), timers, tasks, or more threads than three;
//! `rw_lock_shuttle.rs` tries those at random.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]
#![allow(dead_code, reason = "the gate has more than is tried here")]

#[path = "../src/async_rw_lock/access.rs"]
mod access;
#[path = "../src/async_rw_lock/gate.rs"]
mod gate;
#[path = "../src/async_rw_lock/line.rs"]
mod line;
#[allow(unreachable_pub, reason = "it is public where it belongs")]
#[path = "../src/async_rw_lock/status.rs"]
mod status;

use std::panic::Location;

use access::Access;
use atomics::{AtomicBool, AtomicUsize, Mutex};
use gate::Gate;
use line::Line;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use name::Name;
use wake::Wake;

/// What the gate stands on, of loom's.
mod atomics {
    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(pub(crate) loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}

/// Notes about holders play no part here.
mod holder {
    use lyra_errors::Location;

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Holder;

    #[derive(Debug)]
    pub(crate) struct HolderNote;

    impl Holder {
        pub(crate) fn with_others(self, _: usize) -> Self {
            self
        }
    }

    impl HolderNote {
        pub(crate) const fn new() -> Self {
            Self
        }
        pub(crate) const fn set(&self, _: Location) {}
        pub(crate) const fn set_for(&self, _: u64, _: Location) {}
        pub(crate) const fn read(&self) -> Option<Holder> {
            None
        }
    }

    pub(crate) const fn this_thread() -> u64 {
        0
    }
}

mod name {
    #[derive(Debug)]
    pub(crate) struct Name;
}

mod order {
    #[derive(Debug)]
    pub(crate) struct OrderMark;

    impl OrderMark {
        pub(crate) const fn new() -> Self {
            Self
        }
        pub(crate) const fn ask(&self, _: &crate::name::Name, _: lyra_errors::Location) {}
    }
}

/// Threads of loom's are called.
mod wake {
    #[derive(Debug)]
    pub(crate) struct Wake(pub(crate) loom::thread::Thread);

    impl Wake {
        pub(crate) const fn is_same(&self, _: &Self) -> bool {
            true
        }
    }

    pub(crate) fn discard(wake: Option<Wake>) {
        drop(wake);
    }

    #[derive(Debug, Default)]
    pub(crate) struct Wakes(Vec<Wake>);

    impl Wakes {
        pub(crate) fn add(&mut self, wake: Option<Wake>) {
            self.0.extend(wake);
        }
    }

    impl Drop for Wakes {
        fn drop(&mut self) {
            self.0.drain(..).for_each(|wake| wake.0.unpark());
        }
    }
}

/// What a thread does once.
#[derive(Debug, Clone, Copy)]
enum Visit {
    Read,
    Write,
    TryWrite,
    /// Reads upgradably, then writes.
    Upgrade,
    /// Writes, then reads on.
    Downgrade,
    /// Goes away if it would have to wait.
    ReadOrLeave,
    WriteOrLeave,
    UpgradeOrLeave,
}

struct Shared {
    gate: Gate,
    value: Value,
}

/// Stands for the value: loom tells of each access that races with another.
struct Value(UnsafeCell<()>);

#[allow(unsafe_code, reason = "to share what is not synchronised is what is tried here")]
// SAFETY: loom's cell finds races, it does not make any; and there is nothing
// in it.
unsafe impl Sync for Value {}

impl Shared {
    fn new() -> Self {
        let line = Mutex(loom::sync::Mutex::new(Line::new()));
        let gate = Gate::of(Name, AtomicBool::new(false), AtomicUsize::new(0), line);
        Self { gate, value: Value(UnsafeCell::new(())) }
    }

    fn enter(&self, access: Access, leaves: bool) -> bool {
        let here = Location::caller();
        if self.gate.try_enter(access, here) {
            return true;
        }
        let ticket = self.gate.join(access, here);
        let is_in = || self.gate.is_in(ticket, access, Wake(thread::current()));
        if is_in() {
            return true;
        }
        if leaves {
            if !self.gate.give_up(ticket, access) {
                // It came in meanwhile, and gives back what it was handed.
                match access {
                    Access::Upgrade => self.gate.lower(Access::Write, Access::Upgradable),
                    access => self.gate.leave(access),
                }
            }
            return false;
        }
        while !is_in() {
            thread::park();
        }
        true
    }

    fn reads(&self) {
        self.value.0.with(|_| thread::yield_now());
    }

    fn writes(&self) {
        self.value.0.with_mut(|_| thread::yield_now());
    }

    fn visit(&self, visit: Visit) {
        match visit {
            Visit::Read | Visit::ReadOrLeave => {
                if self.enter(Access::Read, matches!(visit, Visit::ReadOrLeave)) {
                    self.reads();
                    self.gate.leave(Access::Read);
                }
            }
            Visit::Write | Visit::WriteOrLeave => {
                if self.enter(Access::Write, matches!(visit, Visit::WriteOrLeave)) {
                    self.writes();
                    self.gate.leave(Access::Write);
                }
            }
            Visit::TryWrite => {
                if self.gate.try_enter(Access::Write, Location::caller()) {
                    self.writes();
                    self.gate.leave(Access::Write);
                }
            }
            Visit::Downgrade => {
                assert!(self.enter(Access::Write, false));
                self.writes();
                self.gate.lower(Access::Write, Access::Read);
                self.reads();
                self.gate.leave(Access::Read);
            }
            Visit::Upgrade | Visit::UpgradeOrLeave => {
                assert!(self.enter(Access::Upgradable, false));
                self.reads();
                if self.enter(Access::Upgrade, matches!(visit, Visit::UpgradeOrLeave)) {
                    self.writes();
                    self.gate.leave(Access::Write);
                } else {
                    self.gate.leave(Access::Upgradable);
                }
            }
        }
    }
}

fn try_all(visits: &'static [Visit]) {
    let mut model = loom::model::Builder::new();
    // `cargo xtask soak` tries more.
    model.preemption_bound = Some(if std::env::var_os("LYRA_SOAK").is_some() { 3 } else { 2 });
    model.max_branches = 100_000;
    model.check(move || {
        let shared = Arc::new(Shared::new());
        let others: Vec<_> = visits[1..]
            .iter()
            .map(|visit| {
                let (shared, visit) = (Arc::clone(&shared), *visit);
                thread::spawn(move || shared.visit(visit))
            })
            .collect();
        shared.visit(visits[0]);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(!shared.gate.is_held(), "{visits:?}: somebody is in for ever");
        assert!(shared.gate.try_enter(Access::Write, Location::caller()), "{visits:?}: it is shut");
    });
}

#[test]
fn two_threads_exclude_each_other_and_both_come_through() {
    use Visit::{
        Downgrade, Read, ReadOrLeave, TryWrite, Upgrade, UpgradeOrLeave, Write, WriteOrLeave,
    };
    let pairs: [&[Visit]; 12] = [
        &[Write, Write],
        &[Read, Write],
        &[Upgrade, Write],
        &[Upgrade, Read],
        &[Upgrade, Upgrade],
        &[Downgrade, Read],
        &[Downgrade, Write],
        &[WriteOrLeave, Read],
        &[ReadOrLeave, Write],
        &[UpgradeOrLeave, Read],
        &[WriteOrLeave, Write],
        &[TryWrite, Write],
    ];
    pairs.into_iter().for_each(try_all);
}

#[test]
fn three_threads_exclude_each_other_and_all_come_through() {
    use Visit::{Read, Upgrade, Write, WriteOrLeave};
    let threes: [&[Visit]; 4] = [
        &[Write, Read, Read],
        &[Read, WriteOrLeave, Read],
        &[Write, WriteOrLeave, Read],
        &[Upgrade, Read, Write],
    ];
    threes.into_iter().for_each(try_all);
}
