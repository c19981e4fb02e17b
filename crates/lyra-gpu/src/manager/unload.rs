//! What the unload workers do. The host's code may fail, hang and panic.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use tokio::time::timeout;

use super::shared::Shared;
use crate::load::Unloader;
use crate::scheduler::Key;

impl Shared {
    pub(super) async fn unload(&self, key: Key) {
        let (unloader, value, limit) = {
            let mut state = self.lock();
            let limit = state.scheduler.policy.unload_timeout;
            let resident = state.residents.get_mut(&key);
            let unloader = resident.as_ref().map(|resident| Arc::clone(&resident.unloader));
            (unloader, resident.and_then(|resident| resident.value.take()), limit)
        };
        // Nobody has a handle any more: with its last owner the value goes.
        let is_dropped = catch_unwind(AssertUnwindSafe(|| drop(value))).is_ok();
        let is_done = match unloader {
            None => is_dropped,
            Some(unloader) => {
                let asked = is_done_by(&*unloader, limit);
                is_dropped && timeout(limit, asked).await.unwrap_or(false)
            }
        };
        self.drive(|state, now| state.scheduler.unload_answered(now, key, is_done));
        self.stir.notify_one();
    }

    pub(super) fn kill(&self, key: Key) {
        let unloader = {
            let state = self.lock();
            state.residents.get(&key).map(|resident| Arc::clone(&resident.unloader))
        };
        if let Some(unloader) = unloader {
            // Whether it helped, the device shows.
            let _ = catch_unwind(AssertUnwindSafe(|| unloader.kill()));
        }
        self.stir.notify_one();
    }
}

async fn is_done_by(unloader: &dyn Unloader, limit: std::time::Duration) -> bool {
    let begun = catch_unwind(AssertUnwindSafe(|| unloader.unload(limit)));
    let Ok(mut unloading) = begun else { return false };
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| unloading.as_mut().poll(context)));
        polled.map_or(Poll::Ready(false), |polled| polled.map(|done| done.is_ok()))
    })
    .await
}
