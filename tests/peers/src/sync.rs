//! `sync`: what it costs to take what is free, and how long one waits for what
//! is not.
//!
//! The first part measures calls, in slices like every area: a lock, a permit,
//! a pooled resource, taken and given back. The second part lets tasks wait in
//! real time: a reader behind writers that come again and again, a writer
//! behind such readers, and a thousand whose timeouts pass.
//!
//! Every wait of ours has a timeout. So a peer's call with a timeout is the
//! same work, and the one without stands beside it as its floor.

/// Awaits a call again and again, which is ready at once each time: inside of
/// an async block, as a host does. A function with an async closure would put
/// one more state machine around what is measured, for a nanosecond or two.
macro_rules! await_each {
    ($call:expr) => {
        move |calls| {
            $crate::harness::at_once(async {
                for _ in 0..calls {
                    $call
                }
            })
        }
    };
}

mod awaited;
mod blocking;
mod locks;
mod overshoot;
mod pools;
mod queued;

use std::time::Duration;

use tokio::runtime::Builder;

use crate::harness::{self, Plan, Row};

pub(crate) const PEERS: [&str; 5] = ["parking_lot", "tokio", "async-lock", "deadpool", "bb8"];

const AREA: &str = "sync";

/// Never reached where what is asked for is free.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    // Also for the calls: tokio's `timeout` refuses to work outside of a
    // runtime, before it has to wait.
    let runtime =
        Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("two threads");
    let inside = runtime.enter();
    let groups = vec![
        blocking::lock(),
        awaited::read(),
        awaited::write(),
        awaited::permit(),
        pools::take_and_return(),
    ];
    let mut rows = harness::measure(plan, groups);
    drop(inside);
    rows.extend(runtime.block_on(queued::reader()));
    // One thread, so that whoever was let in has noted it before the next.
    let single = Builder::new_current_thread().enable_time().build().expect("no thread at all");
    rows.extend(single.block_on(queued::writer()));
    rows.extend(runtime.block_on(overshoot::rows()));
    rows
}

/// Makes a call again and again.
fn repeat(call: impl Fn()) -> impl Fn(u64) {
    move |calls| (0..calls).for_each(|_| call())
}
