//! The time of a slice of two threads.

use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long `work` takes on the wall clock when two threads do it at once:
/// from the first start to the last end.
///
/// Each has a core of its own. Left to itself the system often put both on
/// one, where they ran in turn and not against each other, in less time.
pub(super) fn wall_time(work: &(impl Fn() + Sync)) -> Duration {
    let to_come = AtomicU32::new(2);
    let [first, second] = two_cores();
    let run = |core: Option<usize>| {
        if let Some(core) = core {
            pin(core);
        }
        to_come.fetch_sub(1, Ordering::AcqRel);
        // Not a barrier of the system's, from which one wakes after the other.
        while to_come.load(Ordering::Acquire) > 0 {
            hint::spin_loop();
        }
        let start = Instant::now();
        work();
        (start, Instant::now())
    };
    let run = &run;
    thread::scope(|scope| {
        let threads = [scope.spawn(move || run(first)), scope.spawn(move || run(second))];
        let [one, other] =
            threads.map(|thread| thread.join().expect("the work of a case does not panic"));
        one.1.max(other.1) - one.0.min(other.0)
    })
}

/// The first two cores that this process may use, if there are two.
fn two_cores() -> [Option<usize>; 2] {
    let allowed = sched_getaffinity(None).unwrap_or_default();
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    match (cores.next(), cores.next()) {
        (Some(first), Some(second)) => [Some(first), Some(second)],
        _ => [None, None],
    }
}

/// Binds this thread, which ends with its slice, to a core.
fn pin(core: usize) {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).expect("it is among those that may be used");
}
