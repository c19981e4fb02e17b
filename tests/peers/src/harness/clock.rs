//! The time of a slice of one thread.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What the calling thread has computed so far; time in which others had the
/// core does not count.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// How long `work` takes in CPU time of this thread.
pub(crate) fn cpu_time_of(work: impl FnOnce()) -> Duration {
    let start = thread_cpu();
    work();
    thread_cpu().saturating_sub(start)
}
