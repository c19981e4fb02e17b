//! `ratelimit`: what a limiter costs, and whether it does what it says.
//!
//! The first part measures calls, in slices like every area: granted, refused,
//! by name, contended. The second part lets tasks wait in real time and looks
//! at what they were granted: how much against the ideal, in which order, how
//! evenly, and what is lost when waits are cancelled.

mod accuracy;
mod calls;
mod cancelled;
mod contenders;
mod order;
mod ours;
mod quota;
mod reference;
mod weighted;

use crate::harness::{self, Plan, Row};

pub(crate) const PEERS: [&str; 3] = ["governor", "leaky-bucket", "ratelimit"];

const AREA: &str = "ratelimit";

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    // Also for the calls: leaky-bucket refuses to work outside of a runtime.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("two threads can be had");
    let inside = runtime.enter();
    let mut rows = harness::measure(plan, calls::groups());
    drop(inside);
    rows.extend(runtime.block_on(async {
        let mut rows = accuracy::rows().await;
        rows.extend(order::rows().await);
        rows.extend(cancelled::rows().await);
        rows.extend(weighted::rows().await);
        rows
    }));
    rows
}
