//! What the unload workers do. The host's code may fail, hang and panic.

use tokio::task;
use tokio::time::{Instant, timeout_at};

use super::contain::{Contained, contained, let_go};
use super::shared::Shared;
use crate::load::Unloader;
use crate::scheduler::Key;

impl Shared {
    pub(super) async fn unload(&self, key: Key) {
        let (unloader, value, limit) = {
            let mut state = self.lock();
            let limit = state.scheduler.policy.unload_timeout;
            let resident = state.residents.get_mut(&key);
            let unloader = resident.as_ref().and_then(|resident| resident.unloader.clone());
            (unloader, resident.and_then(|resident| resident.value.take()), limit)
        };
        let deadline = Instant::now() + limit;
        // Nobody has a handle any more: with its last owner the value goes. It
        // may take its time, and not that of the host's runtime.
        let is_dropped = match value {
            None => true,
            Some(value) => {
                let dropping = task::spawn_blocking(|| let_go(value));
                matches!(timeout_at(deadline, dropping).await, Ok(Ok(true)))
            }
        };
        let is_done = match &unloader {
            None => is_dropped,
            Some(unloader) => {
                let asked = is_done_by(&**unloader, limit);
                is_dropped && timeout_at(deadline, asked).await.unwrap_or(false)
            }
        };
        self.drive(|state, now| state.scheduler.unload_answered(now, key, is_done));
        self.stir.notify_one();
        let_go(unloader);
    }

    pub(super) fn kill(&self, key: Key) {
        let unloader = {
            let state = self.lock();
            state.residents.get(&key).and_then(|resident| resident.unloader.clone())
        };
        if let Some(unloader) = unloader {
            // Whether it helped, the device shows.
            let _ = contained(|| unloader.kill());
            let_go(unloader);
        }
        self.stir.notify_one();
    }
}

async fn is_done_by(unloader: &dyn Unloader, limit: std::time::Duration) -> bool {
    let Ok(unloading) = contained(|| unloader.unload(limit)) else { return false };
    matches!(Contained::new(unloading).await, Ok(Ok(())))
}
