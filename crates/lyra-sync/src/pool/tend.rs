//! What a pool needs while nobody calls it.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{self, Instant};

use super::creation::Creation;
use super::manager::Manager;
use super::shared::{Ending, Shared};
use crate::events;
use crate::series;

impl<M: Manager> Shared<M> {
    /// Tends the pool again and again, until it is closed.
    pub(crate) async fn tend_on(self: &Arc<Self>) {
        loop {
            // Made before the look, so that no close can fall between them.
            let closing = self.closing.notified();
            if self.lock().is_closed() {
                return;
            }
            let round = async {
                self.tend().await;
                time::sleep(self.settings.maintenance_interval).await;
            };
            let (mut closing, mut round) = (pin!(closing), pin!(round));
            std::future::poll_fn(|context| match closing.as_mut().poll(context) {
                std::task::Poll::Ready(()) => std::task::Poll::Ready(()),
                std::task::Poll::Pending => round.as_mut().poll(context),
            })
            .await;
        }
    }

    /// Tends it once.
    pub(crate) async fn tend(self: &Arc<Self>) {
        self.report_long_held();
        self.destroy_expired();
        self.check_idle().await;
        self.fill_up().await;
    }

    fn report_long_held(&self) {
        for held in self.long_held(true) {
            series::long_held(&self.name);
            events::long_held(&self.name, held.held_for, held.holder.as_ref());
            if let Some(hook) = &self.hooks.on_long_held {
                let _ = self.guarded(|| hook(&held));
            }
        }
    }

    /// Destroys what is past its lifetime, and what was idle for too long, as
    /// long as enough stay.
    fn destroy_expired(&self) {
        let Some(now) = self.settings.clock() else { return };
        let expired = {
            let mut state = self.lock_whole();
            let mut spare = state.idle().len().saturating_sub(self.settings.min_idle);
            state.take_idle(|item| {
                let is_old = item.is_old(now, &self.settings);
                let goes = is_old || (spare > 0 && item.is_expired(now, &self.settings));
                spare = spare.saturating_sub(usize::from(goes));
                goes
            })
        };
        expired.into_iter().for_each(|item| self.end(item, Ending::Expired));
    }

    /// Checks what is idle, one at a time, so that the others can be taken
    /// meanwhile.
    async fn check_idle(&self) {
        let slots: Vec<_> = self.lock_whole().idle().iter().map(|item| item.slot).collect();
        for slot in slots {
            let taken = self.lock_whole().take_idle(|item| item.slot == slot).pop();
            // Somebody may have taken it in the meantime: then it is checked.
            let Some(item) = taken else { continue };
            if let Some(mut item) = self.check_cold(item).await {
                // It stays though it was idle for long, as one of the min idle
                // ones, and it works: it is there to be taken.
                if let Some(now) = self.settings.clock()
                    && item.is_expired(now, &self.settings)
                    && !item.is_old(now, &self.settings)
                {
                    item.idle_since = Some(now);
                }
                // All are checked, the coldest first: so their order stays.
                self.put(item);
            }
        }
    }

    /// Creates what lacks of the fewest that should be idle. What fails is
    /// tried again in the next round, so that this one ends, also where there
    /// is no pause after a failure.
    async fn fill_up(self: &Arc<Self>) {
        for _ in 0..self.settings.min_idle {
            let now = Instant::now();
            let making = {
                let mut state = self.lock_whole();
                let coming = state.idle().len() + state.creating();
                if coming >= self.settings.min_idle || state.is_pausing(now) {
                    return;
                }
                state.begin(None)
            };
            let Some(making) = making else { return };
            Creation::new(self, making).run().await;
        }
    }
}
