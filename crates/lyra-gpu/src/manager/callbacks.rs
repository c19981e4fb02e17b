//! Callbacks of a host, each on a thread of its own: one that blocks or panics
//! holds up nobody.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::contain::contained;
use crate::event::Event;

/// How far one may fall behind.
const BEHIND: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Callbacks(Mutex<Vec<SyncSender<Event>>>);

impl Callbacks {
    pub(super) fn add(&self, mut callback: impl FnMut(&Event) + Send + 'static) {
        let (sender, events) = sync_channel::<Event>(BEHIND);
        let calling = thread::Builder::new().name("lyra-gpu-callback".into());
        // It ends with the manager, whose end of the channel goes with it.
        let calling = calling.spawn(move || {
            for event in events {
                // It is called again with the next.
                let _ = contained(|| callback(&event));
            }
        });
        if calling.is_ok() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
    }

    pub(super) fn is_some(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn tell(&self, event: &Event) {
        let senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in &*senders {
            // Full: it misses this one, and sees so by the numbers.
            let _ = sender.try_send(event.clone());
        }
    }
}
