//! How full the card was, all along.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::nvml::Card;

/// How often the card is read.
const EVERY: Duration = Duration::from_millis(20);

/// A thread that reads the card again and again, until it is ended.
#[derive(Debug)]
pub struct Trace {
    is_over: Arc<AtomicBool>,
    reading: Option<JoinHandle<Traced>>,
}

/// What a trace saw.
#[derive(Debug, Default, Clone, Copy)]
pub struct Traced {
    /// The most that was not free, in bytes.
    pub peak: u64,
    /// For how long more than nine tenths were not free.
    pub over: Duration,
    /// How often the card was read.
    pub samples: u64,
}

impl Trace {
    /// Begins to read; `total` is what nine tenths are counted of.
    #[must_use]
    pub fn begin(card: &Arc<Card>, total: u64) -> Self {
        let (card, is_over) = (Arc::clone(card), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&is_over);
        let reading = thread::spawn(move || read(&card, total, &told));
        Self { is_over, reading: Some(reading) }
    }

    /// Reads no more.
    #[must_use]
    pub fn end(mut self) -> Traced {
        self.is_over.store(true, Ordering::Release);
        self.reading.take().and_then(|reading| reading.join().ok()).unwrap_or_default()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

fn read(card: &Card, total: u64, is_over: &AtomicBool) -> Traced {
    let mut traced = Traced::default();
    let mut last = Instant::now();
    // Once more after its end was asked for, so that nothing that was there
    // then is missed.
    loop {
        let is_last = is_over.load(Ordering::Acquire);
        // A reading that fails is none; the next one is soon.
        if let Ok(memory) = card.memory() {
            let (taken, now) = (memory.taken(), Instant::now());
            traced.peak = traced.peak.max(taken);
            traced.samples += 1;
            if taken > total / 10 * 9 {
                traced.over += now - last;
            }
            last = now;
        }
        if is_last {
            return traced;
        }
        thread::sleep(EVERY); // tidy: sleep - a card is read by the clock, as nothing tells that its memory moved
    }
}
