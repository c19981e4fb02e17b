//! A slice: as many calls of one case as fill about 2 ms.

use std::hint::black_box;
use std::time::Duration;

use super::clock::cpu_time_of;
use super::{allocations, pair};

pub(super) const SLICE: Duration = Duration::from_millis(2);

/// What a slice runs: that many calls, one after the other.
pub(super) enum Work {
    Alone(Box<dyn FnMut(u64)>),
    /// By two threads at once, on the wall clock.
    Contended(Box<dyn Fn(u64) + Sync>),
}

impl Work {
    /// The time of `calls` calls, and how often this thread allocated; made
    /// `frames` further down the stack.
    pub(super) fn slice(&mut self, calls: u64, frames: u64) -> (Duration, u64) {
        let mut taken = Default::default();
        deeper(frames, &mut || taken = self.here(calls));
        taken
    }

    fn here(&mut self, calls: u64) -> (Duration, u64) {
        let before = allocations::of_this_thread();
        let time = match self {
            Self::Alone(work) => cpu_time_of(|| work(calls)),
            Self::Contended(work) => pair::wall_time(&|| work(calls)),
        };
        (time, allocations::of_this_thread() - before)
    }

    /// How many calls fill a slice.
    pub(super) fn calls_of_a_slice(&mut self) -> u64 {
        let mut calls = 16;
        loop {
            let (time, _) = self.here(calls);
            if time >= SLICE / 2 {
                let calls = calls as f64 * SLICE.as_secs_f64() / time.as_secs_f64();
                return calls.ceil() as u64;
            }
            calls *= 2;
        }
    }
}

/// Runs `work` so many frames further down the stack.
///
/// Where a value comes to lie relative to others decides by itself about a
/// third of what it costs to move, and would be the same for all slices of a
/// process but another in the next one. So each slice starts elsewhere, within
/// the 4 KiB after which it makes no difference.
#[inline(never)]
fn deeper(frames: u64, work: &mut dyn FnMut()) {
    let frame = black_box([0_u8; 48]);
    match frames.checked_sub(1) {
        None => work(),
        Some(frames) => deeper(frames, work),
    }
    // Used after the call, so that the frame stays where it is.
    black_box(&frame);
}
